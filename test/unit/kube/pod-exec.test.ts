/** Commands in containers over the API server's WebSocket: output, ends, refusals and limits. */

import { afterEach, expect, it } from "vitest";
import type { Access, Credentials } from "../../../src/kube/access.ts";
import { ApiError, ApiUnreachable } from "../../../src/kube/api.ts";
import { type ExecRequest, execInPod } from "../../../src/kube/pod-exec.ts";
import { type Exec, ExecServer } from "../../support/exec-server.ts";

let server: ExecServer;
afterEach(() => server[Symbol.asyncDispose]());

const request: ExecRequest = {
  namespace: "kube-system",
  pod: "kube-multus-ds-x",
  container: "kube-multus",
  command: ["multusctl", "status", "--socket-dir", "/a b&c"],
  timeoutMs: 20_000,
  maxBytes: 1 << 20,
};

/** @param tokens of the credentials, and of those that replace them after a 401 */
function credentials(...tokens: readonly string[]): Credentials {
  const accesses = tokens.map(
    (token): Access => ({
      server: new URL(server.url),
      tls: undefined,
      headers: { authorization: `Bearer ${token}` },
    }),
  );
  const [first, second = first] = accesses;
  if (first === undefined || second === undefined) throw new Error("there is no token");
  return { access: async () => first, renewed: async () => second };
}

async function exec(end: Exec, more: Partial<ExecRequest> = {}, ...tokens: readonly string[]) {
  server = await ExecServer.start(end);
  return execInPod(credentials(...(tokens.length === 0 ? ["first"] : tokens)), { ...request, ...more });
}

it("gives what the command has printed, of both channels, and asks for what it is told", async () => {
  const { exitCode, stdout, stderr } = await exec(() => ({ stdout: ['{"a":', "1}"], stderr: ["! x\n"] }));
  expect({ exitCode, stdout: stdout.toString(), stderr: stderr.toString() }).toEqual({
    exitCode: 0,
    stdout: '{"a":1}',
    stderr: "! x\n",
  });
  const { namespace, pod, container, command } = request;
  expect(server.execs).toEqual([{ namespace, pod, container, command, authorization: "Bearer first" }]);
});

it("gives the exit code of a command that fails, and what it has printed", async () => {
  const { exitCode, stdout } = await exec(() => ({ stdout: ["{}"], exitCode: 3 }));
  expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 3, stdout: "{}" });
});

it("says why a command cannot be started", async () => {
  const message = 'exec: "multusctl": executable file not found in $PATH';
  const failed = exec(() => ({ status: { status: "Failure", reason: "InternalError", code: 500, message } }));
  await expect(failed).rejects.toThrow(
    new ApiError(500, "InternalError", `exec in kube-system/kube-multus-ds-x: ${message}`),
  );
});

it("says what the server refuses", async () => {
  const failed = exec(() => ({ refused: 403, message: "pods is forbidden" }));
  await expect(failed).rejects.toMatchObject({ name: "ApiError", status: 403, message: /pods is forbidden/ });
});

it("asks once more with the credentials that replace those that are refused", async () => {
  const isNew = (authorization: string) => authorization === "Bearer second";
  const { exitCode } = await exec(
    ({ authorization }) =>
      isNew(authorization) ? { exitCode: 0 } : { refused: 401, message: "Unauthorized" },
    {},
    "first",
    "second",
  );
  expect(exitCode).toBe(0);
  await server[Symbol.asyncDispose]();
  await expect(exec(() => ({ refused: 401, message: "Unauthorized" }))).rejects.toMatchObject({
    status: 401,
  });
  expect(server.execs).toHaveLength(1);
});

const ends: readonly (readonly [string, Exec, Partial<ExecRequest>, RegExp])[] = [
  ["a connection that breaks", () => "cut", {}, /socket hang up|ECONNRESET/],
  ["an end that does not come", () => "silence", { timeoutMs: 300 }, /no end within 0.3 s|handshake/i],
  [
    "more output than it takes",
    () => ({ stdout: ["x".repeat(60), "x".repeat(60)] }),
    { maxBytes: 100 },
    /prints more than 100 bytes/,
  ],
  ["a message that is longer", () => ({ stdout: ["x".repeat(2 << 20)] }), { maxBytes: 100 }, /./],
];

it.each(ends)("%s ends it with an error, and no connection stays", async (_, end, more, message) => {
  const failed = exec(end, more);
  await expect(failed).rejects.toThrow(ApiUnreachable);
  await expect(failed).rejects.toThrow(message);
  await expect.poll(() => server.open).toBe(0);
});
