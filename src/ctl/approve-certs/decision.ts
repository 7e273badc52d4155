/**
 * Decides which certificate requests are approved: a node may get the certificate of its own daemon, and no other. Checks everything that Go multus's
 * approver checks, and everything that could give the requester more than that certificate.
 */

import type { KeyObject } from "node:crypto";
import { ExpectedError } from "../../base/input-error.ts";
import { type JsonObject, objectAt, objectsIn, textOf } from "../../base/json.ts";
import { certificateUsages, multusGroup, multusUser, signerName } from "../../kube/certificates/identity.ts";
import { readSigningRequest, type SigningRequest, subjectBytes } from "../../kube/certificates/pkcs10.ts";
import { isObjectName } from "../../kube/object-names.ts";
import { quoted } from "../../log/quoted.ts";

export type Decision =
  /** Approved if there is a node of that name. */
  | { readonly verdict: "approve"; readonly nodeName: string }
  | { readonly verdict: "deny"; readonly reason: string }
  /** Already decided, or not a request of a Multus daemon: others may approve it. */
  | { readonly verdict: "ignore"; readonly reason: string };

/** Permitted requesters: a kubelet for its node's daemon, and the daemon for a renewal. The API server puts such users into the group. */
const requestors: ReadonlyMap<string, string> = new Map([
  ["system:node", "system:nodes"],
  [multusGroup, multusGroup],
]);
const everybody = "system:authenticated";
const leastRsaBits = 2_048;
const curves = ["prime256v1", "secp384r1", "secp521r1"];

/**
 * @param object a CertificateSigningRequest, as the API gives it
 * @param mostSeconds the longest certificate that is approved
 */
export function decide(object: JsonObject, mostSeconds: number): Decision {
  const spec = objectAt(object, "spec");
  if (isDecided(object.status)) return { verdict: "ignore", reason: "it is decided already" };
  if (spec.signerName !== signerName) return { verdict: "ignore", reason: "it is for another signer" };
  let request: SigningRequest;
  try {
    request = readSigningRequest(Buffer.from(textOf(spec.request), "base64").toString("latin1"));
  } catch (error) {
    if (error instanceof ExpectedError) return { verdict: "ignore", reason: error.message };
    throw error;
  }
  if (!request.commonNames.some(isMultusName)) {
    return { verdict: "ignore", reason: `it is not for ${multusGroup}` };
  }
  return decideOurs(spec, request, mostSeconds);
}

function isDecided(status: unknown): boolean {
  const { certificate, conditions } = objectAt(status);
  const types = objectsIn(conditions).map(({ type }) => type);
  return (certificate ?? "") !== "" || types.some((type) => type === "Approved" || type === "Denied");
}

function isMultusName(name: string): boolean {
  return name === multusGroup || name.startsWith(`${multusGroup}:`);
}

function decideOurs(spec: JsonObject, request: SigningRequest, mostSeconds: number): Decision {
  const deny = (reason: string): Decision => ({ verdict: "deny", reason });
  const username = textOf(spec.username);
  const colon = username.lastIndexOf(":");
  const nodeName = username.slice(colon + 1);
  const group = requestors.get(username.slice(0, Math.max(colon, 0)));
  if (group === undefined || !isObjectName(nodeName)) {
    return deny(`${quoted(username)} is no node and no Multus of a node`);
  }
  const groups = textsOf(spec.groups);
  if (
    groups === undefined ||
    !groups.includes(group) ||
    groups.some((each) => each !== group && each !== everybody)
  ) {
    return deny(`${username} has to be in the groups ${group} and ${everybody}, and in no others`);
  }
  const user = multusUser(nodeName);
  // Compared byte by byte, so that no parser can read another subject out of it.
  if (Buffer.compare(request.subject, subjectBytes(user, multusGroup)) !== 0) {
    return deny(`${username} may have a certificate for CN=${user}, O=${multusGroup} and no other subject`);
  }
  if (request.attributes > 0)
    return deny("it asks for extensions or other attributes, and there must be none");
  const keyProblem = problemOfKey(request.key);
  if (keyProblem !== "") return deny(keyProblem);
  const usages = textsOf(spec.usages) ?? [];
  if (
    new Set(usages).size !== certificateUsages.length ||
    !certificateUsages.every((each) => usages.includes(each))
  ) {
    return deny(`its usages have to be ${certificateUsages.join(" and ")}`);
  }
  const lifeProblem = problemOfLife(spec.expirationSeconds, mostSeconds);
  return lifeProblem === "" ? { verdict: "approve", nodeName } : deny(lifeProblem);
}

/** @returns "" for a certificate that ends soon enough. The requesting daemon logs the text, so it names the keys to change. */
function problemOfLife(expirationSeconds: unknown, mostSeconds: number): string {
  if (typeof expirationSeconds !== "number" || !(expirationSeconds > 0)) {
    return "expirationSeconds has to be there: without it the signer decides, usually for a year";
  }
  return expirationSeconds <= mostSeconds
    ? ""
    : `expirationSeconds is ${expirationSeconds}, and certificates of at most ${mostSeconds} s are approved: ` +
        "perNodeCertificate.certDuration of the daemon has to be less, or --max-duration of the approver more";
}

/** @returns "" for a key that is strong enough */
function problemOfKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === "ed25519") return "";
  if (asymmetricKeyType === "ec" && curves.includes(asymmetricKeyDetails?.namedCurve ?? "")) return "";
  if (asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) >= leastRsaBits) return "";
  return `its key has to be ECDSA of ${curves.join(", ")}, Ed25519, or RSA of ${leastRsaBits} bits or more`;
}

/** @returns undefined if it is no list of texts */
function textsOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === "string") ? value : undefined;
}
