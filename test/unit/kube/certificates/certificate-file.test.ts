/** Certificate and key on disk have client-go's layout, and nothing else is left there. */

import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  currentCertificatePath,
  readCurrentCertificate,
  storeCertificate,
} from "../../../../src/kube/certificates/certificate-file.ts";
import { certificateAndKey } from "../../../support/certificate-signer.ts";
import { cniRefusal } from "../../../support/refusal.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const user = "system:multus:node-1";
const from = Date.UTC(2026, 10, 23, 20, 0, 0);
const until = from + 600_000;

const pair = (commonName = user) => certificateAndKey(commonName, from, until);

describe("a stored certificate", () => {
  it("is one file with its key, for its owner only, behind a link", () => {
    using directory = new ScratchDirectory();
    const certDir = join(directory.path, "certs");
    const { certificate, key } = pair();
    storeCertificate(certDir, certificate, key, Date.UTC(2026, 10, 23, 20, 11, 12));
    const name = "multus-client-2026-11-23-20-11-12.pem";
    expect(readdirSync(certDir).sort()).toEqual([name, "multus-client-current.pem"]);
    expect(readlinkSync(currentCertificatePath(certDir))).toBe(name);
    expect(statSync(join(certDir, name)).mode & 0o777).toBe(0o600);
    expect(statSync(certDir).mode & 0o777).toBe(0o700);
    expect(readFileSync(currentCertificatePath(certDir), "utf8")).toBe(certificate + key);
    expect(readCurrentCertificate(certDir, user)).toEqual({ from, until });
  });

  it("takes the place of the one before, and of the link that Go multus has left", () => {
    using directory = new ScratchDirectory();
    const first = pair();
    const go = directory.write("multus-client-2026-11-23-19-00-00.pem", first.certificate + first.key);
    directory.write("multus-client-2026-11-23-18-00-00.pem", "older");
    directory.write("multus-client-notes.pem", "not of this");
    symlinkSync(go, currentCertificatePath(directory.path));
    expect(readCurrentCertificate(directory.path, user)).toEqual({ from, until });
    for (const second of [1, 2, 3]) {
      const next = pair();
      storeCertificate(directory.path, next.certificate, next.key, Date.UTC(2026, 10, 23, 20, 0, second));
    }
    expect(readdirSync(directory.path).sort()).toEqual([
      "multus-client-2026-11-23-20-00-02.pem",
      "multus-client-2026-11-23-20-00-03.pem",
      "multus-client-current.pem",
      "multus-client-notes.pem",
    ]);
    expect(lstatSync(currentCertificatePath(directory.path)).isSymbolicLink()).toBe(true);
  });

  it("is none where there is no file, or a link to nothing", () => {
    using directory = new ScratchDirectory();
    expect(readCurrentCertificate(directory.path, user)).toBeUndefined();
    symlinkSync("gone.pem", currentCertificatePath(directory.path));
    expect(readCurrentCertificate(directory.path, user)).toBeUndefined();
  });

  it.each<[string, () => string, RegExp]>([
    ["torn", () => pair().certificate.slice(0, 100), /no certificate with its key/],
    ["without its key", () => pair().certificate, /no certificate with its key/],
    ["with another key", () => pair().certificate + pair().key, /not the key's/],
    [
      "another node's",
      () => Object.values(pair("system:multus:node-2")).join(""),
      /that of CN=system:multus:node-2, O=system:multus, not of system:multus:node-1/,
    ],
  ])("that is %s is refused by name", (_, content, message) => {
    using directory = new ScratchDirectory();
    directory.write("multus-client-current.pem", content());
    const error = cniRefusal(() => readCurrentCertificate(directory.path, user));
    expect(error.message).toContain(currentCertificatePath(directory.path));
    expect(error.message).toMatch(message);
  });
});
