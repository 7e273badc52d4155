/** The real flannel plugin: last part of containernetworking/plugins v0.9.1. */

import { installGoProgram } from "./go-program.ts";

/** @returns path of the built plugin @throws {Error} with go's message */
export function buildFlannel(): Promise<string> {
  return installGoProgram("github.com/containernetworking/plugins/plugins/meta/flannel", "v0.9.1");
}
