/**
 * Work in order, of which the next piece is begun before the present one has ended: a network's plugins are ordered while those of the network before it run, and the executor starts them
 * when these have succeeded. So the daemon's own work for one network is done while a plugin of another one runs. Where they do not succeed, nothing of the next piece was done, and it is
 * begun once more if its turn comes. Not more than the next one: what a failure has to undo stays small, and so does what is held of results (8 MiB each).
 */

/** The pieces, and how one is begun. */
export interface PipelineOptions<Piece, Outcome> {
  /** The piece after this one, where it may be begun before this one's outcome is there; undefined: it may not, or there is none. */
  readonly follower: (piece: Piece) => Piece | undefined;
  /**
   * Begins a piece. Never throws or rejects.
   * @param startAfter token of the last run of the piece before it; undefined: that one has ended
   * @param onLastOrder to be called when the piece's last run is ordered, with the token of that run
   */
  readonly begin: (
    piece: Piece,
    startAfter: symbol | undefined,
    onLastOrder: (token: symbol) => void,
  ) => Promise<Outcome>;
  /** Is it the outcome of a piece of which nothing was done, as the run it was to be started after has not succeeded? */
  readonly wasNotStarted: (outcome: Outcome) => boolean;
}

/** A piece that was begun. */
interface Begun<Piece, Outcome> {
  readonly piece: Piece;
  /** It was begun before its turn. */
  readonly isAhead: boolean;
  readonly outcome: Promise<Outcome>;
  /** Token of its last run; undefined: that is not ordered yet. */
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
  async outcomeOf(piece: Piece): Promise<Outcome> {
    // Another one comes first than was expected: nothing of that one was started.
    if (this.#next !== undefined && this.#next.piece !== piece) await this.#next.outcome;
    const present = this.#next?.piece === piece ? this.#next : this.#begin(piece, undefined);
    this.#present = present;
    this.#next = undefined;
    this.#beginNext();
    const outcome = await present.outcome;
    const isAgain = present.isAhead && this.#options.wasNotStarted(outcome);
    return isAgain ? this.outcomeOf(piece) : outcome;
  }

  /** Nothing more is begun. @returns the outcome of a piece that was begun before its turn, which does not come; undefined: there is none */
  async end(): Promise<Outcome | undefined> {
    this.#hasEnded = true;
    return this.#next?.outcome;
  }

  #begin(piece: Piece, startAfter: symbol | undefined): Begun<Piece, Outcome> {
    let token: symbol | undefined;
    const outcome = this.#options.begin(piece, startAfter, (ordered) => {
      token = ordered;
      if (this.#present?.piece === piece) this.#beginNext();
    });
    return { piece, isAhead: startAfter !== undefined, outcome, lastOrder: () => token };
  }

  #beginNext(): void {
    const token = this.#present?.lastOrder();
    if (this.#hasEnded || this.#present === undefined || this.#next !== undefined || token === undefined)
      return;
    const next = this.#options.follower(this.#present.piece);
    if (next !== undefined) this.#next = this.#begin(next, token);
  }
}
