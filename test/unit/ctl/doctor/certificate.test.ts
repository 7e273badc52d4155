/** Findings of doctor about the certificate of a node's daemon. */

import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  certDirOf,
  checkCertificate as lookCheckCertificate,
} from "../../../../src/ctl/doctor/certificate.ts";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { kubeconfigText } from "../../../../src/ctl/install/kubeconfig-text.ts";
import {
  currentCertificatePath,
  storeCertificate,
} from "../../../../src/kube/certificates/certificate-file.ts";
import { certificateAndKey } from "../../../support/certificate-signer.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

/** As doctor reports it. */
const checkCertificate = (...args: Parameters<typeof lookCheckCertificate>) =>
  lookCheckCertificate(...args).map(findingJson);

const hour = 3_600_000;
const from = Date.UTC(2026, 10, 23, 20, 0, 0);
const until = from + 10 * hour;
const good = certificateAndKey("system:multus:node-1", from, until);

function findings(now: number, content = good, nodeName = "node-1") {
  using directory = new ScratchDirectory();
  storeCertificate(directory.path, content.certificate, content.key, from);
  const path = currentCertificatePath(directory.path);
  return checkCertificate(directory.path, nodeName, now).map(({ verdict, finding, remedy }) => ({
    verdict,
    finding: finding.replaceAll(path, "CURRENT"),
    remedy: remedy.replaceAll(path, "CURRENT"),
  }));
}

describe("a node's certificate", () => {
  it.each<[string, number, string, string, RegExp]>([
    ["is good", 1, "pass", "good for 9 h 0 min", /^$/],
    ["is about to be renewed", 8, "pass", "good for 2 h 0 min", /^$/],
    [
      "has not been renewed",
      9,
      "warn",
      "CURRENT was to be renewed by 2026-11-24T04:00:00.000Z, and ends at 2026-11-24T06:00:00.000Z",
      /kubectl get csr/,
    ],
    ["has ended", 10, "fail", "CURRENT ended at 2026-11-24T06:00:00.000Z", /approve-certs/],
    [
      "has not begun: the clock is wrong",
      -0.01,
      "fail",
      "CURRENT is good from 2026-11-23T20:00:00.000Z on, and this machine's clock says 2026-11-23T19:59:24.000Z",
      /set the clock/,
    ],
  ])("that %s", (_, hours, verdict, finding, remedy) => {
    const expected = { finding: expect.stringContaining(finding), remedy: expect.stringMatching(remedy) };
    expect(findings(from + hours * hour)).toEqual([{ verdict, ...expected }]);
  });

  it("of another node fails, where this one's name is known", () => {
    expect(findings(from, good, "node-2")).toEqual([
      {
        verdict: "fail",
        finding: "CURRENT is that of CN=system:multus:node-1, O=system:multus, and this node is node-2",
        remedy: "remove CURRENT and restart the daemon: it requests another one",
      },
    ]);
    expect(findings(from, good, "")).toMatchObject([{ verdict: "pass" }]);
  });

  it.each([
    [
      "with another's key",
      { certificate: good.certificate, key: certificateAndKey("x", from, until).key },
      /not the key's/,
    ],
    [
      "that is torn",
      { certificate: good.certificate.slice(0, 99), key: good.key },
      /no certificate with its key/,
    ],
  ])("%s fails", (_, content, finding) => {
    expect(findings(from, content)).toEqual([
      {
        verdict: "fail",
        finding: expect.stringMatching(finding),
        remedy: expect.stringContaining("remove CURRENT"),
      },
    ]);
  });

  it("that others can read is named", () => {
    using directory = new ScratchDirectory();
    storeCertificate(directory.path, good.certificate, good.key, from);
    const path = currentCertificatePath(directory.path);
    chmodSync(path, 0o640);
    expect(checkCertificate(directory.path, "node-1", from)).toMatchObject([
      { verdict: "warn", remedy: `chmod 0600 ${path}` },
    ]);
  });

  it("that is not there is named where its directory is, and of no concern where that is not", () => {
    using directory = new ScratchDirectory();
    const certDir = join(directory.path, "certs");
    expect(checkCertificate(certDir, "node-1", from)).toEqual([]);
    mkdirSync(certDir);
    symlinkSync("gone.pem", currentCertificatePath(certDir));
    expect(checkCertificate(certDir, "node-1", from)).toMatchObject([
      {
        check: "daemon/certificate",
        verdict: "warn",
        finding: expect.stringContaining("has no certificate"),
      },
    ]);
  });

  it("that cannot be read is skipped", () => {
    using directory = new ScratchDirectory();
    mkdirSync(currentCertificatePath(directory.path));
    expect(checkCertificate(directory.path, "node-1", from)).toMatchObject([{ verdict: "skip" }]);
  });
});

describe("the certificate's directory", () => {
  const kubeconfig = (user: Readonly<Record<string, string>>) =>
    kubeconfigText({
      about: "",
      server: new URL("https://127.0.0.1"),
      certificateAuthority: undefined,
      user,
    });

  it.each([
    [
      "where a kubeconfig has it",
      kubeconfig({ "client-certificate": "/var/lib/m/multus-client-current.pem" }),
    ],
    [
      "as JSON too",
      JSON.stringify(
        { user: { "client-certificate": "/var/lib/m/multus-client-current.pem" } },
        undefined,
        2,
      ),
    ],
  ])("is %s", (_, text) => {
    using directory = new ScratchDirectory();
    expect(certDirOf(directory.write("kubeconfig", text))).toBe("/var/lib/m");
  });

  it("is none where that has another, a token, or is not there", () => {
    using directory = new ScratchDirectory();
    for (const user of [{ "client-certificate": "/etc/kubernetes/admin.pem" }, { token: "t" }]) {
      expect(certDirOf(directory.write("kubeconfig", kubeconfig(user)))).toBeUndefined();
    }
    expect(certDirOf("/nowhere/kubeconfig")).toBeUndefined();
  });
});
