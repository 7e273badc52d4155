/** Orders under way on one stream: gives each its id, and matches answers to orders. */

import { errorText } from "../log/error-text.ts";
import { ExecutorError } from "./executor.ts";
import { Fields } from "./frame-fields.ts";
import { type Frame, type FrameBody, FrameError, maxId } from "./frames.ts";

/** An order to the other end. */
export interface Order<Answer> {
  readonly type: number;
  /** Name of the order in errors: "EXEC", "LINK_EXISTS". */
  readonly name: string;
  readonly body: FrameBody;
  /** Milliseconds after which the order fails here, whatever the other end does; 0: never. */
  readonly patienceMs: number;
  /** Told of its id when it is sent, before `issue` returns. */
  readonly onSent?: ((id: number) => void) | undefined;
  /** Reads the DONE of an order that was carried out. @throws {FrameError} */
  read(answer: Fields): Answer;
}

/** Writes the frame of an order to the stream. @param onLost to be called, later, if the other end is known not to have got it @throws {FrameError} */
export type SendOrder = (type: number, id: number, body: FrameBody, onLost: () => void) => void;

/** An order whose answer has not come. */
interface Pending {
  readonly name: string;
  /** @throws {FrameError} */
  settle(answer: Fields): void;
  fail(error: Error): void;
}

export class Orders {
  readonly #send: SendOrder;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  /** Why nothing more can be ordered. */
  #ended: string | undefined;

  constructor(send: SendOrder) {
    this.#send = send;
  }

  /**
   * Sends an order and waits for its answer.
   * @throws {ExecutorError} as the other end says; `timeout` where it does not answer; `gone` where it went away
   */
  issue<Answer>(order: Order<Answer>): Promise<Answer> {
    if (this.#ended !== undefined) {
      return Promise.reject(new ExecutorError("gone", this.#ended, { neverArrived: true }));
    }
    const id = this.#nextId;
    this.#nextId = id === maxId ? 1 : id + 1;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      if (order.patienceMs > 0) {
        timer = setTimeout(() => {
          // It stays pending: an answer that comes late is no breach of the protocol.
          reject(new ExecutorError("timeout", `no answer to ${order.name} after ${order.patienceMs} ms`));
        }, order.patienceMs);
      }
      this.#pending.set(id, {
        name: order.name,
        settle(answer) {
          clearTimeout(timer);
          resolve(order.read(answer));
        },
        fail(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
      try {
        this.#send(order.type, id, order.body, () => this.#lost(id));
        order.onSent?.(id);
      } catch (error) {
        this.#pending.delete(id);
        clearTimeout(timer);
        reject(new ExecutorError("failed", errorText(error)));
      }
    });
  }

  /**
   * Settles the order that a DONE frame answers.
   * @throws {FrameError} where there is no such order, or where the answer is not one to that order
   */
  done(frame: Frame): void {
    const pending = this.#pending.get(frame.id);
    if (pending === undefined) {
      throw new FrameError("unexpected", `frame DONE answers order ${frame.id}, which is not under way`);
    }
    this.#pending.delete(frame.id);
    const answer = new Fields(`DONE of ${pending.name}`, frame.body);
    try {
      if (answer.has("error")) pending.fail(executorError(answer));
      else pending.settle(answer);
    } catch (error) {
      pending.fail(new ExecutorError("failed", errorText(error)));
      throw error;
    }
  }

  /** Fails every order under way and every later one. */
  end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    for (const pending of this.#pending.values()) {
      const message = `${reason} before it answered ${pending.name}, which may be done, in part or as a whole`;
      pending.fail(new ExecutorError("gone", message));
    }
    this.#pending.clear();
  }

  #lost(id: number): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    const message = `the other end was gone before it had ${pending?.name}`;
    pending?.fail(new ExecutorError("gone", message, { neverArrived: true }));
  }
}

/** Errors of the wire's table; what a newer shim may say beyond them is a plain failure. */
const wireErrors = [
  "not-found",
  "refused",
  "link-exists",
  "unsuited",
  "netns",
  "spawn",
  "timeout",
  "too-large",
  "not-started",
] as const;

/** @throws {FrameError} */
function executorError(answer: Fields): ExecutorError {
  const name = answer.text("error");
  const message = answer.has("message") ? answer.text("message") : name;
  const code = wireErrors.find((known) => known === name) ?? "failed";
  return new ExecutorError(code, message);
}
