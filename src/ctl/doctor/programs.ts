/** Checks the plugin's binaries: are they installed, executable, for this machine, ours, and of the daemon's release? */

import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { isMissingFile } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { passthruType } from "../../multus/plan/passthru.ts";
import { isExecutable } from "../node/access.ts";
import {
  architectureOf,
  installedPluginNames,
  machineOf,
  ownArchitecture,
  releaseIn,
} from "../node/program.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

const run = promisify(execFile);
const versionWithinMs = 5_000;

/**
 * @param type that the runtime's configuration names
 * @param daemonVersion "" if no daemon has answered
 */
export async function checkPrograms(
  binDir: string,
  type: string,
  daemonVersion: string,
): Promise<NodeFinding[]> {
  const names = [...new Set([type, ...installedPluginNames])];
  const findings = await Promise.all(
    names.map((name) => checkProgram(join(binDir, name), name, name === type, daemonVersion)),
  );
  return findings.flat();
}

async function checkProgram(
  path: string,
  name: string,
  isNeeded: boolean,
  daemonVersion: string,
): Promise<NodeFinding[]> {
  const findings = new CheckFindings(`plugin/${name}`);
  const reinstall = "install it again: multusctl install, or restart the DaemonSet's pod of this node";
  try {
    if (!statSync(path).isFile()) return findings.fail(`${path} is no file`, reinstall);
  } catch (error) {
    if (!isMissingFile(error)) return findings.skip(errorText(error), "run it with sudo");
    if (!isNeeded) return [];
    return findings.fail(
      `${path} is not there, and the runtime's configuration names it: every pod fails`,
      reinstall,
    );
  }
  if (!isExecutable(path)) return findings.fail(`${path} is not executable`, `chmod 0755 ${path}`);
  const machine = machineOf(path);
  const own = ownArchitecture();
  if (machine === undefined) return findings.fail(`${path} is no program for Linux (ELF)`, reinstall);
  if (own !== undefined && architectureOf(path) !== own) {
    return findings.fail(
      `${path} is for another architecture (ELF machine ${machine}, this one is ${own})`,
      `${reinstall}, from the image for ${own}`,
    );
  }
  const said = await versionOf(path);
  const version = releaseIn(said);
  // Every passthru will do.
  if (version === undefined && name === passthruType) return [];
  if (version === undefined) {
    const what = /multus/i.test(said) ? "Go multus's" : "not ours";
    return findings.warn(
      `${path} is ${what} (${JSON.stringify(said.split("\n", 1)[0]?.slice(0, 80) ?? "")})`,
      isNeeded
        ? "Go's multus-shim works with multusd over HTTP, and slower; Go's multus needs no daemon. multusctl install replaces it with ours"
        : "it is unused as long as no network configuration names it",
    );
  }
  if (daemonVersion !== "" && version !== daemonVersion) {
    return findings.warn(
      `${path} is ${version}, and the daemon ${daemonVersion}`,
      "they work together as long as they speak the same protocol; update both: multusctl install",
    );
  }
  return findings.pass(`${path} is ${version}`);
}

/** A program's output for --version. */
async function versionOf(path: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(path, ["--version"], {
      timeout: versionWithinMs,
      env: {},
      maxBuffer: 1 << 16,
    });
    return stdout || stderr;
  } catch (error) {
    return errorText(error);
  }
}
