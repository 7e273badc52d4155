/** PKCS#10 (RFC 2986): the bytes with which a key asks for a certificate. */

import type { KeyObject } from "node:crypto";
import {
  type AsnType,
  BitString,
  Constructed,
  fromBER,
  Integer,
  ObjectIdentifier,
  PrintableString,
  Sequence,
  Set as SetOf,
} from "asn1js";
import { InputError } from "../../base/input-error.ts";
import { errorText } from "../../log/error-text.ts";

/** The content of a request whose signature has been checked. */
export interface SigningRequest {
  /** DER of the whole subject; {@link subjectBytes} makes the same of the same names. */
  readonly subject: Uint8Array;
  /** Common names in the subject, in order. Nothing may be granted by them: there can be more in a subject. */
  readonly commonNames: readonly string[];
  readonly key: KeyObject;
  /** How many attributes it has: extensions that the certificate is to have, such as further names, are among them. */
  readonly attributes: number;
}

/** Object identifiers (X.520, RFC 5758, RFC 4055, RFC 8410). */
const commonNameType = "2.5.4.3";
const organizationType = "2.5.4.10";
const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
/** How a signature hashes; null: its algorithm does so by itself. */
const signatureHashes: ReadonlyMap<string, string | null> = new Map([
  [ecdsaWithSha256, "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.3.101.112", null],
]);

/** A key with some curves and a signature has less than a tenth of it; RSA with 16,384 bits half. */
const maxBytes = 8 << 10;

/**
 * A request, signed with the key that it is for (ECDSA with SHA-256).
 * @param key private, of an elliptic curve
 * @returns PEM
 */
export function makeSigningRequest(commonName: string, organization: string, key: KeyObject): string {
  const { createPublicKey, sign } = process.getBuiltinModule("node:crypto");
  const publicKey = createPublicKey(key).export({ type: "spki", format: "der" });
  const info = new Sequence({
    value: [
      new Integer({ value: 0 }),
      subjectOf(commonName, organization),
      fromBER(publicKey).result,
      // No attributes: nothing but the key for this subject.
      new Constructed({ idBlock: { tagClass: 3, tagNumber: 0 } }),
    ],
  });
  const signature = sign("sha256", new Uint8Array(info.toBER()), key);
  const request = new Sequence({
    value: [
      info,
      new Sequence({ value: [new ObjectIdentifier({ value: ecdsaWithSha256 })] }),
      new BitString({ valueHex: exactBuffer(signature) }),
    ],
  });
  const lines = Buffer.from(request.toBER())
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
}

/** A subject with these two names and nothing else, as DER; laid out as Go's x509 does it. @param names in ASCII */
export function subjectBytes(commonName: string, organization: string): Uint8Array {
  return new Uint8Array(subjectOf(commonName, organization).toBER());
}

function subjectOf(commonName: string, organization: string): Sequence {
  const name = (type: string, value: string) =>
    new SetOf({
      value: [
        new Sequence({ value: [new ObjectIdentifier({ value: type }), new PrintableString({ value })] }),
      ],
    });
  return new Sequence({ value: [name(organizationType, organization), name(commonNameType, commonName)] });
}

/**
 * Takes a request apart, and checks its signature.
 * @param pem one block and nothing else: the signer must not see another request than the approver
 * @throws {InputError} where it is no request
 */
export function readSigningRequest(pem: string): SigningRequest {
  try {
    return takeApart(pemBytes(pem));
  } catch (error) {
    if (error instanceof InputError) throw error;
    // The library's, and Node's about the key.
    throw refusal(errorText(error));
  }
}

function refusal(message: string): InputError {
  return new InputError("syntax", `not a PKCS#10 request: ${message}`);
}

/** @throws {InputError} */
function pemBytes(pem: string): Uint8Array {
  if (pem.length > maxBytes * 2) throw refusal(`more than ${maxBytes} bytes`);
  const block =
    /^-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/\r\n]+={0,2})\r?\n-----END CERTIFICATE REQUEST-----\s*$/.exec(
      pem,
    );
  if (block === null) throw refusal("not one PEM block of type CERTIFICATE REQUEST");
  const bytes = Buffer.from(block[1] ?? "", "base64");
  if (bytes.length > maxBytes) throw refusal(`more than ${maxBytes} bytes`);
  return bytes;
}

/** @throws {InputError} */
function takeApart(bytes: Uint8Array): SigningRequest {
  const { offset, result } = fromBER(bytes, { maxDepth: 16, maxNodes: 1_000, parseEmbedded: false });
  if (offset !== bytes.length) throw refusal(result.error === "" ? "not one ASN.1 value" : result.error);
  const [info, algorithm, signature, ...furtherParts] = partsOf(result, "the request");
  const [version, subject, key, attributes, ...furtherFields] = partsOf(info, "certificationRequestInfo");
  if (furtherParts.length + furtherFields.length > 0) throw refusal("has more in it than one has");
  if (!(version instanceof Integer) || version.valueBlock.valueDec !== 0) throw refusal("version is not 0");
  if (!(signature instanceof BitString) || signature.valueBlock.unusedBits !== 0) {
    throw refusal("signature is no bit string");
  }
  if (!isContextZero(attributes)) throw refusal("attributes are missing");
  const { createPublicKey } = process.getBuiltinModule("node:crypto");
  const publicKey = createPublicKey({ key: encoded(key), format: "der", type: "spki" });
  checkSignature(encoded(info), algorithm, signature.valueBlock.valueHexView, publicKey);
  return {
    subject: encoded(subject),
    commonNames: commonNamesOf(subject),
    key: publicKey,
    attributes: attributes.valueBlock.value.length,
  };
}

/** @throws {InputError} */
function checkSignature(
  signed: Buffer,
  algorithm: AsnType | undefined,
  signature: Uint8Array,
  key: KeyObject,
): void {
  const [identifier] = partsOf(algorithm, "signatureAlgorithm");
  const name = identifier instanceof ObjectIdentifier ? identifier.getValue() : "";
  const hash = signatureHashes.get(name);
  if (hash === undefined) throw refusal(`signatures of algorithm ${name} are not known`);
  const { verify } = process.getBuiltinModule("node:crypto");
  if (!verify(hash, signed, key, signature)) throw refusal("the signature is not its key's");
}

function commonNamesOf(subject: AsnType | undefined): string[] {
  return partsOf(subject, "subject")
    .flatMap((set) => (set instanceof SetOf ? set.valueBlock.value : []))
    .flatMap((attribute) => {
      const [type, value] = partsOf(attribute, "a name");
      if (!(type instanceof ObjectIdentifier) || type.getValue() !== commonNameType) return [];
      return value !== undefined && "getValue" in value
        ? [String((value as PrintableString).getValue())]
        : [];
    });
}

/** @throws {InputError} where it is no SEQUENCE */
function partsOf(block: AsnType | undefined, what: string): readonly AsnType[] {
  if (!(block instanceof Sequence)) throw refusal(`${what} is no sequence`);
  return block.valueBlock.value;
}

function isContextZero(block: AsnType | undefined): block is Constructed {
  return block instanceof Constructed && block.idBlock.tagClass === 3 && block.idBlock.tagNumber === 0;
}

/** The bytes of a value as they were read. */
function encoded(block: AsnType | undefined): Buffer {
  return Buffer.from(block?.valueBeforeDecodeView ?? []);
}

/** Of these bytes alone: a Buffer may be part of a larger one. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
