/** What becomes of a request, whichever way it has come: its place in the line, its work, its answer, its log line. */

import { CniError, CniErrorCode, errorJson } from "../cni/errors.ts";
import { type CniReply, type CniRequest, containerOf, versionAskedFor } from "../cni/request.ts";
import { errorStack, errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { bounded } from "../log/quoted.ts";
import type { HandledRequest } from "../multus/handler.ts";
import type { Pause } from "../multus/pause.ts";
import type { Admission, Turn } from "./admission.ts";
import type { Observer } from "./observer.ts";
import { podNamespaceIn } from "./pod-namespace.ts";
import { logRequest } from "./request-line.ts";
import type { RequestLoggers } from "./request-loggers.ts";
import type { Stopping } from "./stopping.ts";

export interface WorkContext {
  readonly admission: Admission;
  readonly loggers: RequestLoggers;
  readonly stopping: Stopping;
  /** undefined: nobody counts. */
  readonly observer?: Observer | undefined;
}

export interface Answer extends CniReply {
  /** Nothing was begun, and the next daemon may do it. */
  readonly retry?: true;
  /** The DEL has failed, and the shim is to record it. */
  readonly record?: true;
  /** The runtime is to be told of the failure all the same. */
  readonly tell?: true;
}

/** A request, and the way back to who asked. */
export interface ArrivedRequest {
  readonly request: CniRequest;
  /** The share of the daemon that it takes where it names no pod. */
  readonly otherShare: string;
  /** Memory that it holds beside its `config`, in bytes. */
  readonly furtherBytes: number;
  /** Works on it; never throws. @param arrived when it came, in milliseconds of `performance.now()` */
  handle(log: Logger, arrived: number, pause: Pause): Promise<HandledRequest>;
  /** Called once, unless it was given up before its turn came. */
  answer(answer: Answer): void;
  /** Is nobody left to read the answer? */
  isGone(): boolean;
}

/**
 * Takes a request in line, and works on it when its turn comes.
 * @returns gives the request up: to be called when the client is gone. One whose turn has not come leaves the line; one that is being worked on waits no longer for anything but
 *   its plugins, and leaves when its handler has cleaned up
 */
export function takeIn(context: WorkContext, arrived: ArrivedRequest): () => void {
  const since = performance.now();
  const { admission, loggers, stopping, observer } = context;
  const { request } = arrived;
  const { command, args, config } = request;
  const comeAgain = stopping.answerTo(command);
  if (comeAgain !== undefined) {
    observer?.refused(command, comeAgain.code);
    arrived.answer({ ...errorReply(comeAgain, versionAskedFor(request)), retry: true });
    return () => {};
  }
  const entrant = {
    command,
    containerId: containerOf(request),
    share: podNamespaceIn(args) || arrived.otherShare,
    bytes: config.length + args.length + arrived.furtherBytes,
  };
  let started: Turn | undefined;
  try {
    const leave = admission.enter(entrant, (turn) => {
      started = turn;
      work(loggers, arrived, since, turn).then(turn.leave, turn.leave);
    });
    return () => {
      if (started === undefined) leave();
      else started.abandon();
    };
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    observer?.refused(command, error.code);
    loggers.daemon.error(`${command} is refused`, { container: request.containerId, error: error.message });
    arrived.answer(errorReply(error, versionAskedFor(request)));
    return () => {};
  }
}

async function work(
  loggers: RequestLoggers,
  arrived: ArrivedRequest,
  since: number,
  turn: Turn,
): Promise<void> {
  const { request } = arrived;
  const { command, containerId: container, ifName } = request;
  const log = loggers.for(request.config);
  const started = performance.now();
  log.debug(`${bounded(command)} begins`, { container, ifName, queue: started - since });
  try {
    // Many requests write to one log: each of their lines says whose it is.
    const handled = await arrived.handle(container === "" ? log : log.with({ container }), since, turn.pause);
    arrived.answer(answerOf(handled));
    const times = { queue: started - since, total: performance.now() - since, gone: arrived.isGone() };
    logRequest(log, request, handled, times);
  } catch (error) {
    // The handler never throws. Should it, the runtime still gets an answer and the daemon lives on.
    log.error(`${bounded(command)} could not be worked on`, { container, error: errorStack(error) });
    arrived.answer(refusal(`internal error: ${errorText(error)}`));
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
