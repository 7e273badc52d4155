/** Waiting that costs nothing but time: what a request waits for while the daemon could work on another one. */

/** Waits for an answer that comes from elsewhere, and gives way to other requests meanwhile. Returns what `answer` does, or throws. */
export interface Pause {
  <Answer>(answer: Promise<Answer>): Promise<Answer>;
  /** Aborted where nobody is left to read the request's answer; undefined: somebody always is. */
  readonly signal?: AbortSignal;
}

/** Gives way to nobody: for who has no other requests. */
export const plainPause: Pause = (answer) => answer;
