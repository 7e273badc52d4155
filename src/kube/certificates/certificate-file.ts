/**
 * A node's certificate and its key on disk, as client-go's certificate store has them: one PEM file for both, named after the moment, and a symbolic
 * link to the one that counts. Go multus uses what we left there, and we what it left.
 */

import { readdirSync, readFileSync, readlinkSync, renameSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { makeDirectory, removeFile, writeFileAtomically } from "../../cni/atomic-file.ts";
import { CniError, CniErrorCode, ioFailure, isMissingFile } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import { multusGroup } from "./identity.ts";

const prefix = "multus-client";
const directoryMode = 0o700;

/** When a certificate counts, in milliseconds since the epoch. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/** Path of the link: certificate and key. */
export function currentCertificatePath(certDir: string): string {
  return join(certDir, `${prefix}-current.pem`);
}

/**
 * Reads the current certificate. Whether it is valid now is not looked at.
 * @param user that it has to be for
 * @returns undefined: there is none
 * @throws {CniError} 5 where it cannot be read, 7 where it is another's, torn, or not its key's
 */
export function readCurrentCertificate(certDir: string, user: string): Validity | undefined {
  const path = currentCertificatePath(certDir);
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw ioFailure("read", path, error);
  }
  return checkPair(pem, pem, user, path);
}

/**
 * Checks that a certificate is a key's and a user's.
 * @param certificate PEM, the first one counts @param key PEM @param where names it in errors
 * @throws {CniError} 7
 */
export function checkPair(certificate: string, key: string, user: string, where: string): Validity {
  const refuse = (message: string) => new CniError(CniErrorCode.invalidNetworkConfig, `${where}: ${message}`);
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule("node:crypto");
  let parsed: InstanceType<typeof X509Certificate>;
  let belongs: boolean;
  try {
    parsed = new X509Certificate(certificate);
    belongs = parsed.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw refuse(`no certificate with its key (PEM): ${errorText(error)}`);
  }
  if (!belongs) throw refuse("the certificate is not the key's");
  const names = parsed.subject.split("\n").sort();
  if (names.join("\n") !== `CN=${user}\nO=${multusGroup}`) {
    throw refuse(`the certificate is that of ${names.join(", ")}, not of ${user}`);
  }
  return { from: Date.parse(parsed.validFrom), until: Date.parse(parsed.validTo) };
}

/**
 * Makes a certificate and its key the current ones. The files of those before are removed, but for the last: whoever has just read the link may
 * still open it.
 * @param certificate PEM @param key PEM
 * @param now milliseconds since the epoch
 * @throws {CniError} 5
 */
export function storeCertificate(certDir: string, certificate: string, key: string, now: number): void {
  const current = currentCertificatePath(certDir);
  const before = linkTarget(current);
  const name = `${prefix}-${new Date(now).toISOString().slice(0, 19).replace(/[T:]/g, "-")}.pem`;
  try {
    makeDirectory(certDir, directoryMode);
  } catch (error) {
    throw ioFailure("make", certDir, error);
  }
  const pair = Buffer.from(`${certificate.trimEnd()}\n${key}`);
  writeFileAtomically(join(certDir, name), pair, join(certDir, `${prefix}-writing.tmp`));
  // client-go's name for it: what it finds of a link that was cut off here, it puts right.
  const updated = join(certDir, `${prefix}-updated.pem`);
  try {
    removeFile(updated);
    // Relative: the directory may be mounted elsewhere for others.
    symlinkSync(name, updated);
    renameSync(updated, current);
    for (const old of readdirSync(certDir)) {
      if (isPairName(old) && old !== name && old !== before) removeFile(join(certDir, old));
    }
  } catch (error) {
    throw ioFailure("write", current, error);
  }
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
