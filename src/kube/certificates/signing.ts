/** Has a certificate signed by the cluster: creates a CertificateSigningRequest, and waits for its approval and the signer's answer. */

import { setTimeout as wait } from "node:timers/promises";
import { type JsonObject, objectAt, objectsIn } from "../../base/json.ts";
import { type Api, ApiError, isTransient } from "../api.ts";
import { askedPauseMs, BackOff, type BackOffLimits } from "../back-off.ts";
import { certificateUsages, signerName, signingRequestsPath } from "./identity.ts";

/** Denied, failed, or gone: this request gets no certificate. */
export class SigningRefused extends Error {
  override readonly name = "SigningRefused";
}

export interface SigningOptions {
  readonly api: Api;
  /** PKCS#10, PEM. */
  readonly request: string;
  /** How long the certificate is to be valid, in seconds; the API takes 600 and more. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Told the object's name when it is there. */
  readonly onCreated: (name: string) => void;
}

/** Looks at the object: soon at first, for approvers that are programs; then for people. */
const looks: BackOffLimits = { first: 500, most: 5_000 };
const generateName = "multus-";

/**
 * Waits for as long as the object is there; a cluster removes one that is not approved after a day.
 * @returns the certificate, PEM, with those above it if the signer gives some
 * @throws {SigningRefused} @throws {ApiError} @throws {ApiUnreachable} where it could not be created @throws what aborted `signal`
 */
export async function signedCertificate(options: SigningOptions): Promise<string> {
  const { api, request, seconds, signal, onCreated } = options;
  const created = await api.request<unknown>({
    method: "POST",
    path: signingRequestsPath,
    signal,
    body: {
      apiVersion: "certificates.k8s.io/v1",
      kind: "CertificateSigningRequest",
      metadata: { generateName },
      spec: {
        request: Buffer.from(request).toString("base64"),
        signerName,
        usages: certificateUsages,
        expirationSeconds: seconds,
      },
    },
  });
  const { name } = objectAt(created, "metadata");
  if (typeof name !== "string" || name === "") throw new ApiError(500, "", "the answer is no object");
  onCreated(name);
  const backOff = new BackOff();
  for (;;) {
    const { pem, pauseMs } = await look(api, name, signal);
    if (pem !== undefined) return pem;
    await wait(Math.max(pauseMs, looks.first / 5, backOff.next(looks)), undefined, { signal });
  }
}

/** One look at the object; that the API does not answer says nothing. @throws {SigningRefused} {@link ApiError} */
async function look(
  api: Api,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly pem: string | undefined; readonly pauseMs: number }> {
  try {
    const path = `${signingRequestsPath}/${encodeURIComponent(name)}`;
    const status = objectAt(await api.request<unknown>({ method: "GET", path, signal }), "status");
    return { pem: certificateOf(status, name), pauseMs: 0 };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      throw new SigningRefused(`${name} is gone: it was not approved`);
    }
    signal.throwIfAborted();
    if (!isTransient(error)) throw error;
    return { pem: undefined, pauseMs: askedPauseMs(error) };
  }
}

/** @throws {SigningRefused} */
function certificateOf(status: JsonObject, name: string): string | undefined {
  for (const { type, reason, message } of objectsIn(status.conditions)) {
    if (type === "Denied" || type === "Failed") {
      const what = type === "Denied" ? "was denied" : "could not be signed";
      throw new SigningRefused(`${name} ${what}: ${[reason, message].filter(Boolean).join(": ")}`);
    }
  }
  const { certificate } = status;
  return typeof certificate === "string" && certificate !== ""
    ? Buffer.from(certificate, "base64").toString("utf8")
    : undefined;
}
