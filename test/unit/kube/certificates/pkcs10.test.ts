/** Requests for certificates are what openssl takes them for, and what openssl makes is read. */

import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  makeSigningRequest,
  readSigningRequest,
  subjectBytes,
} from "../../../../src/kube/certificates/pkcs10.ts";
import { runCommand } from "../../../support/command.ts";
import { cniRefusal } from "../../../support/refusal.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const user = "system:multus:node-1";
const group = "system:multus";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

async function openssl(stdin: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runCommand(["openssl", ...args], { stdin });
  if (exitCode !== 0) throw new Error(stderr);
  return stdout.toString();
}

/** A request by openssl. @param key arguments that say what key */
async function opensslRequest(key: readonly string[], subject: string, ...more: string[]): Promise<string> {
  using directory = new ScratchDirectory();
  const config = directory.write("openssl.cnf", "[req]\ndistinguished_name = name\nprompt = no\n[name]\n");
  return await openssl(
    "",
    ...["req", "-new", "-noenc", "-config", config, "-keyout", "/dev/null", "-subj", subject],
    ...key,
    ...more,
  );
}

const p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

describe("a request made here", () => {
  it("is one for openssl, with this subject, this key and nothing else", async () => {
    const request = makeSigningRequest(user, group, privateKey);
    const text = await openssl(request, "req", "-noout", "-verify", "-text", "-pubkey");
    expect(text).toMatch(/Subject: O ?= ?system:multus, CN ?= ?system:multus:node-1\n/);
    expect(text).toContain("ecdsa-with-SHA256");
    expect(text).toMatch(/Attributes:\s+\(none\)/);
    expect(text).toContain(createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString());
  });

  it("is read as what it was made of", () => {
    const read = readSigningRequest(makeSigningRequest(user, group, privateKey));
    expect(read).toMatchObject({ commonNames: [user], attributes: 0 });
    expect(Buffer.from(read.subject)).toEqual(Buffer.from(subjectBytes(user, group)));
    expect(read.key.equals(createPublicKey(privateKey))).toBe(true);
  });
});

describe("a request of openssl", () => {
  it.each([
    ["an elliptic curve", p256, "ec"],
    ["RSA", ["-newkey", "rsa:2048"], "rsa"],
    ["Ed25519", ["-newkey", "ed25519"], "ed25519"],
  ])("with a key of %s is read", async (_, key, type) => {
    const read = readSigningRequest(await opensslRequest(key, `/O=${group}/CN=${user}`));
    expect(read).toMatchObject({ commonNames: [user], attributes: 0 });
    expect(read.key.asymmetricKeyType).toBe(type);
  });

  it("shows every common name, and that its subject is another", async () => {
    const read = readSigningRequest(await opensslRequest(p256, `/CN=admin/O=${group}/CN=${user}`));
    expect(read.commonNames).toEqual(["admin", user]);
    expect(Buffer.compare(read.subject, subjectBytes(user, group))).not.toBe(0);
  });

  it("shows that it asks for extensions", async () => {
    const request = await opensslRequest(p256, `/CN=${user}`, "-addext", "subjectAltName=DNS:kubernetes");
    expect(readSigningRequest(request).attributes).toBe(1);
  });
});

describe("bytes that are no request", () => {
  const whole = makeSigningRequest(user, group, privateKey);
  const bytes = Buffer.from(whole.replace(/-----[A-Z ]+-----/g, ""), "base64");
  const pem = (content: Uint8Array) =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(content).toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
  const changed = (at: number) => Buffer.from(bytes).fill((bytes[at] ?? 0) ^ 1, at, at + 1);

  it.each<[string, string, RegExp]>([
    ["nothing", "", /not one PEM block/],
    ["two of them", whole + whole, /not one PEM block/],
    ["text before it", `x\n${whole}`, /not one PEM block/],
    [
      "a header in it",
      whole.replace("REQUEST-----\n", "REQUEST-----\nProc-Type: 4\n\n"),
      /not one PEM block/,
    ],
    ["a certificate by name", whole.replaceAll(" REQUEST", ""), /not one PEM block/],
    ["something after the value", pem(Buffer.concat([bytes, Buffer.from([5, 0])])), /not one ASN\.1 value/],
    ["half of it", pem(bytes.subarray(0, 100)), /./],
    ["another subject than was signed", pem(changed(bytes.indexOf("node-1"))), /signature is not its key's/],
    ["another signature", pem(changed(bytes.length - 1)), /signature/],
    ["too much", pem(Buffer.alloc(20_000)), /more than 8192 bytes/],
  ])("%s is refused", (_, text, message) => {
    const error = cniRefusal(() => readSigningRequest(text));
    expect(error).toMatchObject({ code: 6 });
    expect(error.message).toMatch(message);
  });
});
