/** The daemon's server: one unix socket, where the first byte says whether a shim or an HTTP client has come. */

import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionLimits } from "./connection-limits.ts";
import { type HttpServices, HttpSide } from "./http/http-side.ts";
import type { RequestHandler, RequestLine } from "./request-line.ts";
import { type SessionContext, ShimSession } from "./shim-session.ts";
import { listenOn, type SocketFile } from "./socket-file.ts";
import type { Stopping } from "./stopping.ts";

/** Frames start with a length of at most 16 MiB, so with 0 or 1. */
const maxFirstByteOfFrame = 1;
/** A shim sends its request right after it has connected. */
const arrivalSteps = 4;
const arrivalStepMs = 25;
/** While retiring, close connections that have sent nothing for so long. */
const silenceMs = 10_000;
/** Connections whose request is not there yet. A shim sends its HELLO and REQUEST in its first write, so that the rest are of no use. */
const arrivalBounds = {
  most: 256,
  mostOfPeer: 256,
  requestWithinMs: 10_000,
  answerWithinMs: 10_000,
  // A shim may get no processor between its connect() and its first write.
  grace: { milliseconds: 1_000, most: 640 },
} as const;

/** The services behind requests over HTTP, and the daemon's readiness. */
export interface ServerServices extends HttpServices {
  /** Works on the runtime's requests. */
  readonly handle: RequestHandler;
  /** Why the daemon is of no use to its node yet, beside the socket; undefined: it is. Without it there is no such reason. */
  readonly notReady?: (() => string | undefined) | undefined;
}

export class DaemonServer {
  readonly #context: SessionContext;
  readonly #services: ServerServices;
  readonly #server: Server;
  readonly #http: HttpSide;
  /** Connections that are not a shim's, or not yet known. */
  readonly #others = new Set<Socket>();
  readonly #sessions = new Set<ShimSession>();
  readonly #arriving: ConnectionLimits;
  #socketFile: SocketFile | undefined;
  readonly #stopping: Stopping;
  /** Called whenever a request ends while the daemon stops. */
  #requestEnded: () => void = () => {};

  constructor(line: RequestLine, services: ServerServices) {
    this.#services = services;
    this.#stopping = line.stopping;
    this.#context = { line, handle: services.handle, notReady: () => this.notReady, replayed: new Set() };
    const log = line.loggers.daemon;
    this.#arriving = new ConnectionLimits({
      ...arrivalBounds,
      onLate: (milliseconds) => log.error("a connection sent no request", { milliseconds }),
    });
    this.#http = new HttpSide({
      ...services,
      ...this.#context,
      requestArrived: (socket) => this.#arriving.release(socket),
      requestEnded: () => this.#requestEnded(),
    });
    this.#server = createServer((socket) => this.#connected(socket));
  }

  /**
   * Starts to serve `<socketDir>/multus.sock`.
   * @param isOnDemand it ends by itself when it is idle; one that stays takes the place of such a one
   * @returns the socket's path
   * @throws {SocketFileError} where another daemon serves it, or others could replace it
   */
  async listen(socketDir: string, isOnDemand = false): Promise<string> {
    const log = this.#context.line.loggers.daemon;
    this.#socketFile = await listenOn(this.#server, socketDir, isOnDemand);
    this.#server.on("error", (error) => log.error("the socket failed", { error: error.message }));
    if (this.#socketFile.isTakenOver) {
      log.verbose("the socket was that of a daemon on demand, which ends when it has been idle for a while");
    }
    return this.#socketFile.path;
  }

  /**
   * Stops: lets the requests that are there finish, serves meanwhile what frees resources, and closes what is left after `limitMs`.
   * @returns requests that were not finished
   */
  async stop(limitMs: number): Promise<number> {
    const deadline = performance.now() + limitMs;
    this.#stopping.begin();
    if (this.#underWay() > 0) {
      // The socket's name stays: new requests are served or told to retry, and pods can be deleted.
      this.#stopping.turnAway();
      await this.#requestsEnded(deadline);
    }
    this.#socketFile?.remove();
    await this.#lastArrivals();
    this.#server.close();
    await this.#requestsEnded(deadline);
    const unfinished = this.#underWay();
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#others) socket.destroy();
    return unfinished;
  }

  /**
   * Ends an idle server. Its name is removed first; clients that connected before that are served to the end.
   * Later clients find no daemon, and start the next one.
   * @returns requests that were not finished: none
   */
  async retire(): Promise<number> {
    this.#stopping.retire();
    this.#socketFile?.remove();
    await this.#lastArrivals();
    this.#server.close();
    const silentUntil = performance.now() + silenceMs;
    // A session ends when its request is answered, or did not come in time.
    while (this.#mayBring(silentUntil)) {
      await sleep(arrivalStepMs);
    }
    for (const socket of this.#others) socket.destroy();
    return 0;
  }

  /**
   * A client that connected before the name went may still wait in the kernel's queue, or have its request on the way: to close at once would turn
   * it away. In steps, so that each gives way to what has come, however late it is.
   */
  async #lastArrivals(): Promise<void> {
    for (let step = 0; step < arrivalSteps; step++) await sleep(arrivalStepMs);
  }

  /** Is a request being worked on, or may one still arrive? @param silentUntil on the clock of `performance.now()` */
  #mayBring(silentUntil: number): boolean {
    if (this.#sessions.size > 0 || this.#http.underWay > 0) return true;
    return this.#others.size > 0 && performance.now() < silentUntil;
  }

  #underWay(): number {
    const sessions = Array.from(this.#sessions).filter((session) => session.underWay);
    return sessions.length + this.#http.underWay;
  }

  /** Why it should get nothing to do, as `GET /readyz` and probes say it; undefined: it is ready. */
  get notReady(): string | undefined {
    return this.#stopping.isStopping ? "shutting down" : this.#services.notReady?.();
  }

  get isStopping(): boolean {
    return this.#stopping.isStopping;
  }

  /** @param deadline on the clock of `performance.now()` */
  #requestsEnded(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, deadline - performance.now()));
      this.#requestEnded = () => {
        if (this.#underWay() > 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#requestEnded();
    });
  }

  #connected(socket: Socket): void {
    this.#others.add(socket);
    this.#arriving.add(socket, "");
    socket.on("error", () => {});
    socket.on("close", () => this.#others.delete(socket));
    socket.once("data", (first) => {
      const firstByte = first[0] ?? 0;
      if (firstByte <= maxFirstByteOfFrame) {
        this.#others.delete(socket);
        this.#openSession(socket, first);
      } else if (isLetter(firstByte)) {
        this.#http.take(socket, first);
      } else {
        this.#context.line.loggers.daemon.error("a connection speaks neither the protocol nor HTTP", {
          firstByte,
        });
        socket.destroy();
      }
    });
  }

  #openSession(socket: Socket, first: Buffer): void {
    const session = new ShimSession(this.#context, socket, first, {
      requested: () => this.#arriving.release(socket),
      closed: () => {
        this.#sessions.delete(session);
        this.#requestEnded();
      },
    });
    this.#sessions.add(session);
  }
}

function isLetter(byte: number): boolean {
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x7a;
}
