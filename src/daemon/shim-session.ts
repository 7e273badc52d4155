/** One shim's connection: HELLO, REQUEST, the orders of its request or of a replay, REPLY (docs/wire.md). */

import type { Duplex } from "node:stream";
import { FrameConnection } from "../agent/frame-connection.ts";
import { Fields } from "../agent/frame-fields.ts";
import { type Frame, FrameError, FrameType, protocolVersion, speaksProtocol } from "../agent/frames.ts";
import { Orders } from "../agent/orders.ts";
import { type OrdersAfter, ShimExecutor } from "../agent/shim-executor.ts";
import type { CniRequest } from "../cni/request.ts";
import { errorText } from "../log/error-text.ts";
import { bounded, quoted } from "../log/quoted.ts";
import type { ReplayContext, ReplaySession } from "./replay-session.ts";
import { type Answer, refusal } from "./request-line.ts";

export interface SessionContext extends ReplayContext {
  /** Why the daemon should get nothing to do, for probes; undefined: it is ready. */
  readonly notReady: () => string | undefined;
}

/** The server's view of a session. */
export interface SessionListener {
  /** Its REQUEST is there. */
  requested(): void;
  /** Is called once, last. */
  closed(): void;
}

interface SessionAnswer extends Answer {
  /** Of a replay: milliseconds after which there is something to do again; undefined: nothing waits. */
  readonly againMs?: number | undefined;
}

const nothing = new Uint8Array();

/** Questions of a kubelet (`multus probe`). */
const probeQuestions: readonly string[] = ["live", "ready", "startup"];

/** Characters of what it is told: the kubelet puts it into an event. */
const longestAnswer = 800;

const restartHint =
  "after an update restart the multusd that serves this socket, or install the multus binary of the same release on the node";

export class ShimSession {
  readonly #context: SessionContext;
  readonly #connection: FrameConnection;
  readonly #orders: Orders;
  readonly #listener: SessionListener;
  #state: "hello" | "request" | "orders" | "turned away" | "replay request" | "replay" = "hello";
  /** The orders that may have `after` with this shim. */
  #after: OrdersAfter = {};
  #replay: ReplaySession | undefined;
  /** Gives up the request's place in the line; nothing before it has one. */
  #giveUp: () => void = () => {};
  #gone = false;

  /** @param stream a connection whose first bytes are a frame's @param first what was already read from it */
  constructor(context: SessionContext, stream: Duplex, first: Buffer, listener: SessionListener) {
    this.#context = context;
    this.#listener = listener;
    this.#connection = new FrameConnection(stream, {
      frame: (frame) => this.#frame(frame),
      malformed: (error) => this.#malformed(error),
      closed: () => this.#closed(),
    });
    this.#orders = new Orders((type, id, body) => this.#connection.send(type, id, body));
    this.#connection.receive(first);
  }

  /** Has it brought a request that is not answered yet? Of a replay: is a recorded DEL being carried out? */
  get underWay(): boolean {
    return this.#state === "orders" || this.#replay?.isCarryingOut === true;
  }

  /** Closes at once: the shim ends its delegates and answers "try again later". */
  destroy(): void {
    this.#connection.destroy();
  }

  #frame(frame: Frame): void {
    if (this.#state === "hello" && frame.type === FrameType.hello) {
      this.#hello(new Fields("HELLO", frame.body));
    } else if (this.#state === "request" && frame.type === FrameType.request) {
      const body = new Fields("REQUEST", frame.body);
      this.#request(readRequest(body), readPluginDirectories(body));
    } else if (this.#state === "replay request" && frame.type === FrameType.request) {
      const body = new Fields("REQUEST", frame.body);
      this.#startReplay(body.text("cniDir"), readPluginDirectories(body));
    } else if ((this.#state === "orders" || this.#state === "replay") && frame.type === FrameType.done) {
      this.#orders.done(frame);
    } else {
      throw new FrameError("unexpected", `frame of type ${frame.type} has no place here`);
    }
  }

  #hello(hello: Fields): void {
    const protocol = hello.unsigned("protocol");
    const version = hello.text("version");
    if (!speaksProtocol(protocol)) {
      this.#refuse(
        `this multus binary (${version}) speaks protocol ${protocol}, the daemon protocol ${protocolVersion}: ${restartHint}`,
      );
      return;
    }
    const role = hello.text("role");
    if (role === "probe") {
      this.#answerProbe(hello.text("question"));
      return;
    }
    if (role !== "plugin" && role !== "replay") {
      this.#refuse(`the daemon's socket is for roles plugin and replay, not for role ${quoted(role)}`);
      return;
    }
    this.#after = { startsAfter: says(hello, "after"), linksAfter: says(hello, "linksAfter") };
    this.#state = role === "plugin" ? "request" : "replay request";
  }

  #request(request: CniRequest, pluginDirectories: readonly string[] | undefined): void {
    this.#listener.requested();
    this.#state = "orders";
    const executor = new ShimExecutor(this.#orders, pluginDirectories, this.#after);
    const { line, handle } = this.#context;
    this.#giveUp = line.serve({
      request,
      handle,
      executor,
      answer: (answer) => {
        // It is not waited for, however long its shim stays.
        if (answer.retry === true) this.#state = "turned away";
        this.#reply(answer);
        // Go multus's shim brings its requests over HTTP.
        line.observer?.httpAnswered("/cni", "POST", answer.exitCode === 0 ? 200 : 400);
      },
      isGone: () => this.#gone,
    });
  }

  #startReplay(cniDir: string, pluginDirectories: readonly string[] | undefined): void {
    this.#listener.requested();
    this.#state = "replay";
    const executor = new ShimExecutor(this.#orders, pluginDirectories);
    this.#runReplay(cniDir, executor).then(
      (againMs) => this.#reply({ exitCode: 0, stdout: nothing, againMs }),
      (error: unknown) => {
        const problem = errorText(error);
        const { daemon } = this.#context.line.loggers;
        daemon.error("recorded DELs cannot be replayed", { cniDir, error: problem });
        this.#refuse(`recorded DELs below ${quoted(cniDir)} cannot be replayed: ${problem}`);
      },
    );
  }

  /** @throws {Error} where the records cannot be read */
  async #runReplay(cniDir: string, executor: ShimExecutor): Promise<number | undefined> {
    // Most daemons never see a recorded DEL.
    const { ReplaySession } = await import("./replay-session.ts");
    this.#replay = new ReplaySession(this.#context, cniDir, executor);
    if (this.#gone) this.#replay.end();
    return this.#replay.run();
  }

  /** Takes no slot and waits for nothing: that the answer comes at all says that the event loop goes on. */
  #answerProbe(question: string): void {
    this.#listener.requested();
    if (!probeQuestions.includes(question)) {
      this.#refuse(`a probe asks for ${probeQuestions.join(", ")}, not for ${quoted(question)}`);
      return;
    }
    const problem = question === "ready" ? this.#context.notReady() : undefined;
    this.#reply({
      exitCode: problem === undefined ? 0 : 1,
      stdout: Buffer.from(bounded(problem ?? "ok", longestAnswer)),
    });
  }

  #malformed(error: FrameError): void {
    this.#context.line.loggers.daemon.error("a shim broke the protocol", { error: error.message });
    this.#refuse(`the daemon did not understand the multus binary: ${error.message}; ${restartHint}`);
  }

  #refuse(message: string): void {
    this.#reply(refusal(message));
  }

  #reply({ exitCode, stdout, retry, record, tell, againMs }: SessionAnswer): void {
    const more = {
      ...(retry === true ? { retry } : {}),
      ...(record === true ? { record } : {}),
      ...(tell === true ? { tell } : {}),
      ...(againMs === undefined ? {} : { againMs }),
    };
    this.#connection.send(FrameType.reply, 0, { exitCode, stdout, ...more });
    this.#connection.end();
  }

  #closed(): void {
    this.#gone = true;
    this.#orders.end("the multus process that asked is gone");
    this.#giveUp();
    this.#replay?.end();
    this.#listener.closed();
  }
}

/** Does the shim say that it understands something that some shims do not? @throws {FrameError} */
function says(hello: Fields, key: string): boolean {
  return hello.has(key) && hello.boolean(key);
}

/** @throws {FrameError} */
function readRequest(body: Fields): CniRequest {
  const command = body.text("command");
  return {
    command,
    containerId: body.text("containerId"),
    netns: body.text("netns"),
    ifName: body.text("ifName"),
    args: body.text("args"),
    path: body.text("path"),
    config: body.bytes("config"),
    ...(command === "DEL" ? { canRecord: true } : {}),
    ...(body.has("traceparent") ? { traceparent: body.text("traceparent") } : {}),
  };
}

/** The directories that the shim runs plugins from; undefined: it does not say. @throws {FrameError} */
function readPluginDirectories(body: Fields): readonly string[] | undefined {
  return body.has("pluginDirectories") ? body.text("pluginDirectories").split(":") : undefined;
}
