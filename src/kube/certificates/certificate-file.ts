/**
 * A node's certificate and its key on disk, as client-go's certificate store has them: one PEM file for both, named after the moment, and a symbolic
 * link to the current one. Go multus and this daemon use the files that the other left.
 */

import { readdirSync, readFileSync, readlinkSync, renameSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { makeDirectory, removeFile, writeFileAtomically } from "../../base/atomic-file.ts";
import { InputError, ioAction } from "../../base/input-error.ts";
import { ifThere } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { multusGroup } from "./identity.ts";
import type { Validity } from "./validity.ts";

const prefix = "multus-client";
const directoryMode = 0o700;

/** Path of the link: certificate and key. */
export function currentCertificatePath(certDir: string): string {
  return join(certDir, `${prefix}-current.pem`);
}

/** A certificate that is its key's. */
export interface CertificatePair extends Validity {
  /** Its subject: `CN=system:multus:node-1, O=system:multus`. */
  readonly subject: string;
}

/** The subject of that user's certificates. */
export function subjectOf(user: string): string {
  return `CN=${user}, O=${multusGroup}`;
}

/**
 * Reads the current certificate of any user. Whether it is valid now is not checked.
 * @returns undefined: there is none
 * @throws {InputError} where it cannot be read, is torn, or is not its key's
 */
export function readCurrentPair(certDir: string): CertificatePair | undefined {
  const path = currentCertificatePath(certDir);
  const pem = ioAction("read", path, () => ifThere(() => readFileSync(path, "utf8")));
  return pem === undefined ? undefined : parsePair(pem, pem, path);
}

/**
 * Reads the current certificate. Whether it is valid now is not checked.
 * @param user that it has to be for
 * @returns undefined: there is none
 * @throws {InputError} where it cannot be read, is another user's, torn, or not its key's
 */
export function readCurrentCertificate(certDir: string, user: string): Validity | undefined {
  const pair = readCurrentPair(certDir);
  return pair === undefined ? undefined : checkUser(pair, user, currentCertificatePath(certDir));
}

/**
 * Checks that a certificate is a key's and a user's.
 * @param certificate PEM, the first one counts @param key PEM
 * @param where names it in errors
 * @throws {InputError}
 */
export function checkPair(certificate: string, key: string, user: string, where: string): Validity {
  return checkUser(parsePair(certificate, key, where), user, where);
}

/** @throws {InputError} */
function parsePair(certificate: string, key: string, where: string): CertificatePair {
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule("node:crypto");
  const refusal = (message: string) => new InputError("content", `${where}: ${message}`);
  try {
    const parsed = new X509Certificate(certificate);
    if (!parsed.checkPrivateKey(createPrivateKey(key))) throw refusal("the certificate is not the key's");
    return {
      subject: parsed.subject.split("\n").sort().join(", "),
      from: Date.parse(parsed.validFrom),
      until: Date.parse(parsed.validTo),
    };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw refusal(`no certificate with its key (PEM): ${errorText(error)}`);
  }
}

/** @throws {InputError} */
function checkUser({ subject, from, until }: CertificatePair, user: string, where: string): Validity {
  if (subject === subjectOf(user)) return { from, until };
  throw new InputError("content", `${where}: the certificate is that of ${subject}, not of ${user}`);
}

/**
 * Makes a certificate and its key the current ones. Older files are removed, except for the last one: a process that has just read the link may
 * still open it.
 * @param certificate PEM @param key PEM
 * @param now milliseconds since the epoch
 * @throws {InputError}
 */
export function storeCertificate(certDir: string, certificate: string, key: string, now: number): void {
  const current = currentCertificatePath(certDir);
  const before = linkTarget(current);
  const name = `${prefix}-${new Date(now).toISOString().slice(0, 19).replace(/[T:]/g, "-")}.pem`;
  ioAction("make", certDir, () => makeDirectory(certDir, directoryMode));
  const pair = Buffer.from(`${certificate.trimEnd()}\n${key}`);
  writeFileAtomically(join(certDir, name), pair, join(certDir, `${prefix}-writing.tmp`));
  // client-go's name: it repairs a replacement of the link that was cut off here.
  const updated = join(certDir, `${prefix}-updated.pem`);
  ioAction("write", current, () => {
    removeFile(updated);
    // Relative: the directory may be mounted elsewhere for others.
    symlinkSync(name, updated);
    renameSync(updated, current);
    for (const old of readdirSync(certDir)) {
      if (isPairName(old) && old !== name && old !== before) removeFile(join(certDir, old));
    }
  });
}

/** Names in a directory that {@link storeCertificate} or client-go's store for Multus has made, what either left when it was killed too. @throws {Error} of node:fs */
export function certificateFilesIn(certDir: string): string[] {
  const others = ["current.pem", "updated.pem", "writing.tmp"].map((end) => `${prefix}-${end}`);
  return readdirSync(certDir).filter((name) => isPairName(name) || others.includes(name));
}

/** Name of the file that the link leads to; undefined where there is no link. */
function linkTarget(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
}

/** `multus-client-2026-11-23-20-11-12.pem` */
function isPairName(name: string): boolean {
  return name.startsWith(`${prefix}-`) && /^(-?\d+){6}\.pem$/.test(name.slice(prefix.length));
}
