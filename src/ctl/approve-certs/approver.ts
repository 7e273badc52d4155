/** Watches the cluster's requests for certificates, and says yes or no to those of our daemons. */

import { setTimeout as wait } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../../cni/json.ts";
import { type Api, ApiError } from "../../kube/api.ts";
import { askedPauseMs, BackOff, type BackOffLimits } from "../../kube/back-off.ts";
import { signerName, signingRequestsPath } from "../../kube/certificates/identity.ts";
import { Reflector } from "../../kube/reflector.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { type Decision, decide } from "./decision.ts";

const afterFailure: BackOffLimits = { first: 500, most: 30_000 };

export interface ApproverOptions {
  readonly api: Api;
  readonly log: Logger;
}

/** Two at the same time do each other no harm: what one has decided, the other finds decided. */
export class Approver {
  readonly #options: ApproverOptions;
  readonly #closing = new AbortController();
  readonly #reflector: Reflector<string>;
  /** Names of what is to be decided, in the order in which it came. */
  readonly #waiting = new Set<string>();
  #wake: () => void = () => {};

  /** Begins at once. */
  constructor(options: ApproverOptions) {
    this.#options = options;
    const query = new URLSearchParams({ fieldSelector: `spec.signerName=${signerName}` });
    this.#reflector = new Reflector<string>({
      api: options.api,
      path: `${signingRequestsPath}?${query}`,
      kind: "certificatesigningrequests",
      keep: (object, { name }) => (decide(object).verdict === "ignore" ? undefined : name),
      onChange: (_key, name) => {
        if (name === undefined) return;
        this.#waiting.add(name);
        this.#wake();
      },
      log: options.log,
    });
    this.#run().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) throw error;
    });
  }

  close(): void {
    this.#closing.abort();
    this.#reflector.close();
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const backOff = new BackOff();
    /** What has been said of those that wait for another try, by name. */
    const complaints = new Map<string, string>();
    while (!signal.aborted) {
      const [name] = this.#waiting;
      if (name === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      this.#waiting.delete(name);
      try {
        await this.#settle(name);
        backOff.reset();
        complaints.delete(name);
      } catch (error) {
        if (signal.aborted) return;
        // Behind the others: what is wrong may be about this one alone.
        this.#waiting.add(name);
        const problem = errorText(error);
        if (problem !== complaints.get(name)) {
          this.#options.log.error("a request cannot be decided yet; it is tried again", {
            request: name,
            error: problem,
            hint: hintOf(error),
          });
        }
        complaints.set(name, problem);
        await wait(Math.max(askedPauseMs(error), backOff.next(afterFailure)), undefined, { signal });
      }
    }
  }

  /** Decides about the object as it is now. @throws {ApiError} {@link ApiUnreachable} */
  async #settle(name: string): Promise<void> {
    const { api, log } = this.#options;
    const { signal } = this.#closing;
    const path = `${signingRequestsPath}/${encodeURIComponent(name)}`;
    const object = await found(api.request<unknown>({ method: "GET", path, signal }));
    if (!isJsonObject(object)) return;
    const decision = await this.#checkNode(decide(object));
    if (decision.verdict === "ignore") return;
    const isApproved = decision.verdict === "approve";
    const reason = isApproved ? `the node ${decision.nodeName} may have it` : decision.reason;
    try {
      const body = withCondition(object, isApproved, reason);
      await found(api.request<unknown>({ method: "PUT", path: `${path}/approval`, body, signal }));
    } catch (error) {
      // Somebody has written to it meanwhile, perhaps decided: it comes again with the watch, too.
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      this.#waiting.add(name);
      return;
    }
    const { username } = isJsonObject(object.spec) ? object.spec : {};
    log.verbose(isApproved ? "approved" : "denied", { request: name, requestor: String(username), reason });
  }

  async #checkNode(decision: Decision): Promise<Decision> {
    if (decision.verdict !== "approve") return decision;
    const { nodeName } = decision;
    const path = `/api/v1/nodes/${encodeURIComponent(nodeName)}`;
    const node = await found(
      this.#options.api.request<unknown>({ method: "GET", path, signal: this.#closing.signal }),
    );
    return node === undefined
      ? { verdict: "deny", reason: `there is no node ${nodeName} in the cluster` }
      : decision;
  }
}

/** @returns undefined where there is no such object */
async function found(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The object with one condition more. Its resourceVersion goes back with it: what has changed meanwhile is decided anew. */
function withCondition(object: JsonObject, isApproved: boolean, message: string): JsonObject {
  const status = isJsonObject(object.status) ? object.status : {};
  const before = Array.isArray(status.conditions) ? status.conditions : [];
  const condition = {
    type: isApproved ? "Approved" : "Denied",
    status: "True",
    // Go multus's.
    reason: isApproved ? "AutoApproved" : "CSRDenied",
    message,
  };
  return { ...object, status: { ...status, conditions: [...before, condition] } };
}

function hintOf(error: unknown): string | undefined {
  return error instanceof ApiError && error.status === 403
    ? "deploy/components/per-node-certificate/rbac.yaml has the rights that the approver needs"
    : undefined;
}
