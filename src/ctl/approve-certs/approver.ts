/** Watches the cluster's CertificateSigningRequests, and approves or denies those of Multus daemons. */

import { setTimeout as wait } from "node:timers/promises";
import { isJsonObject, type JsonObject, listOf, objectAt, scalarText } from "../../base/json.ts";
import { entryOf } from "../../base/map-entry.ts";
import { type Api, ApiError } from "../../kube/api.ts";
import { askedPauseMs, BackOff, type BackOffLimits } from "../../kube/back-off.ts";
import { signerName, signingRequestsPath } from "../../kube/certificates/identity.ts";
import { lacksRight, MissingRight, usualForbiddenMs } from "../../kube/forbidden.ts";
import { Reflector } from "../../kube/reflector.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import { found } from "../cluster/objects.ts";
import { decide } from "./decision.ts";

const afterFailure: BackOffLimits = { first: 500, most: 30_000 };
/** How long a server may be starting, in milliseconds. */
const whileStarting: BackOffLimits = { first: 500, most: 2_000 };

const hint = "deploy/components/per-node-certificate/rbac.yaml has the rights that the approver needs";

export interface ApproverOptions {
  readonly api: Api;
  readonly log: Logger;
  /** The longest certificate that is approved, in seconds. */
  readonly mostSeconds: number;
  /** How long to doubt a missing right to get nodes, in milliseconds: a starting server forbids everything. */
  readonly forbiddenMs?: number;
}

/** Whether the cluster has a node. `unknown`: the approver has no right to get nodes. `later`: the server denies that right, but may only be starting. */
type NodeSighting = "there" | "absent" | "unknown" | "later";

/** Two approvers may run at the same time: each skips requests that the other has decided. */
export class Approver {
  readonly #options: ApproverOptions;
  readonly #closing = new AbortController();
  readonly #reflector: Reflector<string>;
  /** Names of undecided requests, in the order of their arrival. */
  readonly #waiting = new Set<string>();
  readonly #rightToNodes: MissingRight;
  /** Logs the missing right to get nodes. */
  readonly #blindness: OnceLog;
  readonly #backOff = new BackOff();
  /** Logs the problem of each request that waits for a retry, by name. */
  readonly #failures = new Map<string, OnceLog>();
  #isRunning = false;

  /** Starts at once. */
  constructor(options: ApproverOptions) {
    this.#options = options;
    this.#blindness = new OnceLog(options.log);
    this.#rightToNodes = new MissingRight(options.forbiddenMs ?? usualForbiddenMs);
    const query = new URLSearchParams({ fieldSelector: `spec.signerName=${signerName}` });
    this.#reflector = new Reflector<string>({
      api: options.api,
      path: `${signingRequestsPath}?${query}`,
      kind: "certificatesigningrequests",
      keep: (object, { name }) =>
        decide(object, options.mostSeconds).verdict === "ignore" ? undefined : name,
      onChange: (_key, name) => {
        if (name === undefined) return;
        this.#waiting.add(name);
        this.#run().catch((error: unknown) => {
          if (!this.#closing.signal.aborted) throw error;
        });
      },
      log: options.log,
    });
  }

  close(): void {
    this.#closing.abort();
    this.#reflector.close();
  }

  /** Decides about the requests that wait, one after another; those that come meanwhile are the last. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { signal } = this.#closing;
    for (const name of this.#waiting) {
      if (signal.aborted) return;
      this.#waiting.delete(name);
      const pauseMs = await this.#attempt(name);
      if (pauseMs === undefined) continue;
      // After the others: the problem may concern this request alone.
      this.#waiting.add(name);
      await wait(pauseMs, undefined, { signal });
    }
    this.#isRunning = false;
  }

  /** @returns milliseconds until the next attempt at an undecided request; undefined: there is nothing left to do */
  async #attempt(name: string): Promise<number | undefined> {
    const { log } = this.#options;
    try {
      if (!(await this.#settle(name))) return this.#backOff.next(whileStarting);
      this.#backOff.reset();
      this.#failures.delete(name);
      return undefined;
    } catch (error) {
      this.#closing.signal.throwIfAborted();
      const problem = errorText(error);
      const fields = { request: name, error: problem, hint: hintOf(error) };
      const message = "a request cannot be decided yet and will be retried";
      entryOf(this.#failures, name, () => new OnceLog(log)).error(message, fields, problem);
      return Math.max(askedPauseMs(error), this.#backOff.next(afterFailure));
    }
  }

  /**
   * Decides about the present object.
   * @returns false: it cannot be decided yet, which is no error
   * @throws {ApiError} {@link ApiUnreachable}
   */
  async #settle(name: string): Promise<boolean> {
    const { api, log, mostSeconds } = this.#options;
    const { signal } = this.#closing;
    const path = `${signingRequestsPath}/${encodeURIComponent(name)}`;
    const object = await found(api.request<unknown>({ method: "GET", path, signal }));
    if (!isJsonObject(object)) return true;
    const decision = decide(object, mostSeconds);
    if (decision.verdict === "ignore") return true;
    let isApproved = false;
    let reason = "";
    if (decision.verdict === "deny") {
      reason = decision.reason;
    } else {
      const { nodeName } = decision;
      const sighting = await this.#lookForNode(nodeName);
      if (sighting === "later") return false;
      isApproved = sighting !== "absent";
      reason = reasons[sighting](nodeName);
    }
    try {
      const body = withCondition(object, isApproved, reason);
      await found(api.request<unknown>({ method: "PUT", path: `${path}/approval`, body, signal }));
    } catch (error) {
      // The object has changed meanwhile, perhaps by a decision: the watch reports it again.
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      this.#waiting.add(name);
      return true;
    }
    const { username } = objectAt(object, "spec");
    log.verbose(isApproved ? "approved" : "denied", {
      request: name,
      requestor: scalarText(username),
      reason,
    });
    return true;
  }

  /** Without the right to get nodes, as with Go multus's role, requests are decided by their content. @throws {ApiError} {@link ApiUnreachable} */
  async #lookForNode(nodeName: string): Promise<NodeSighting> {
    const { api } = this.#options;
    const path = `/api/v1/nodes/${encodeURIComponent(nodeName)}`;
    try {
      const node = await found(api.request<unknown>({ method: "GET", path, signal: this.#closing.signal }));
      this.#rightToNodes.present();
      this.#blindness.over();
      return node === undefined ? "absent" : "there";
    } catch (error) {
      if (!lacksRight(error)) throw error;
      if (this.#blindness.problem === undefined && !this.#rightToNodes.missing()) return "later";
      const message = "no right to get nodes: certificates are approved without a check that the node exists";
      this.#blindness.error(message, { error: errorText(error), hint });
      return "unknown";
    }
  }
}

/** Of the condition. */
const reasons: Readonly<Record<Exclude<NodeSighting, "later">, (nodeName: string) => string>> = {
  there: (nodeName) => `the node ${nodeName} may have it`,
  absent: (nodeName) => `there is no node ${nodeName} in the cluster`,
  unknown: (nodeName) => `the node ${nodeName} may have it; whether it exists could not be looked up`,
};

/** The object with another condition. It keeps its resourceVersion, so that the server refuses the update of an object that has changed. */
function withCondition(object: JsonObject, isApproved: boolean, message: string): JsonObject {
  const status = objectAt(object, "status");
  const condition = {
    type: isApproved ? "Approved" : "Denied",
    status: "True",
    // Go multus's.
    reason: isApproved ? "AutoApproved" : "CSRDenied",
    message,
  };
  return { ...object, status: { ...status, conditions: [...listOf(status.conditions), condition] } };
}

function hintOf(error: unknown): string | undefined {
  return error instanceof ApiError && error.status === 403 ? hint : undefined;
}
