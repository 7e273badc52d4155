/** When a daemon that was started on demand ends: it has had nothing to do for a while, and nothing is left to be delivered. */

/** Runtimes ask every few seconds: it is no sign that the daemon is needed. */
const idleCommand = "STATUS";
/** Between two looks whether everything is delivered. */
const deliveryStepMs = 500;

export interface IdleEndOptions {
  /** Time without requests after which the daemon ends; undefined: it does not end when idle. */
  readonly seconds: number | undefined;
  /** Network-statuses and events that the API does not have yet. */
  readonly undelivered: () => number;
  /** Is called once. Clients that have connected by then still have to be served. */
  readonly end: () => void;
}

export class IdleEnd {
  readonly #options: IdleEndOptions;
  #underWay = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(options: IdleEndOptions) {
    this.#options = options;
  }

  /** To be called when the daemon serves: from now on it is idle. */
  begin(): void {
    this.#idle();
  }

  /** A request is worked on: until it has ended, and for a while afterwards, the daemon goes on. @param command CNI_COMMAND */
  begun(command: string): void {
    if (command === idleCommand) return;
    this.#underWay++;
    clearTimeout(this.#timer);
  }

  /** A request that has begun has ended. */
  ended(command: string): void {
    if (command === idleCommand) return;
    this.#underWay--;
    this.#idle();
  }

  #idle(): void {
    const { seconds } = this.#options;
    // Requests that are served during the exit do not change it.
    if (seconds !== undefined && this.#underWay === 0 && !this.#hasEnded) this.#look(seconds * 1000);
  }

  #look(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#options.undelivered() > 0) {
        this.#look(deliveryStepMs);
        return;
      }
      this.#hasEnded = true;
      this.#options.end();
    }, afterMs);
  }
}
