/** The directories of a node that multusctl installs on, below a scratch directory. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { UninstallOptions } from "../../src/ctl/install/uninstall.ts";
import { ScratchDirectory } from "./scratch-directory.ts";

/** Stand-in for Go multus's binary: any program that is not ours. */
export const goBinary = "#!/bin/sh\necho multus-cni\n";
/** Name under which one that was there before is kept. */
export const former = ".multus.before-multus-wasm";

export class Installation extends ScratchDirectory {
  readonly binDir = join(this.path, "bin");
  readonly confDir = join(this.path, "net.d");

  constructor() {
    super("install");
    mkdirSync(this.binDir);
    mkdirSync(this.confDir);
  }

  /** All of an uninstall's directories; those of a daemon are not there before a test makes them. */
  get uninstallOptions(): UninstallOptions {
    return {
      cniBinDir: this.binDir,
      daemonBinDir: this.binDir,
      cniConfDir: this.confDir,
      socketDir: join(this.path, "run"),
      isServed: false,
      certDir: join(this.path, "certs"),
      cniDir: join(this.path, "cache"),
    };
  }
}
