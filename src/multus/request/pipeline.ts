/**
 * Work in order, of which the next piece is begun before the present one has ended: a network's plugins are ordered while those of the network before it run, and the executor starts them
 * when these have succeeded. So the daemon's own work for one network is done while a plugin of another one runs. Where they do not succeed, nothing of the next piece was done, and it is
 * begun once more when its turn comes. Not more than the next one: what a failure has to undo stays small, and so does what is held of results (8 MiB each).
 */

/** The turn of a piece. */
export interface StepTurn {
  /** Token of the last order of the piece before it; undefined: that one has ended. */
  readonly startAfter: symbol | undefined;
  /** To be called when the piece's last order is given, with its token; not where the next piece has to wait for more than that one. */
  readonly onLastOrder: (token: symbol) => void;
}

/** The pieces, and how one is begun. */
export interface PipelineOptions<Piece, Outcome> {
  /** The piece after this one, where it may be begun before this one's outcome is there; undefined: it may not, or there is none. */
  readonly follower: (piece: Piece) => Piece | undefined;
  /** Begins a piece. Never throws or rejects. */
  readonly begin: (piece: Piece, turn: StepTurn) => Promise<Outcome>;
}

/** A piece that was begun. */
interface Begun<Piece, Outcome> {
  readonly piece: Piece;
  readonly outcome: Promise<Outcome>;
  /** Token of its last order; undefined: that is not given yet. */
  readonly lastOrder: () => symbol | undefined;
}

export class Pipeline<Piece, Outcome> {
  readonly #options: PipelineOptions<Piece, Outcome>;
  #present: Begun<Piece, Outcome> | undefined;
  /** It was begun before its turn. */
  #next: Begun<Piece, Outcome> | undefined;
  #hasEnded = false;

  constructor(options: PipelineOptions<Piece, Outcome>) {
    this.#options = options;
  }

  /** The outcome of the piece whose turn it is: all work on the one before it is done. */
  outcomeOf(piece: Piece): Promise<Outcome> {
    const present = this.#next?.piece === piece ? this.#next : this.#begin(piece, undefined);
    this.#present = present;
    this.#next = undefined;
    this.#beginNext();
    return present.outcome;
  }

  /** Forgets a piece that was begun before its turn, and of which nothing was done: the piece before it has not come to its end, and another one, or the same again, comes first. */
  async drop(): Promise<void> {
    await this.#next?.outcome;
    this.#next = undefined;
  }

  /** Nothing more is begun. @returns the outcome of a piece that was begun before its turn, which does not come; undefined: there is none */
  async end(): Promise<Outcome | undefined> {
    this.#hasEnded = true;
    return this.#next?.outcome;
  }

  #begin(piece: Piece, startAfter: symbol | undefined): Begun<Piece, Outcome> {
    let token: symbol | undefined;
    const outcome = this.#options.begin(piece, {
      startAfter,
      onLastOrder: (ordered) => {
        token = ordered;
        if (this.#present?.piece === piece) this.#beginNext();
      },
    });
    return { piece, outcome, lastOrder: () => token };
  }

  #beginNext(): void {
    const token = this.#present?.lastOrder();
    if (this.#hasEnded || this.#present === undefined || this.#next !== undefined || token === undefined)
      return;
    const next = this.#options.follower(this.#present.piece);
    if (next !== undefined) this.#next = this.#begin(next, token);
  }
}
