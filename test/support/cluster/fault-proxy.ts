/**
 * A proxy in front of a real API server that keeps account of every request and makes some of them go wrong: late, refused, reset, cut off, never answered.
 * A client is known by its token, which is passed on. A client's certificate can't be, and HTTP/2 is not spoken.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request as httpsRequest, type Server } from "node:https";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type ApiServer, idleMs } from "./api-server.ts";
import { freePort } from "./ports.ts";

/** A request as it came to the proxy. */
export interface SeenRequest {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Without its question mark; "" for none. */
  readonly query: string;
  readonly userAgent: string;
  /** Of the answer that was passed on or made up; undefined as long as there is none. */
  status: number | undefined;
  /** From the request to the end of its answer, or of the connection; undefined as long as it goes on. */
  millis: number | undefined;
}

/** Which requests: all conditions at once. */
export interface Match {
  readonly method?: string;
  /** Of path and query: `/api/v1/pods?watch=1`. */
  readonly path?: RegExp;
}

/** A request's treatment. Without `answer`, `reset` and `hang` it is passed on. */
export interface Fault {
  /** Waits so long before anything else. */
  readonly delayMs?: number;
  /** Answers with a Status object; the server does not see the request. */
  readonly answer?: {
    readonly status: number;
    /** As in `ServiceUnavailable`. */
    readonly reason: string;
    readonly message?: string;
    readonly retryAfterSeconds?: number;
    /** In place of the Status object, as something answers that is no API server. */
    readonly text?: string;
  };
  /** Closes the connection; the server does not see the request. */
  readonly reset?: true;
  /** Never answers; the server does not see the request. */
  readonly hang?: true;
  /** Closes the connection after so many bytes of the answer's body. 0: not even its head arrives, though the server has done what it was asked. */
  readonly cutAfterBytes?: number;
  /** Passes on so many bytes of the answer's body and no more, and the connection stays: 0 is a watch that begins and is silent. */
  readonly stallAfterBytes?: number;
}

/** Faults for some requests. */
export class Rule {
  readonly match: Match;
  readonly fault: Fault;
  /** How many requests it has met. */
  hits = 0;
  readonly #times: number;

  constructor(match: Match, fault: Fault, times: number) {
    this.match = match;
    this.fault = fault;
    this.#times = times;
  }

  /** Does it meet this request? Counts it, if so. */
  meets(method: string, url: string): boolean {
    if (this.hits >= this.#times || !matches(this.match, method, url)) return false;
    this.hits += 1;
    return true;
  }
}

function matches(match: Match, method: string, url: string): boolean {
  return (match.method ?? method) === method && (match.path?.test(url) ?? true);
}

/** These are between two neighbours, and the proxy has its own. */
const ofOneConnection = ["connection", "keep-alive", "transfer-encoding", "host"];

function passedOn<Headers extends IncomingMessage["headers"]>(headers: Headers): Partial<Headers> {
  const passed: Partial<Headers> = { ...headers };
  for (const name of ofOneConnection) delete passed[name];
  return passed;
}

interface Exchange {
  readonly seen: SeenRequest;
  readonly url: string;
  readonly socket: Socket;
}

export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  /** `https://127.0.0.1:PORT`; its certificate is of the API server's authority. */
  readonly url: string;
  readonly #target: string;
  readonly #agent: Agent;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #exchanges = new Set<Exchange>();
  #rules: Rule[] = [];
  #requests: SeenRequest[] = [];

  private constructor(target: string, port: number, authority: Buffer, certificate: Buffer, key: Buffer) {
    this.port = port;
    this.url = `https://127.0.0.1:${port}`;
    this.#target = target;
    this.#agent = new Agent({ keepAlive: true, timeout: idleMs, ca: authority });
    this.#server = createServer({ cert: certificate, key, requestTimeout: 0 }, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens on a port of the loopback. */
  static async start(server: ApiServer): Promise<FaultProxy> {
    const port = await freePort();
    const { certificate, key } = await server.certificates.serving(`proxy-${port}`);
    const proxy = new FaultProxy(
      server.url,
      port,
      readFileSync(server.certificates.authority.certificate),
      readFileSync(certificate),
      readFileSync(key),
    );
    await proxy.up();
    return proxy;
  }

  /** Every request since the start or the last `clear`, in the order that they came. */
  get requests(): readonly SeenRequest[] {
    return this.#requests;
  }

  /** The requests of this kind since the last `clear`. */
  seen(match: Match): SeenRequest[] {
    return this.#requests.filter(({ method, path, query }) => matches(match, method, urlOf(path, query)));
  }

  /**
   * From now on a fault for the requests that match. Of several rules the first that was made, and still has times left, counts.
   * @param times so many requests; without it all of them
   */
  fault(match: Match, fault: Fault, times = Number.POSITIVE_INFINITY): Rule {
    const rule = new Rule(match, fault, times);
    this.#rules.push(rule);
    return rule;
  }

  /** Forgets rules and requests, and takes connections again. Requests that hang or are late stay so. */
  async clear(): Promise<void> {
    this.#rules = [];
    this.#requests = [];
    await this.up();
  }

  /** Closes the connections of requests that are under way, such as watches. @returns how many */
  cut(match: Match = {}): number {
    const cut = [...this.#exchanges].filter(({ seen, url }) => matches(match, seen.method, url));
    for (const { socket } of cut) socket.destroy();
    return cut.length;
  }

  /** Closes all connections and refuses new ones, as a server that is gone. */
  async down(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Takes connections again, on the same port; where another process has it for a moment, once that is over. */
  async up(): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!this.#server.listening) {
      this.#server.listen(this.port, "127.0.0.1");
      try {
        await once(this.#server, "listening");
      } catch (error) {
        const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
        if (!isTaken || Date.now() > deadline) throw error;
        await sleep(500);
      }
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", socket } = request;
    const question = url.indexOf("?");
    const seen: SeenRequest = {
      at: Date.now(),
      method,
      path: question < 0 ? url : url.slice(0, question),
      query: question < 0 ? "" : url.slice(question + 1),
      userAgent: request.headers["user-agent"] ?? "",
      status: undefined,
      millis: undefined,
    };
    const started = performance.now();
    this.#requests.push(seen);
    const exchange = { seen, url, socket };
    this.#exchanges.add(exchange);
    response.on("error", () => socket.destroy());
    response.on("close", () => {
      seen.millis = performance.now() - started;
      this.#exchanges.delete(exchange);
    });
    const fault = this.#rules.find((rule) => rule.meets(method, url))?.fault ?? {};
    if (fault.delayMs !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
    if (response.destroyed || fault.hang) return;
    if (fault.reset) socket.destroy();
    else if (fault.answer !== undefined) refuse(response, seen, fault.answer);
    else this.#forward(request, response, exchange, fault);
  }

  #forward(
    request: IncomingMessage,
    response: ServerResponse,
    { seen, url, socket }: Exchange,
    { cutAfterBytes, stallAfterBytes }: Fault,
  ): void {
    const forwarded: ClientRequest = httpsRequest(
      `${this.#target}${url}`,
      { method: seen.method, agent: this.#agent, headers: passedOn(request.headers) },
      (answer) => {
        if (cutAfterBytes === 0) {
          answer.destroy();
          socket.destroy();
          return;
        }
        seen.status = answer.statusCode;
        response.writeHead(answer.statusCode ?? 502, passedOn(answer.headers));
        response.flushHeaders();
        // Where the server breaks off, so does the proxy.
        answer.on("error", () => socket.destroy());
        if (cutAfterBytes !== undefined) {
          passOnUpTo(cutAfterBytes, answer, response, () => socket.destroy());
        } else if (stallAfterBytes !== undefined) {
          passOnUpTo(stallAfterBytes, answer, response, () => {});
        } else {
          answer.pipe(response);
        }
      },
    );
    // No server there, or one that went away: the client is to see the same.
    forwarded.on("error", () => socket.destroy());
    response.on("close", () => forwarded.destroy());
    request.pipe(forwarded);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    this.#agent.destroy();
  }
}

function urlOf(path: string, query: string): string {
  return query === "" ? path : `${path}?${query}`;
}

function refuse(
  response: ServerResponse,
  seen: SeenRequest,
  {
    status,
    reason,
    message = `${reason}: made up by a test`,
    retryAfterSeconds,
    text,
  }: NonNullable<Fault["answer"]>,
): void {
  seen.status = status;
  response.writeHead(status, {
    "Content-Type": text === undefined ? "application/json" : "text/html",
    ...(retryAfterSeconds === undefined ? {} : { "Retry-After": retryAfterSeconds }),
  });
  const body = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code: status,
  };
  response.end(text ?? JSON.stringify(body));
}

/** @param onLimit called when so many bytes have gone out; none follow */
function passOnUpTo(
  bytes: number,
  answer: IncomingMessage,
  response: ServerResponse,
  onLimit: () => void,
): void {
  let left = bytes;
  answer.on("data", (chunk: Buffer) => {
    if (left <= 0) return;
    const passed = chunk.subarray(0, left);
    left -= passed.length;
    response.write(passed, () => {
      if (left === 0) onLimit();
    });
  });
  answer.on("end", () => {
    if (left > 0) response.end();
  });
}
