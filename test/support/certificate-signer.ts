/** Signs certificate requests as a cluster's signer does, for lives as short as a test likes. */

import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { type AsnType, BitString, fromBER, Integer, ObjectIdentifier, Sequence, UTCTime } from "asn1js";
import { makeSigningRequest } from "../../src/kube/certificates/pkcs10.ts";
import type { CertificateFiles } from "./cluster/certificates.ts";

const { privateKey: nobodysKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
let serial = 1;

/** Authority that signs certificates here. */
interface Authority {
  readonly name: AsnType;
  readonly key: KeyObject;
}

/**
 * @param request PKCS#10, PEM: its subject and key get into the certificate
 * @param from @param until milliseconds since the epoch; seconds count
 * @param authority with a key of an elliptic curve; without one nobody trusts the certificate
 * @returns PEM
 */
export function signCertificate(
  request: string,
  from: number,
  until: number,
  authority?: CertificateFiles,
): string {
  const [, subject, key] = partsOf(partsOf(parsed(request))[0]);
  if (subject === undefined || key === undefined) throw new Error("no PKCS#10 request");
  const signer = authority === undefined ? { name: subject, key: nobodysKey } : readAuthority(authority);
  const time = (milliseconds: number) => new UTCTime({ valueDate: new Date(milliseconds) });
  const algorithm = new Sequence({ value: [new ObjectIdentifier({ value: "1.2.840.10045.4.3.2" })] });
  const content = new Sequence({
    value: [
      new Integer({ value: serial++ }),
      algorithm,
      signer.name,
      new Sequence({ value: [time(from), time(until)] }),
      subject,
      key,
    ],
  });
  const valueHex = Uint8Array.from(sign("sha256", new Uint8Array(content.toBER()), signer.key)).buffer;
  const whole = new Sequence({ value: [content, algorithm, new BitString({ valueHex })] });
  const text = Buffer.from(whole.toBER())
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

/** A daemon's certificate that nobody has to trust, and its key, as they are stored together. @param from @param until milliseconds since the epoch @returns PEM */
export function certificateAndKey(user: string, from: number, until: number) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const request = makeSigningRequest(user, "system:multus", privateKey);
  return {
    certificate: signCertificate(request, from, until),
    key: privateKey.export({ type: "sec1", format: "pem" }).toString(),
  };
}

function readAuthority({ certificate, key }: CertificateFiles): Authority {
  // Version, serial number, algorithm, issuer, validity, subject.
  const name = partsOf(partsOf(parsed(readFileSync(certificate, "utf8")))[0])[5];
  if (name === undefined) throw new Error(`${certificate}: no certificate`);
  return { name, key: createPrivateKey(readFileSync(key)) };
}

function parsed(pem: string): AsnType {
  return fromBER(Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ""), "base64")).result;
}

function partsOf(block: unknown): Sequence["valueBlock"]["value"] {
  return block instanceof Sequence ? block.valueBlock.value : [];
}
