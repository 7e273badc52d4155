/** The blocks of src/ that have run, by V8's coverage: an input that reaches a new one is worth keeping. */

import { Session } from "node:inspector";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const source = pathToFileURL(join(import.meta.dirname, "../../../src/")).href;

export class Coverage implements Disposable {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** The blocks that have been run since the last look. */
  look(): Set<string> {
    const blocks = new Set<string>();
    // Answers at once: nothing of it is asynchronous in a process that looks at itself.
    this.#session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (error !== null) throw error;
      for (const { url, functions } of answer.result) {
        if (!url.startsWith(source)) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            if (count > 0) blocks.add(`${url}:${startOffset}-${endOffset}`);
          }
        }
      }
    });
    return blocks;
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }
}
