/** One shim's connection: HELLO, REQUEST, the orders of its request, REPLY (docs/wire.md). */

import type { Duplex } from "node:stream";
import type { Executor } from "../agent/executor.ts";
import { FrameConnection } from "../agent/frame-connection.ts";
import { Fields } from "../agent/frame-fields.ts";
import { type Frame, FrameError, FrameType, protocolVersion } from "../agent/frames.ts";
import { Orders } from "../agent/orders.ts";
import { ShimExecutor } from "../agent/shim-executor.ts";
import { CniError, CniErrorCode, errorJson } from "../cni/errors.ts";
import { type CniRequest, versionAskedFor } from "../cni/request.ts";
import { errorStack, errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import type { HandledRequest } from "../multus/handler.ts";
import type { Admission } from "./admission.ts";
import type { Observer } from "./observer.ts";
import { logRequest } from "./request-line.ts";
import type { RequestLoggers } from "./request-loggers.ts";
import type { Stopping } from "./stopping.ts";

/** Works on one request; never throws. @param arrived when it came, in milliseconds of `performance.now()` */
export type RequestHandler = (
  request: CniRequest,
  executor: Executor,
  log: Logger,
  arrived: number,
) => Promise<HandledRequest>;

/** What requests are served with. */
export interface ServingContext {
  readonly handle: RequestHandler;
  readonly admission: Admission;
  readonly loggers: RequestLoggers;
  /** undefined: nobody counts. */
  readonly observer?: Observer | undefined;
  /** What `GET /status` answers, as JSON; undefined: it is not served. */
  readonly status?: (() => unknown) | undefined;
}

export interface SessionContext extends ServingContext {
  readonly stopping: Stopping;
}

/** A shim sends HELLO and REQUEST in its first write. */
const requestWithinMs = 10_000;

const restartHint =
  "after an update restart the multusd that serves this socket, or install the multus binary of the same release on the node";

export class ShimSession {
  readonly #context: SessionContext;
  readonly #connection: FrameConnection;
  readonly #orders: Orders;
  readonly #onClosed: () => void;
  readonly #requestTimer: NodeJS.Timeout;
  #state: "hello" | "request" | "orders" | "turned away" = "hello";
  /** Ends the request's place in the line; nothing before it has one. */
  #leave: () => void = () => {};
  #started = false;
  #gone = false;

  /** @param stream a connection whose first bytes are a frame's @param first what was already read from it @param onClosed is called once, last */
  constructor(context: SessionContext, stream: Duplex, first: Buffer, onClosed: () => void) {
    this.#context = context;
    this.#onClosed = onClosed;
    this.#requestTimer = setTimeout(() => {
      context.loggers.daemon.error("a connection brought no request", { milliseconds: requestWithinMs });
      this.destroy();
    }, requestWithinMs);
    this.#connection = new FrameConnection(stream, {
      frame: (frame) => this.#frame(frame),
      malformed: (error) => this.#malformed(error),
      closed: () => this.#closed(),
    });
    this.#orders = new Orders((type, id, body) => this.#connection.send(type, id, body));
    this.#connection.receive(first);
  }

  /** Has it brought a request that is not answered yet? */
  get underWay(): boolean {
    return this.#state === "orders";
  }

  /** Closes at once: the shim ends its delegates and answers "try again later". */
  destroy(): void {
    this.#connection.destroy();
  }

  #frame(frame: Frame): void {
    if (this.#state === "hello" && frame.type === FrameType.hello) {
      this.#hello(new Fields("HELLO", frame.body));
    } else if (this.#state === "request" && frame.type === FrameType.request) {
      this.#request(readRequest(new Fields("REQUEST", frame.body)));
    } else if (this.#state === "orders" && frame.type === FrameType.done) {
      this.#orders.done(frame);
    } else {
      throw new FrameError("unexpected", `frame of type ${frame.type} has no place here`);
    }
  }

  #hello(hello: Fields): void {
    const protocol = hello.unsigned("protocol");
    const version = hello.text("version");
    if (protocol !== protocolVersion) {
      this.#refuse(
        `this multus binary (${version}) speaks protocol ${protocol}, the daemon protocol ${protocolVersion}: ${restartHint}`,
      );
      return;
    }
    const role = hello.text("role");
    if (role !== "plugin") {
      this.#refuse(`the daemon's socket is for role plugin, not for role ${JSON.stringify(role)}`);
      return;
    }
    this.#state = "request";
  }

  #request(request: CniRequest): void {
    clearTimeout(this.#requestTimer);
    const comeAgain = this.#context.stopping.answerTo(request.command);
    if (comeAgain !== undefined) {
      this.#context.observer?.refused(request.command, comeAgain.code);
      this.#state = "turned away";
      this.#reply({ exitCode: 1, stdout: errorReply(comeAgain, versionAskedFor(request)), retry: true });
      return;
    }
    this.#state = "orders";
    const arrived = performance.now();
    const { admission } = this.#context;
    this.#leave = admission.enter(request.command, request.containerId, (leave) => {
      this.#started = true;
      this.#work(request, arrived).then(leave, leave);
    });
  }

  async #work(request: CniRequest, arrived: number): Promise<void> {
    const { handle, loggers } = this.#context;
    const log = loggers.for(request.config);
    const started = performance.now();
    const { command, containerId: container, ifName } = request;
    log.debug(`${command} begins`, { container, ifName, queue: started - arrived });
    try {
      // Many requests write to one log: each of their lines says whose it is.
      const ownLog = container === "" ? log : log.with({ container });
      const handled = await handle(request, new ShimExecutor(this.#orders), ownLog, arrived);
      this.#reply({ exitCode: handled.exitCode, stdout: handled.stdout });
      const times = { queue: started - arrived, total: performance.now() - arrived, gone: this.#gone };
      logRequest(log, request, handled, times);
    } catch (error) {
      // The handler never throws. Should it, the runtime still gets an answer and the daemon lives on.
      log.error(`${command} could not be worked on`, { container, error: errorStack(error) });
      this.#refuse(`internal error: ${errorText(error)}`);
    }
  }

  #malformed(error: FrameError): void {
    this.#context.loggers.daemon.error("a shim broke the protocol", { error: error.message });
    this.#refuse(`the daemon did not understand the multus binary: ${error.message}; ${restartHint}`);
  }

  #refuse(message: string): void {
    const error = new CniError(CniErrorCode.internal, message);
    this.#reply({ exitCode: 1, stdout: errorReply(error, "") });
  }

  /** @param reply the frame's body: `retry` sends the shim to the next daemon */
  #reply(reply: { readonly exitCode: number; readonly stdout: Uint8Array; readonly retry?: true }): void {
    this.#connection.send(FrameType.reply, 0, reply);
    this.#connection.end();
  }

  #closed(): void {
    clearTimeout(this.#requestTimer);
    this.#gone = true;
    this.#orders.end("the multus process that asked is gone");
    // A request that is being worked on leaves when its handler has cleaned up.
    if (!this.#started) this.#leave();
    this.#onClosed();
  }
}

function errorReply(error: CniError, cniVersion: string): Uint8Array {
  return Buffer.from(errorJson(error, cniVersion));
}

/** @throws {FrameError} */
function readRequest(body: Fields): CniRequest {
  return {
    command: body.text("command"),
    containerId: body.text("containerId"),
    netns: body.text("netns"),
    ifName: body.text("ifName"),
    args: body.text("args"),
    path: body.text("path"),
    config: body.bytes("config"),
    ...(body.has("traceparent") ? { traceparent: body.text("traceparent") } : {}),
  };
}
