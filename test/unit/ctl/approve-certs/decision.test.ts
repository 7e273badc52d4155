/** A node gets the certificate of its own daemon approved, and nobody gets anything else. */

import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import { decide } from "../../../../src/ctl/approve-certs/decision.ts";
import { makeSigningRequest } from "../../../../src/kube/certificates/pkcs10.ts";
import { certificateRequest, encodedRequest, requestKey } from "../../../support/certificate-request.ts";
import { runCommand } from "../../../support/command.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const group = "system:multus";
/** The approver's default. */
const day = 24 * 60 * 60;
const daemon = { username: "system:multus:node-1", groups: ["system:multus", "system:authenticated"] };

const requestFor = (commonName: string, organization = group, key = requestKey) => ({
  request: encodedRequest(makeSigningRequest(commonName, organization, key)),
});

/** 2: PrintableString, as Go has it. */
const opensslConfiguration = "[req]\ndistinguished_name = name\nprompt = no\nstring_mask = MASK:2\n[name]\n";

/** A request by openssl, for what ours never asks for. */
async function opensslRequest(subject: string, ...more: string[]): Promise<{ readonly request: string }> {
  using directory = new ScratchDirectory();
  const config = directory.write("openssl.cnf", opensslConfiguration);
  const { stdout, stderr, exitCode } = await runCommand([
    ...["openssl", "req", "-new", "-noenc", "-config", config, "-keyout", "/dev/null", "-subj", subject],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", ...more],
  ]);
  if (exitCode !== 0) throw new Error(stderr);
  return { request: encodedRequest(stdout.toString()) };
}

test.each([
  ["a kubelet's", {}],
  ["its daemon's own, to renew", daemon],
  ["one with its groups the other way round", { groups: ["system:authenticated", "system:nodes"] }],
  ["one for a day", { expirationSeconds: day }],
])("%s request is approved", (_, spec) => {
  expect(decide(certificateRequest(spec), day)).toEqual({ verdict: "approve", nodeName: "node-1" });
});

describe("denied is", () => {
  it.each<[string, object, RegExp]>([
    [
      "another node's daemon",
      requestFor("system:multus:node-2"),
      /may have a certificate for CN=system:multus:node-1, O=system:multus and no other/,
    ],
    ["the group as a user", requestFor("system:multus"), /no other subject/],
    ["another group", requestFor("system:multus:node-1", "system:nodes"), /no other subject/],
    [
      "a daemon that asks for another node",
      { ...daemon, ...requestFor("system:multus:node-2") },
      /no other subject/,
    ],
    [
      "somebody else",
      { username: "system:serviceaccount:default:web", groups: ["system:serviceaccounts"] },
      /is no node and no Multus of a node/,
    ],
    ["an administrator", { username: "admin" }, /is no node/],
    ["a user whose name begins like that", { username: "system:node:node-1:x" }, /is no node/],
    ["a node without a name", { username: "system:node:" }, /is no node/],
    ["a node of another name than objects have", { username: "system:node:Node_1" }, /is no node/],
    ["a node by name alone", { groups: ["system:authenticated"] }, /has to be in the groups system:nodes/],
    [
      "a node in further groups",
      { groups: ["system:nodes", "system:authenticated", "system:masters"] },
      /in no others/,
    ],
    [
      "a daemon in its kubelet's group",
      { ...daemon, groups: ["system:nodes", "system:authenticated"] },
      /system:multus and system:authenticated/,
    ],
    ["who is in no groups", { groups: undefined }, /has to be in the groups/],
    ["a use as server", { usages: ["digital signature", "client auth", "server auth"] }, /usages/],
    ["no use as client", { usages: ["digital signature"] }, /usages/],
    ["two uses of one kind", { usages: ["client auth", "client auth"] }, /usages/],
    ["no time", { expirationSeconds: undefined }, /expirationSeconds has to be there/],
    ["a time that is no number", { expirationSeconds: "600" }, /expirationSeconds has to be there/],
    ["a time in the past", { expirationSeconds: -1 }, /expirationSeconds has to be there/],
    [
      "a second more than a day",
      { expirationSeconds: day + 1 },
      /expirationSeconds is 86401, .* at most 86400 s .*certDuration .*--max-duration/,
    ],
    ["a year, to renew", { ...daemon, expirationSeconds: 31_536_000 }, /at most 86400 s/],
    [
      "a weak key of a curve",
      requestFor(
        "system:multus:node-1",
        group,
        generateKeyPairSync("ec", { namedCurve: "secp224r1" }).privateKey,
      ),
      /key/,
    ],
  ])("%s", (_, spec, reason) => {
    expect(decide(certificateRequest(spec), day)).toEqual({
      verdict: "deny",
      reason: expect.stringMatching(reason),
    });
  });

  it.each<[string, string, string[], RegExp]>([
    ["a second common name", `/CN=admin/O=${group}/CN=system:multus:node-1`, [], /no other subject/],
    ["a second group", `/O=${group}/O=system:masters/CN=system:multus:node-1`, [], /no other subject/],
    ["a further name", `/O=${group}/CN=system:multus:node-1/serialNumber=1`, [], /no other subject/],
    [
      "two names in one set",
      `/O=${group}/CN=system:multus:node-1+CN=admin`,
      ["-multivalue-rdn"],
      /no other subject/,
    ],
  ])("a subject with %s", async (_, subject, more, reason) => {
    const decision = decide(certificateRequest(await opensslRequest(subject, ...more)), day);
    expect(decision).toEqual({ verdict: "deny", reason: expect.stringMatching(reason) });
  });
});

test("another longest duration counts", () => {
  const year = certificateRequest({ expirationSeconds: 365 * day });
  expect(decide(year, 365 * day)).toEqual({ verdict: "approve", nodeName: "node-1" });
  expect(decide(certificateRequest(), 599)).toMatchObject({ verdict: "deny" });
});

test("openssl's request is approved where ours would be, and denied where it asks for further names", async () => {
  const subject = `/O=${group}/CN=system:multus:node-1`;
  expect(decide(certificateRequest(await opensslRequest(subject)), day)).toMatchObject({
    verdict: "approve",
  });
  const more = await opensslRequest(subject, "-addext", "subjectAltName=DNS:kubernetes.default");
  expect(decide(certificateRequest(more), day)).toEqual({
    verdict: "deny",
    reason: "it asks for extensions or other attributes, and there must be none",
  });
});

describe("left alone is", () => {
  it.each<[string, object, object, RegExp]>([
    ["an approved one", {}, { conditions: [{ type: "Approved", status: "True" }] }, /decided/],
    ["a denied one", {}, { conditions: [{ type: "Denied", status: "True" }] }, /decided/],
    ["a signed one", {}, { certificate: "YQ==" }, /decided/],
    ["a kubelet's own", { signerName: "kubernetes.io/kube-apiserver-client-kubelet" }, {}, /another signer/],
    ["another program's", requestFor("system:kube-proxy", "system:masters"), {}, /not for system:multus/],
    ["one of a user that is only called like it", requestFor("system:multusx"), {}, /not for system:multus/],
    ["no PKCS#10", { request: encodedRequest("x") }, {}, /not a PKCS#10 request/],
    ["nothing", { request: undefined }, {}, /not a PKCS#10 request/],
  ])("%s", (_, spec, status, reason) => {
    expect(decide(certificateRequest(spec, status), day)).toEqual({
      verdict: "ignore",
      reason: expect.stringMatching(reason),
    });
  });
});
