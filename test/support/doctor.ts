/** multusctl doctor as a program. */

import { join } from "node:path";
import { type CommandOutcome, runCommand } from "./command.ts";

export const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");

export interface Found {
  readonly check: string;
  readonly verdict: string;
  readonly finding: string;
  readonly remedy: string;
}

/** Options by which it looks at nothing of the machine that a test runs on; later ones win. */
export const seeingNothing: readonly string[] = [
  ...["--cni-conf-dir", "/nowhere", "--bin-dir", "/nowhere", "--socket-dir", "/nowhere"],
  ...["--cni-dir", "/nowhere", "--cert-dir", "/nowhere"],
  ...["--containerd-config", "/nowhere", "--crio-config", "/nowhere"],
];

/** It looks for programs that run: only at itself here, whatever else runs on the machine. */
const alone = ["unshare", "--pid", "--fork", "--mount-proc"];

/** @param through words before the command that start it as somebody else */
export function runDoctor(
  options: readonly string[],
  through: readonly string[] = [],
): Promise<CommandOutcome> {
  return runCommand(
    [...alone, ...through, process.execPath, multusctl, "doctor", ...seeingNothing, ...options],
    {
      env: { HOME: "/nowhere" },
    },
  );
}

/** The findings of multusctl doctor. */
export async function doctorFindings(
  ...options: string[]
): Promise<{ readonly exitCode: number | null; readonly findings: readonly Found[] }> {
  const { exitCode, stdout, stderr } = await runDoctor(["--json", ...options]);
  if (stderr !== "") throw new Error(`multusctl doctor: ${stderr}`);
  return { exitCode, findings: JSON.parse(stdout.toString()).findings };
}
