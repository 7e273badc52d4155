/** Requests to an API server over HTTP(S), with one pool of kept connections. */

import type { Agent, IncomingMessage } from "node:http";
import packageJson from "../../package.json" with { type: "json" };
import { unlessAborted } from "../base/abort.ts";
import { largeWork } from "../base/large-work.ts";
import { systemErrorCode } from "../base/system-error.ts";
import { errorText } from "../log/error-text.ts";
import { type Access, type Credentials, hostOf } from "./access.ts";
import { type Api, ApiError, type ApiRequest, ApiUnreachable, answerTooLong } from "./api.ts";
import { answerError } from "./api-answer.ts";
import { WatchLines } from "./watch-lines.ts";

const userAgent = `${packageJson.name}/${packageJson.version}`;
const defaultTimeoutMs = 10_000;
const watchBeginMs = 10_000;
/** Until there is a TCP connection. Shorter than a request's own time: the next try begins with a new SYN at once, where TCP itself waits longer and longer. */
const connectTimeoutMs = 3_000;
/** A peer that vanished is noticed some 10 s after this silence. */
const tcpKeepAliveMs = 15_000;
/** Go's HTTP servers keep an idle connection for longer. */
const idleTimeoutMs = 60_000;
const maxSockets = 16;
const maxIdleSockets = 4;
/** Some five of the largest objects that etcd takes: while an answer is parsed it needs several times its size in memory. */
const defaultMaxBytes = 8 << 20;
const maxLineBytes = 4 << 20;
/** Of the body of an error. */
const maxErrorBytes = 1 << 20;

/** Connections that were made with the same address and TLS settings. */
interface Pool {
  readonly origin: string;
  readonly tls: Access["tls"];
  readonly proxy: Access["proxy"];
  readonly agent: Agent;
  readonly watches: Set<IncomingMessage>;
  isRetired: boolean;
}

/** The server had closed the kept connection before it could have read the request. */
class LostConnection extends Error {}

/** An answer as far as its headers. */
interface Answer {
  readonly response: IncomingMessage;
  readonly pool: Pool;
  readonly deadline: Deadline;
}

/** Speaks HTTP/1.1 and JSON. */
export class ApiClient implements Api {
  readonly #credentials: Credentials;
  readonly #closing = new AbortController();
  #pool: Pool | undefined;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  async request<Result>(request: ApiRequest): Promise<Result> {
    const { method, path } = request;
    const { answer, body } = await this.#body(request);
    const parse = () => (body.length === 0 ? undefined : JSON.parse(body.toString("utf8"))) as Result;
    try {
      return await (request.isPaced === true ? largeWork.run("", body.length, parse) : parse());
    } catch (error) {
      throw new ApiUnreachable(
        `${answer.pool.origin}: the answer to ${method} ${path} is not JSON: ${errorText(error)}`,
        { cause: error },
      );
    }
  }

  /** The answer's body as it is, for what is no JSON. @throws {ApiError} {@link ApiUnreachable} as `request` */
  async text(request: ApiRequest): Promise<string> {
    return (await this.#body(request)).body.toString("utf8");
  }

  async watch(request: ApiRequest, onLine: (line: unknown) => void, onOpen?: () => void): Promise<void> {
    const { timeoutMs = defaultTimeoutMs } = request;
    using deadline = new Deadline(request.signal, this.#closing.signal);
    deadline.within(watchBeginMs, `no answer within ${watchBeginMs / 1000} s`);
    const answer = await this.#ask(request, deadline);
    const { response, pool } = answer;
    const silence = `nothing was heard for ${timeoutMs / 1000} s`;
    deadline.within(timeoutMs, silence);
    const lines = new WatchLines(maxLineBytes, (line) => onLine(parseLine(line, pool.origin)));
    pool.watches.add(response);
    try {
      onOpen?.();
      for await (const chunk of chunks(answer)) {
        deadline.within(timeoutMs, silence);
        lines.push(chunk);
      }
    } catch (error) {
      // Ended by retire(): the next watch uses the credentials that are valid now.
      if (error instanceof ApiUnreachable && pool.isRetired) return;
      throw error instanceof RangeError ? unreachable(pool.origin, error) : error;
    } finally {
      pool.watches.delete(response);
      response.destroy();
    }
    if (lines.pending > 0)
      throw new ApiUnreachable(`${pool.origin}: the watch ended in the middle of a line`);
  }

  /** The whole answer. @throws {ApiError} {@link ApiUnreachable} */
  async #body(request: ApiRequest): Promise<{ readonly answer: Answer; readonly body: Buffer }> {
    const { method, path, timeoutMs = defaultTimeoutMs, maxBytes = defaultMaxBytes } = request;
    using deadline = new Deadline(request.signal, this.#closing.signal);
    deadline.within(timeoutMs, `no answer within ${timeoutMs / 1000} s`);
    const answer = await this.#ask(request, deadline);
    const body = await readBody(answer, maxBytes);
    if (body !== undefined) return { answer, body };
    const message = `${method} ${path}: the answer has more than ${maxBytes} bytes`;
    throw new ApiError(answer.response.statusCode ?? 0, answerTooLong, message);
  }

  close(): void {
    this.#closing.abort();
    this.#pool?.agent.destroy();
  }

  /** An answer of status 2xx; asks once more with other credentials after a 401. @throws {ApiError} {@link ApiUnreachable} */
  async #ask(request: ApiRequest, deadline: Deadline): Promise<Answer> {
    const access = await this.#access(() => this.#credentials.access(), deadline);
    let answer = await this.#exchange(request, access, deadline);
    if (answer.response.statusCode === 401) {
      const renewed = await this.#access(() => this.#credentials.renewed(access), deadline);
      if (renewed !== access) {
        // So that its connection can be used again.
        await readBody(answer, maxErrorBytes);
        answer = await this.#exchange(request, renewed, deadline);
      }
    }
    const { statusCode = 0, headers } = answer.response;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const body = (await readBody(answer, maxErrorBytes)) ?? Buffer.alloc(0);
    throw answerError(`${request.method} ${request.path}`, statusCode, body, headers["retry-after"]);
  }

  async #access(get: () => Promise<Access>, deadline: Deadline): Promise<Access> {
    try {
      return await deadline.race(get());
    } catch (error) {
      if (error instanceof ApiUnreachable) throw error;
      throw new ApiUnreachable(errorText(error), { cause: error });
    }
  }

  /** @throws {ApiUnreachable} */
  async #exchange(request: ApiRequest, access: Access, deadline: Deadline): Promise<Answer> {
    const pool = this.#poolOf(access);
    const ask = async () => ({
      response: await send(request, access, pool.agent, deadline.signal),
      pool,
      deadline,
    });
    try {
      return await ask().catch((error: unknown) => {
        if (!(error instanceof LostConnection) || deadline.signal.aborted) throw error;
        // The other kept connections have most likely gone the same way.
        destroyIdle(pool.agent);
        return ask();
      });
    } catch (error) {
      throw deadline.reason(pool.origin) ?? unreachable(pool.origin, error);
    }
  }

  #poolOf({ server, tls, proxy }: Access): Pool {
    const before = this.#pool;
    const isSame = before?.origin === server.origin && before.tls === tls && before.proxy === proxy;
    if (before !== undefined && isSame) return before;
    if (before !== undefined) retire(before);
    this.#pool = makePool(server, tls, proxy);
    return this.#pool;
  }
}

function makePool({ origin }: URL, tls: Access["tls"], proxy: Access["proxy"]): Pool {
  const options = {
    keepAlive: true,
    maxSockets,
    maxFreeSockets: maxIdleSockets,
    timeout: idleTimeoutMs,
    scheduling: "lifo",
  } as const;
  // Not imported: a daemon without a cluster does without TLS (7 MB); and an `import` of node:http brings a WebSocket client along (6 MB).
  const { Agent } = process.getBuiltinModule(tls === undefined ? "node:http" : "node:https");
  const agent = proxy?.agent(options, tls) ?? new Agent({ ...options, ...tls });
  return { origin, tls, proxy, agent, watches: new Set(), isRetired: false };
}

/** Requests under way go on; their connections are not kept. */
function retire(pool: Pool): void {
  pool.isRetired = true;
  pool.agent.maxFreeSockets = 0;
  destroyIdle(pool.agent);
  for (const response of pool.watches) response.destroy();
}

function destroyIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}

/** Resolves with the headers of the answer. @throws {LostConnection} where it is safe to send the same again @throws {Error} of node:http otherwise */
function send(
  request: ApiRequest,
  { server, headers, tls, proxy }: Access,
  agent: Agent,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const forwarder = tls === undefined && proxy?.takesRequests === true ? proxy : undefined;
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  return new Promise((resolve, reject) => {
    const outgoing = process.getBuiltinModule("node:http").request({
      agent,
      protocol: server.protocol,
      host: hostOf(server),
      port: server.port,
      // In absolute form for a proxy (RFC 9112, section 3.2.2).
      path:
        (forwarder === undefined ? "" : server.origin) + server.pathname.replace(/\/$/, "") + request.path,
      method: request.method,
      signal,
      headers: {
        ...headers,
        ...forwarder?.headers,
        accept: request.accept ?? "application/json",
        "user-agent": userAgent,
        ...(body === undefined
          ? {}
          : {
              "content-type": request.contentType ?? "application/json",
              "content-length": Buffer.byteLength(body),
            }),
      },
    });
    let connecting: NodeJS.Timeout | undefined;
    const settled = () => clearTimeout(connecting);
    outgoing.once("socket", (socket) => {
      socket.setKeepAlive(true, tcpKeepAliveMs);
      if (!socket.connecting) return;
      connecting = setTimeout(() => {
        outgoing.destroy(new Error(`no connection within ${connectTimeoutMs / 1000} s`));
      }, connectTimeoutMs);
      socket.once("connect", settled);
    });
    outgoing.once("response", (response) => {
      settled();
      resolve(response);
    });
    outgoing.on("error", (error) => {
      settled();
      const mayRepeat = outgoing.reusedSocket && wasClosed(error) && isRepeatable(request, error);
      reject(mayRepeat ? new LostConnection(errorText(error), { cause: error }) : error);
    });
    // Node reports no error where the server switches to another protocol.
    outgoing.once("close", () => reject(new Error("the connection ended without an answer")));
    outgoing.end(body);
  });
}

function wasClosed(error: Error): boolean {
  return ["ECONNRESET", "EPIPE"].includes(systemErrorCode(error) ?? "");
}

/** May it have the same effect twice? EPIPE: the connection took nothing of it. */
function isRepeatable({ method, contentType = "" }: ApiRequest, error: Error): boolean {
  if (systemErrorCode(error) === "EPIPE") return true;
  return method === "GET" || method === "PUT" || (method === "PATCH" && contentType.includes("merge-patch"));
}

/** @returns undefined: it is longer than `limit` @throws {ApiUnreachable} where it breaks off */
async function readBody(answer: Answer, limit: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks(answer)) {
    length += chunk.length;
    if (length > limit) return undefined;
    pieces.push(chunk);
  }
  return Buffer.concat(pieces, length);
}

async function* chunks({ response, deadline, pool }: Answer): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    throw deadline.reason(pool.origin) ?? unreachable(pool.origin, error);
  }
}

function parseLine(line: Buffer, origin: string): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch (error) {
    throw new ApiUnreachable(`${origin}: a line that is not JSON: ${errorText(error)}`);
  }
}

function unreachable(origin: string, error: unknown): ApiUnreachable {
  // One error for each address that was tried.
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  // Node says "aborted" where an answer breaks off.
  const texts = errors.map(errorText).map((text) => (text === "aborted" ? "the connection broke" : text));
  return new ApiUnreachable(`${origin}: ${texts.join("; ")}`, { cause: error });
}

/** Ends a request that takes too long or was aborted. */
class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #giveUp = () => this.#controller.abort("given up");
  #timer: NodeJS.Timeout | undefined;
  #text = "";

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    this.#signals = signals.filter((signal) => signal !== undefined);
    for (const signal of this.#signals) {
      if (signal.aborted) this.#giveUp();
      else signal.addEventListener("abort", this.#giveUp, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts to count again. @param text what to say when the time is over */
  within(milliseconds: number, text: string): void {
    if (this.#text === text) {
      this.#timer?.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#text = text;
    this.#timer = setTimeout(() => this.#controller.abort(text), milliseconds);
  }

  /** The error to throw; undefined where it has not ended anything. @param of for the text: the server's address */
  reason(of: string): ApiUnreachable | undefined {
    return this.signal.aborted ? new ApiUnreachable(`${of}: ${this.signal.reason}`) : undefined;
  }

  /** The value of `work`, unless it takes too long. */
  race<Value>(work: Promise<Value>): Promise<Value> {
    return unlessAborted(work, this.signal, () => this.reason("credentials"));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#giveUp);
  }
}
