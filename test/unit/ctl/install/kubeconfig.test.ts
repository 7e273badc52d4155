/** The kubeconfig from a pod's service account: what is in it, and that it follows what changes. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UserError } from "../../../../src/ctl/command/user-error.ts";
import { KeptKubeconfig } from "../../../../src/ctl/install/kept-kubeconfig.ts";
import { isOurKubeconfig } from "../../../../src/ctl/install/kubeconfig-text.ts";
import { serviceAccountKubeconfig } from "../../../../src/ctl/install/service-account-kubeconfig.ts";
import { parseKubeconfig } from "../../../../src/kube/kubeconfig.ts";
import { ServiceAccountFiles } from "../../../support/cluster/service-account-files.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";
import { until } from "../../../support/until.ts";

const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "6443" };

/** Nobody connects with it. */
const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

let scratch: ScratchDirectory;
let account: ServiceAccountFiles;
beforeEach(() => {
  scratch = new ScratchDirectory("kubeconfig");
  const authority = scratch.write("authority", certificate);
  account = new ServiceAccountFiles(
    join(scratch.path, "serviceaccount"),
    authority,
    "kube-system",
    "token-1",
  );
});
afterEach(() => scratch[Symbol.dispose]());

const made = (further: NodeJS.ProcessEnv = env, skipTlsVerify = false) =>
  serviceAccountKubeconfig({ directory: account.directory, env: further, skipTlsVerify });
const parsed = async (text: string) => parseKubeconfig(Buffer.from(text), "kubeconfig");

describe("serviceAccountKubeconfig", () => {
  it("has server, token and certificate in it", async () => {
    const config = await parsed(made());
    expect(config.server.href).toBe("https://10.96.0.1:6443/");
    expect(config.token?.text).toBe("token-1");
    expect(config.certificateAuthority?.text).toBe(certificate);
    expect(config.insecureSkipTlsVerify).toBe(false);
    expect(isOurKubeconfig(made())).toBe(true);
  });

  it("puts an IPv6 address in brackets", async () => {
    const config = await parsed(made({ ...env, KUBERNETES_SERVICE_HOST: "fd00::1" }));
    expect(config.server.href).toBe("https://[fd00::1]:6443/");
  });

  it("takes KUBERNETES_SERVICE_PROTOCOL", async () => {
    const config = await parsed(made({ ...env, KUBERNETES_SERVICE_PROTOCOL: "http" }));
    expect(config.server.href).toBe("http://10.96.0.1:6443/");
  });

  it("needs no certificate where none is looked at", async () => {
    rmSync(join(account.directory, "ca.crt"));
    const config = await parsed(made(env, true));
    expect(config.insecureSkipTlsVerify).toBe(true);
    expect(config.certificateAuthority).toBeUndefined();
  });

  it.each([
    ["no pod", () => ({}), /KUBERNETES_SERVICE_HOST/],
    ["another protocol", () => ({ ...env, KUBERNETES_SERVICE_PROTOCOL: "ftp" }), /"ftp"/],
    [
      "no token",
      () => {
        rmSync(join(account.directory, "token"));
        return env;
      },
      /token cannot be read/,
    ],
    [
      "an empty token",
      () => {
        account.rotate("\n");
        return env;
      },
      /token is empty/,
    ],
  ])("says so where there is %s", (_, prepare, message) => {
    const given = prepare();
    expect(() => made(given)).toThrow(UserError);
    expect(() => made(given)).toThrow(message);
  });
});

describe("KeptKubeconfig", () => {
  let path: string;
  let log: RecordingLogger;
  let kept: KeptKubeconfig;
  beforeEach(() => {
    path = join(scratch.path, "multus.d", "multus.kubeconfig");
    log = new RecordingLogger();
    kept = new KeptKubeconfig({ path, sourceDirectory: account.directory, text: () => made(), log });
  });
  afterEach(() => kept.stop());

  const untilSo = (condition: () => boolean) =>
    until(() => `the file is ${existsSync(path) && readFileSync(path, "utf8")}`, condition);
  const has = (token: string) =>
    existsSync(path) && readFileSync(path, "utf8") === made() && readFileSync(path, "utf8").includes(token);

  it("is for its owner alone, whatever a crash left", () => {
    mkdirSync(join(scratch.path, "multus.d"));
    writeFileSync(`${path}.new`, "half", { mode: 0o644 });
    kept.write();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toBe(made());
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  it("is not written again where it is as it has to be", () => {
    kept.write();
    const { ino, mtimeMs } = statSync(path);
    kept.write();
    expect(statSync(path)).toMatchObject({ ino, mtimeMs });
    chmodSync(path, 0o644);
    kept.write();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("follows the token each time that the kubelet replaces it, and is never a part of a file", async () => {
    kept.write();
    kept.follow();
    const seen = new Set<string>();
    for (const token of ["token-2", "token-3", "token-4"]) {
      const before = statSync(path).ino;
      account.rotate(token);
      await untilSo(() => {
        seen.add(readFileSync(path, "utf8").replaceAll(/token-\d/g, "TOKEN"));
        return has(token);
      });
      // Renamed, not written to: who has it open goes on with what it had.
      expect(statSync(path).ino).not.toBe(before);
    }
    expect(seen.size).toBe(1);
  });

  it("goes on with what it has while there is no token, says so once, and takes the next one", async () => {
    kept.write();
    const before = readFileSync(path, "utf8");
    const token = join(account.directory, "token");
    renameSync(token, join(scratch.path, "gone"));
    kept.follow();
    kept.follow();
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(log.errors).toEqual(["kubeconfig cannot be brought up to date"]);
    symlinkSync("..data/token", token);
    account.rotate("token-9");
    await untilSo(() => has("token-9"));
  });

  it("says where it cannot be written", () => {
    writeFileSync(join(scratch.path, "multus.d"), "");
    expect(() => kept.write()).toThrow(UserError);
    expect(() => kept.write()).toThrow(path);
  });
});
