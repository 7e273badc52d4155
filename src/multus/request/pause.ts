/** Waiting that needs no slot: for answers of the API and for files, while the daemon works on other requests. */

/** Waits for an answer that comes from elsewhere, and gives way to other requests meanwhile. Returns what `answer` does, or throws. */
export interface Pause {
  <Answer>(answer: Promise<Answer>): Promise<Answer>;
  /** Aborted where nobody is left to read the request's answer; undefined: somebody always is. */
  readonly signal?: AbortSignal;
}

/** Waits without giving way: for callers that have no other requests. */
export const plainPause: Pause = (answer) => answer;
