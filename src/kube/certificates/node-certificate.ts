/** Keeps a certificate of this node's daemon that is valid: has one signed, and another one before its time is over. */

import { setTimeout as wait } from "node:timers/promises";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import { ClusterUnavailable } from "../../multus/cluster/cluster-unavailable.ts";
import { type Api, ApiError } from "../api.ts";
import { BackOff, type BackOffLimits } from "../back-off.ts";
import {
  checkPair,
  currentCertificatePath,
  readCurrentCertificate,
  storeCertificate,
} from "./certificate-file.ts";
import { multusGroup, multusUser } from "./identity.ts";
import { makeSigningRequest } from "./pkcs10.ts";
import { SigningRefused, signedCertificate } from "./signing.ts";
import { renewalTime, type Validity } from "./validity.ts";

export interface NodeCertificateOptions {
  readonly nodeName: string;
  /** Directory of certificate and key. */
  readonly certDir: string;
  /** How long a certificate is to be valid, in seconds; the API takes 600 and more. */
  readonly seconds: number;
  /** The API with credentials that may request the first certificate: the kubelet's. */
  readonly asBootstrap: Api;
  /** The API with the certificate that is to be renewed. */
  readonly asSelf: Api;
  readonly log: Logger;
  /** From 0 up to 1; default Math.random. */
  readonly random?: () => number;
}

/** Clocks are set, and timers have an end: the time is looked at again after so many milliseconds. */
const longestSleepMs = 60_000;
const afterFailure: BackOffLimits = { first: 1_000, most: 60_000 };
/** A request that was denied is denied again, unless an administrator changes something. */
const afterRefusal: BackOffLimits = { first: 10_000, most: 300_000 };
const leastPauseMs = 500;
/** A server that refuses a new certificate (its authority is not the signer's) is not asked for another one all the time. */
const settledMs = 60_000;

export class NodeCertificate {
  readonly #options: NodeCertificateOptions;
  readonly #user: string;
  readonly #closing = new AbortController();
  readonly #backOff: BackOff;
  #current: (Validity & { readonly renewAt: number }) | undefined;
  #problem = "it is being asked for";
  readonly #failures: OnceLog;
  #isRefused = false;
  #storedAt = Number.NEGATIVE_INFINITY;
  #wake: () => void = () => {};

  /** Begins at once. */
  constructor(options: NodeCertificateOptions) {
    this.#options = options;
    this.#failures = new OnceLog(options.log);
    this.#user = multusUser(options.nodeName);
    this.#backOff = new BackOff(options.random);
    this.#readCurrent();
    this.#run().catch((error: unknown) => {
      // Every step that can fail catches its own errors.
      if (!this.#closing.signal.aborted) this.#complain(errorText(error));
    });
  }

  /** When it ends, in milliseconds since the epoch; undefined while there is none. */
  get validUntil(): number | undefined {
    return this.#current?.until;
  }

  /** @throws {ClusterUnavailable} while there is no certificate that is valid, with the reason */
  check(): void {
    const until = this.#current?.until;
    if (until !== undefined && Date.now() < until) return;
    const state = until === undefined ? "is not there yet" : `ended at ${new Date(until).toISOString()}`;
    throw new ClusterUnavailable(
      `the certificate of ${this.#user} (${currentCertificatePath(this.#options.certDir)}) ${state}: ${this.#problem}`,
    );
  }

  /** The server does not take it (401). */
  refused(): void {
    if (this.#isRefused || performance.now() - this.#storedAt < settledMs) return;
    this.#options.log.error("certificate: the API server refuses it; requesting another one", {
      user: this.#user,
    });
    this.#isRefused = true;
    this.#wake();
  }

  /** Ends renewals. Files on disk stay. */
  close(): void {
    this.#closing.abort();
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const remaining = this.#isRefused ? 0 : (this.#current?.renewAt ?? 0) - Date.now();
      if (remaining > 0) {
        await this.#sleep(Math.min(remaining, longestSleepMs));
        continue;
      }
      try {
        await this.#renew();
        this.#checkNotDue();
        this.#backOff.reset();
        this.#failures.over();
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#complain(errorText(error));
        const limits = error instanceof SigningRefused ? afterRefusal : afterFailure;
        await this.#sleep(Math.max(leastPauseMs, this.#backOff.next(limits)));
      }
    }
  }

  #sleep(milliseconds: number): Promise<unknown> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    return wait(milliseconds, undefined, { signal: woken.signal }).catch(() => undefined);
  }

  #readCurrent(): void {
    const { certDir, log, random = Math.random } = this.#options;
    try {
      const validity = readCurrentCertificate(certDir, this.#user);
      this.#current = validity && { ...validity, renewAt: renewalTime(validity, random()) };
    } catch (error) {
      this.#current = undefined;
      log.error("certificate: the one on disk cannot be used", { error: errorText(error) });
    }
  }

  /** @throws {Error} of the API, the signer or the file system */
  async #renew(): Promise<void> {
    const { asBootstrap, asSelf, certDir, log } = this.#options;
    const hasOwn = this.#current !== undefined && Date.now() < this.#current.until;
    const { generateKeyPairSync } = process.getBuiltinModule("node:crypto");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const request = makeSigningRequest(this.#user, multusGroup, privateKey);
    let certificate: string;
    try {
      certificate = await this.#signed(hasOwn && !this.#isRefused ? asSelf : asBootstrap, request);
    } catch (error) {
      // The API may not accept the certificate any more, or not allow its owner to renew it.
      const isBarred = error instanceof ApiError && (error.status === 401 || error.status === 403);
      if (!hasOwn || this.#isRefused || !isBarred) throw error;
      certificate = await this.#signed(asBootstrap, request);
    }
    // The format of client-go.
    const key = privateKey.export({ type: "sec1", format: "pem" }).toString();
    const validity = checkPair(certificate, key, this.#user, "the certificate from the cluster's signer");
    storeCertificate(certDir, certificate, key, Date.now());
    this.#isRefused = false;
    this.#storedAt = performance.now();
    this.#readCurrent();
    log.verbose("certificate: signed", {
      user: this.#user,
      until: new Date(validity.until).toISOString(),
      renewal: new Date(this.#current?.renewAt ?? validity.until).toISOString(),
    });
  }

  /** One that was signed just now, and is to be renewed already, is used, but the signer is not asked without end. @throws {Error} */
  #checkNotDue(): void {
    if (this.#current === undefined || Date.now() < this.#current.renewAt) return;
    throw new Error(
      `the certificate that was just signed (until ${new Date(this.#current.until).toISOString()}) is due for renewal already: do the clocks of this node and of the cluster agree?`,
    );
  }

  #signed(api: Api, request: string): Promise<string> {
    const { seconds, log } = this.#options;
    return signedCertificate({
      api,
      request,
      seconds,
      signal: this.#closing.signal,
      onCreated: (name) => {
        const failure = this.#failures.problem;
        const before = failure === undefined ? "" : `; before: ${failure}`;
        this.#problem = `CertificateSigningRequest ${name} has not been approved and signed yet${before}`;
        log.verbose("certificate: requested", { user: this.#user, request: name });
      },
    });
  }

  #complain(problem: string): void {
    this.#problem = problem;
    const until = this.#current?.until;
    const fields = {
      user: this.#user,
      error: problem,
      validUntil: until === undefined ? undefined : new Date(until).toISOString(),
    };
    this.#failures.error("certificate: request failed; retrying", fields, problem);
  }
}
