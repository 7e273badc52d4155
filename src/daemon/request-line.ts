/** The way of every request through the daemon, however it has come: its place in the line, its work, what is noted of it, its answer. */

import type { Executor } from "../agent/executor.ts";
import { CniError, CniErrorCode, errorJson } from "../cni/errors.ts";
import { type CniReply, type CniRequest, containerOf, versionAskedFor } from "../cni/request.ts";
import { errorStack, errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { bounded } from "../log/quoted.ts";
import type { Pause } from "../multus/request/pause.ts";
import type { HandledRequest } from "../multus/request/report.ts";
import type { DelegateRun } from "../telemetry/delegate-run.ts";
import { ObservedExecutor } from "../telemetry/observed-executor.ts";
import { Tracer } from "../telemetry/tracer.ts";
import type { Admission, Turn } from "./admission.ts";
import type { IdleEnd } from "./idle-end.ts";
import type { Observer } from "./observer.ts";
import { podNamespaceIn } from "./pod-namespace.ts";
import { mostPlugins, type RecentRequests } from "./recent-requests.ts";
import { logRequest } from "./request-log.ts";
import type { RequestLoggers } from "./request-loggers.ts";
import { Stopping } from "./stopping.ts";

export interface RequestLineOptions {
  readonly admission: Admission;
  readonly loggers: RequestLoggers;
  /** undefined: traces are only passed on. */
  readonly tracer?: Tracer | undefined;
  /** undefined: nothing counts. */
  readonly observer?: Observer | undefined;
  /** Remembers requests for the status page. */
  readonly recent?: RecentRequests | undefined;
  /** Ends a daemon on demand that has no requests. */
  readonly idleEnd?: IdleEnd | undefined;
  /** Told of every request when it comes. @param command CNI_COMMAND */
  readonly onRequest?: ((command: string) => void) | undefined;
}

/**
 * Works on one request; never throws.
 * @param pause waits without the request's slot
 * @param arrived when it came, in milliseconds of `performance.now()`
 */
export type RequestHandler<Request extends CniRequest = CniRequest> = (
  request: Request,
  executor: Executor,
  log: Logger,
  pause: Pause,
  arrived: number,
) => Promise<HandledRequest>;

export interface Answer extends CniReply {
  /** Nothing was begun, and the next daemon may do it. */
  readonly retry?: true;
  /** The DEL has failed, and the shim is to record it. */
  readonly record?: true;
  /** The runtime is to be told of the failure all the same. */
  readonly tell?: true;
}

/** A request, its handler and executor, and the way back to its client. */
export interface ArrivedRequest<Request extends CniRequest = CniRequest> {
  readonly request: Request;
  readonly handle: RequestHandler<Request>;
  readonly executor: Executor;
  /** The share of the daemon that it takes where it names no pod. */
  readonly otherShare?: string;
  /** Memory that it holds beside its `config`, in bytes. */
  readonly furtherBytes?: number;
  /** Called when its turn has come. False: the request is not begun and not answered. Without it every request is begun. */
  begin?(): boolean;
  /** Called once, unless it was given up before its turn came, or is not begun. */
  answer(answer: Answer): void;
  /** Is the client gone? */
  isGone(): boolean;
}

export class RequestLine {
  readonly loggers: RequestLoggers;
  readonly observer: Observer | undefined;
  readonly stopping = new Stopping();
  readonly #options: RequestLineOptions;
  readonly #onRun: Observer["delegateRan"] | undefined;
  readonly #tracer: Tracer;

  constructor(options: RequestLineOptions) {
    const { loggers, tracer, observer } = options;
    this.#options = options;
    this.loggers = loggers;
    this.observer = observer;
    this.#onRun = observer?.delegateRan.bind(observer);
    this.#tracer = tracer ?? new Tracer(undefined);
  }

  /**
   * Takes a request in line, and works on it when its turn comes.
   * @returns gives the request up: to be called when the client is gone. One whose turn has not come leaves the line; one that is being worked on waits no longer for anything but
   *   its plugins, and leaves when its handler has cleaned up
   */
  serve<Request extends CniRequest>(arrived: ArrivedRequest<Request>): () => void {
    const since = performance.now();
    const { request, otherShare = "", furtherBytes = 0 } = arrived;
    const { command, args, config } = request;
    this.#options.onRequest?.(command);
    const comeAgain = this.stopping.answerTo(command);
    if (comeAgain !== undefined) {
      this.observer?.refused(command, comeAgain.code);
      arrived.answer({ ...errorReply(comeAgain, versionAskedFor(request)), retry: true });
      return () => {};
    }
    const entrant = {
      command,
      containerId: containerOf(request),
      share: podNamespaceIn(args) || otherShare,
      bytes: config.length + args.length + furtherBytes,
    };
    let started: Turn | undefined;
    try {
      const leave = this.#options.admission.enter(entrant, (turn) => {
        started = turn;
        this.#work(arrived, since, turn).then(turn.leave, turn.leave);
      });
      return () => {
        if (started === undefined) leave();
        else started.abandon();
      };
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      this.observer?.refused(command, error.code);
      this.loggers.daemon.error(`${command} is refused`, {
        container: request.containerId,
        error: error.message,
      });
      arrived.answer(errorReply(error, versionAskedFor(request)));
      return () => {};
    }
  }

  async #work<Request extends CniRequest>(
    arrived: ArrivedRequest<Request>,
    since: number,
    turn: Turn,
  ): Promise<void> {
    const { request } = arrived;
    const { command, containerId: container, ifName } = request;
    if (arrived.begin?.() === false) return;
    const log = this.loggers.for(request.config);
    const queue = performance.now() - since;
    log.debug(`${bounded(command)} begins`, { container, ifName, queue });
    try {
      // Many requests write to one log: each of their lines says whose it is.
      const own = container === "" ? log : log.with({ container });
      const handled = await this.#handled(arrived, since, turn.pause, own);
      const total = performance.now() - since;
      logRequest(log, request, handled, { queue, total, gone: arrived.isGone() });
    } catch (error) {
      // The handler never throws. Should it, the runtime still gets an answer and the daemon lives on.
      log.error(`${bounded(command)} could not be worked on`, { container, error: errorStack(error) });
      arrived.answer(refusal(`internal error: ${errorText(error)}`));
    }
  }

  /** The handler's work and its answer, with everything around it that watches: the request's trace, counters, the status page's memory. */
  async #handled<Request extends CniRequest>(
    { request, handle, executor, answer }: ArrivedRequest<Request>,
    arrived: number,
    pause: Pause,
    log: Logger,
  ): Promise<HandledRequest> {
    const trace = this.#tracer.begin(request);
    const started = trace.began.monotonic;
    const id = this.#tracer.idFor(trace);
    const ownLog = id === "" ? log : log.with({ trace: id });
    const runs: DelegateRun[] = [];
    const observed = new ObservedExecutor(executor, trace, (run) => {
      if (runs.length < mostPlugins) runs.push(run);
      this.#onRun?.(run);
    });
    this.#options.idleEnd?.begun(request.command);
    try {
      const handled = await handle(request, observed, ownLog, pause, arrived);
      const queue = started - arrived;
      const total = performance.now() - arrived;
      // First, as a pod waits for it; but whoever has it and asks then finds all of this noted.
      answer(answerOf(handled));
      this.#options.recent?.note(request, handled, { queue, total, runs });
      handled.report.trace = id;
      this.#tracer.end(trace, request, handled, arrived);
      this.observer?.answered(request.command, handled, { queue, total });
      return handled;
    } finally {
      this.#options.idleEnd?.ended(request.command);
    }
  }
}

function answerOf(handled: HandledRequest): Answer {
  const { record } = handled.report;
  if (record === "no") return handled;
  return { ...handled, record: true, ...(record === "tell" ? { tell: true } : {}) };
}

/** The answer to what is no fault of a request's: code 999. */
export function refusal(message: string): CniReply {
  return errorReply(new CniError(CniErrorCode.internal, message), "");
}

function errorReply(error: CniError, cniVersion: string): CniReply {
  return { exitCode: 1, stdout: Buffer.from(errorJson(error, cniVersion)) };
}
