/** The API server's answers about manifests of which it keeps nothing. */

import { expect } from "vitest";
import type { CommandOutcome } from "../command.ts";
import type { ApiServer } from "./api-server.ts";
import { manifests } from "./deployment.ts";

/** Asks the server about manifests, and to be strict about fields. @param text YAML @returns kubectl's outcome */
export function dryRun(api: ApiServer, text: string): Promise<CommandOutcome> {
  const args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
  return api.kubectlOutcome(args, { stdin: text });
}

/** Expects that the server accepts each object, warns of nothing, and drops no field without saying so. @param text YAML */
export async function expectAccepted(api: ApiServer, text: string): Promise<void> {
  const { exitCode, stdout, stderr } = await dryRun(api, text);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout.toString().trim().split("\n")).toEqual(
    manifests(text).map(() => expect.stringMatching(/ serverside-applied \(server dry run\)$/)),
  );
}
