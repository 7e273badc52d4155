/** A directory of a test's own, gone when the test is. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { uniqueName } from "./session.ts";

export class ScratchDirectory implements Disposable {
  readonly path: string;

  /**
   * @param role a word for its name, for who finds it while the test runs
   * @param parent a directory that is removed with the session's, if not that of all scratch directories
   */
  constructor(role = "files", parent = tmpdir()) {
    this.path = join(parent, uniqueName(role));
    mkdirSync(this.path, { mode: 0o700 });
  }

  /** Writes a file and the directories above it. @param name path within the directory @returns its whole path */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
