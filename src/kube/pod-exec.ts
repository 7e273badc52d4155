/** Runs a command in a container through the API server, by WebSocket (subresource exec of pods; protocols v5 and v4 of its channels). Loaded where a command asks for it. */

import type { Agent, IncomingMessage } from "node:http";
import WebSocket from "ws";
import { objectAt, objectIn, objectsIn, textOf } from "../base/json.ts";
import { errorText } from "../log/error-text.ts";
import type { Access, Credentials } from "./access.ts";
import { ApiError, ApiUnreachable } from "./api.ts";
import { answerError } from "./api-answer.ts";

export interface ExecRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Program and arguments; no shell. */
  readonly command: readonly string[];
  /** Milliseconds until the command has ended. */
  readonly timeoutMs: number;
  /** Bytes of stdout, and of stderr. */
  readonly maxBytes: number;
}

export interface ExecOutcome {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** The first byte of a message says which channel it is of. */
const channels = { stdout: 1, stderr: 2, status: 3 } as const;
const protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
/** Of the Status object at the end. */
const longestStatus = 1 << 20;
/** Of the body of a refusal. */
const longestRefusal = 1 << 20;

/**
 * Runs the command to its end. With other credentials once more, if the server does not accept the first ones.
 * @throws {ApiError} if the server refuses, or the command cannot be started in the container (status 500)
 * @throws {ApiUnreachable} if there is no answer, the connection breaks, it takes too long or prints too much
 */
export async function execInPod(credentials: Credentials, request: ExecRequest): Promise<ExecOutcome> {
  const access = await accessOf(() => credentials.access());
  try {
    return await run(access, request);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const renewed = await accessOf(() => credentials.renewed(access));
    if (renewed === access) throw error;
    return run(renewed, request);
  }
}

async function accessOf(get: () => Promise<Access>): Promise<Access> {
  try {
    return await get();
  } catch (error) {
    throw new ApiUnreachable(errorText(error), { cause: error });
  }
}

function pathOf({ namespace, pod, container, command }: ExecRequest): string {
  const query = new URLSearchParams({ container, stdout: "true", stderr: "true" });
  for (const word of command) query.append("command", word);
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/exec?${query}`;
}

async function run({ server, tls, headers, proxy }: Access, request: ExecRequest): Promise<ExecOutcome> {
  const { timeoutMs, maxBytes } = request;
  const said = `exec in ${request.namespace}/${request.pod}`;
  const address = `${server.origin.replace(/^http/, "ws")}${server.pathname.replace(/\/$/, "")}${pathOf(request)}`;
  const { Agent: PlainAgent } = process.getBuiltinModule(tls === undefined ? "node:http" : "node:https");
  const agent: Agent = proxy?.agent({}, tls) ?? new PlainAgent({ ...tls });
  const socket = new WebSocket(address, protocols, {
    agent,
    headers,
    handshakeTimeout: timeoutMs,
    maxPayload: Math.max(maxBytes, longestStatus) + 1,
    perMessageDeflate: false,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<ExecOutcome>((resolve, reject) => {
      const fail = (problem: string, cause?: unknown) =>
        reject(new ApiUnreachable(`${server.origin}: ${said}: ${problem}`, { cause }));
      timer = setTimeout(() => fail(`no end within ${timeoutMs / 1000} s`), timeoutMs);
      const [stdout, stderr, status] = [
        new Output(maxBytes),
        new Output(maxBytes),
        new Output(longestStatus),
      ];
      const outputs: ReadonlyMap<number, Output> = new Map([
        [channels.stdout, stdout],
        [channels.stderr, stderr],
        [channels.status, status],
      ]);
      socket.on("unexpected-response", (_, response) => {
        refusalOf(response, said).then(reject, (error: unknown) => fail(errorText(error), error));
      });
      socket.on("error", (error) => fail(errorText(error), error));
      socket.on("message", (data) => {
        if (outputs.get(data[0] ?? 0)?.take(data.subarray(1)) === false)
          fail(`it prints more than ${maxBytes} bytes`);
      });
      socket.on("close", () => {
        const outcome = outcomeOf(status.bytes, said);
        if (outcome instanceof Error) reject(outcome);
        else if (outcome === undefined) fail("the connection ended before the command did");
        else resolve({ exitCode: outcome, stdout: stdout.bytes, stderr: stderr.bytes });
      });
    });
  } finally {
    clearTimeout(timer);
    // An error of a connection that is given up.
    socket.on("error", () => {});
    socket.terminate();
    agent.destroy();
  }
}

/** The bytes of a channel, up to a limit. */
class Output {
  readonly #most: number;
  readonly #chunks: Buffer[] = [];
  #length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns false: it would be too much */
  take(chunk: Buffer): boolean {
    this.#length += chunk.length;
    if (this.#length > this.#most) return false;
    this.#chunks.push(chunk);
    return true;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** @param status a Status object in JSON @returns the exit code; undefined: the server has said nothing of an end */
function outcomeOf(status: Buffer, said: string): number | ApiError | undefined {
  const object = objectIn(status.toString());
  if (object === undefined) return undefined;
  if (object.status === "Success") return 0;
  const causes = objectsIn(objectAt(object, "details").causes);
  const cause = causes.find(({ reason }) => reason === "ExitCode");
  const exitCode = Number(textOf(cause?.message));
  if (object.reason === "NonZeroExitCode" && Number.isInteger(exitCode)) return exitCode;
  const code = typeof object.code === "number" ? object.code : 500;
  return new ApiError(code, textOf(object.reason), `${said}: ${textOf(object.message) || "it has failed"}`);
}

/** The error of an answer that is no WebSocket. */
async function refusalOf(response: IncomingMessage, said: string): Promise<ApiError> {
  const body = new Output(longestRefusal);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (!body.take(chunk)) break;
  }
  return answerError(said, response.statusCode ?? 0, body.bytes, response.headers["retry-after"]);
}
