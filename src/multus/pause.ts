/** Waiting that costs nothing but time: what a request waits for while the daemon could work on another one. */

/** Waits for an answer that comes from elsewhere, and gives way to other requests meanwhile. @returns what `answer` does, or throws */
export type Pause = <Answer>(answer: Promise<Answer>) => Promise<Answer>;

/** Gives way to nobody: for who has no other requests. */
export const plainPause: Pause = (answer) => answer;
