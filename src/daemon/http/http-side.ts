/**
 * The HTTP side of the socket, for what speaks Go multus's HTTP: its shim (`POST /cni`), controllers that plug networks into running pods (`POST /delegate`), and
 * probes. The HTTP server is loaded when the first request of that kind comes: most nodes never see one.
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { AgentExecutor } from "../../agent/agent-executor.ts";
import type { AgentPool } from "../../agent/agent-pool.ts";
import { CniError, CniErrorCode, cniErrorOf, errorJson } from "../../cni/errors.ts";
import { versionAskedFor } from "../../cni/request.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorStack, errorText } from "../../log/error-text.ts";
import { bounded } from "../../log/quoted.ts";
import type { DelegateRequest } from "../../multus/hot-plug.ts";
import type { RequestHandler } from "../request-line.ts";
import type { SessionContext } from "../shim-session.ts";
import { type HttpAnswer, httpAnswer } from "./http-answer.ts";
import { parseHttpRequest } from "./http-request.ts";
import { readBody, TooLargeError } from "./request-body.ts";

/** Inputs of requests over HTTP, beside those of shims' requests. */
export interface HttpServices {
  readonly handleDelegate: RequestHandler<DelegateRequest>;
  readonly agents: AgentPool;
  readonly kernels: Pick<Kernels, "convertResult">;
  /** The answer to `GET /status`, as JSON; without it it is not served. */
  readonly status?: (() => unknown) | undefined;
}

export interface HttpContext extends SessionContext, HttpServices {
  /** Called when a request of `/cni` or `/delegate` is there as a whole: its work may take longer than others have for all of it. */
  requestArrived(socket: Socket): void;
  /** Called when a request of `/cni` or `/delegate` has been answered, or its client is gone. */
  requestEnded(): void;
}

/** A client sends its request at once. */
const requestWithinMs = 10_000;

const paths = ["/cni", "/delegate", "/healthz", "/readyz", "/status"];
const probeMethods = ["GET", "HEAD", "POST"];

export class HttpSide {
  readonly #context: HttpContext;
  #server: Server | undefined;
  #underWay = 0;

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** Requests of `/cni` and `/delegate` that are not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Takes over a connection. @param first what was already read from it */
  take(socket: Socket, first: Buffer): void {
    socket.pause();
    socket.unshift(first);
    this.#server ??= this.#load();
    this.#server.emit("connection", socket);
    socket.resume();
  }

  #load(): Server {
    // Not imported: an `import` of node:http brings a WebSocket client along (6 MB).
    const { createServer } = process.getBuiltinModule("node:http");
    const server = createServer((request, response) => this.#answer(request, response));
    // Of silence, while a request comes; the server closes the connection then.
    server.timeout = requestWithinMs;
    return server;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url = "" } = request;
    const [path = ""] = url.split("?", 1);
    response.once("close", () => {
      // Not counted where the client went away before the answer.
      if (!response.headersSent) return;
      const handler = paths.includes(path) ? path : "NotFound";
      this.#context.line.observer?.httpAnswered(handler, method, response.statusCode);
    });
    // An answer ends its connection: nothing keeps a stopping daemon waiting.
    response.setHeader("Connection", "close");
    if (path === "/healthz" || path === "/readyz") this.#probe(path, request, response);
    else if (path === "/cni" || path === "/delegate") this.#serve(path, request, response);
    else if (path === "/status" && this.#context.status !== undefined) {
      this.#sendStatus(this.#context.status, request, response);
    } else
      say(
        request,
        response,
        404,
        `there is no ${bounded(path)}, but POST /cni and /delegate, and GET /healthz, /readyz and /status`,
      );
  }

  /** Go multus's shim asks with POST, and sends `null`. */
  #probe(path: string, request: IncomingMessage, response: ServerResponse): void {
    if (!probeMethods.includes(request.method ?? "")) {
      say(request, response.setHeader("Allow", probeMethods), 405, "use GET");
      return;
    }
    const problem = path === "/healthz" ? undefined : this.#context.notReady();
    say(request, response, problem === undefined ? 200 : 500, problem ?? "ok");
  }

  #sendStatus(status: () => unknown, request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== "GET") {
      say(request, response.setHeader("Allow", "GET"), 405, "use GET");
      return;
    }
    send(response, { status: 200, body: Buffer.from(`${JSON.stringify(status())}\n`) });
  }

  #serve(path: "/cni" | "/delegate", request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== "POST") {
      say(request, response.setHeader("Allow", "POST"), 405, "use POST");
      return;
    }
    this.#underWay += 1;
    response.once("close", () => {
      this.#underWay -= 1;
      this.#context.requestEnded();
    });
    this.#carryOut(path, request, response).catch((error: unknown) => this.#refuse(path, response, error));
  }

  /** @throws {CniError} where the request makes no sense */
  async #carryOut(
    path: "/cni" | "/delegate",
    message: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const body = await readBody(message);
    message.socket.setTimeout(0);
    this.#context.requestArrived(message.socket);
    if (body === undefined || response.destroyed) return;
    const { request, environment } = parseHttpRequest(body);
    const { line, agents, kernels, handle, handleDelegate } = this.#context;
    const executor = new AgentExecutor(agents, { environment, path: request.path });
    const giveUp = line.serve({
      request,
      handle: path === "/cni" ? handle : handleDelegate,
      executor,
      // A controller that names no pod takes no slots from the runtime's requests that name none.
      otherShare: path === "/cni" ? "" : path,
      // Its environment, and more.
      furtherBytes: body.length,
      answer(reply) {
        // Of silence again: a client that does not read its answer holds a descriptor.
        message.socket.setTimeout(requestWithinMs);
        send(response, httpAnswer(reply, kernels, versionAskedFor(request)));
      },
      isGone: () => response.destroyed,
    });
    response.once("close", () => {
      executor.end("the client that asked is gone");
      giveUp();
    });
  }

  #refuse(path: string, response: ServerResponse, error: unknown): void {
    const expected = cniErrorOf(error);
    this.#context.line.loggers.daemon.error("a request over HTTP makes no sense", {
      path,
      error: expected?.message ?? errorStack(error),
    });
    const answer = expected ?? new CniError(CniErrorCode.internal, `internal error: ${errorText(error)}`);
    const body = Buffer.from(errorJson(answer, ""));
    send(response, { status: error instanceof TooLargeError ? 413 : 400, body });
  }
}

/** Answers with a line of text, once the request is there to its end: a client that cannot send all of it would never read why. */
function say(request: IncomingMessage, response: ServerResponse, status: number, line: string): void {
  request.resume().once("end", () => {
    response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${line}\n`);
  });
}

function send(response: ServerResponse, { status, body }: HttpAnswer): void {
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": body.length }).end(body);
}
