/** Credentials are what files and programs say now. */

import { chmodSync, readFileSync, rmSync } from "node:fs";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { type CniError, cniErrorOf } from "../../../src/cni/errors.ts";
import type { Access, Credentials } from "../../../src/kube/access.ts";
import { inClusterCredentials, isInCluster, kubeconfigCredentials } from "../../../src/kube/credentials.ts";
import { FollowedFiles } from "../../../src/kube/followed-file.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { type CertificateFiles, Certificates } from "../../support/cluster/certificates.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

// Programs are started, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const certificateDirectory = new ScratchDirectory("certificates");
let authority: string;
let otherAuthority: string;
let client: CertificateFiles;
let otherClient: CertificateFiles;

beforeAll(async () => {
  const certificates = await Certificates.create(`${certificateDirectory.path}/one`);
  const others = await Certificates.create(`${certificateDirectory.path}/two`);
  authority = readFileSync(certificates.authority.certificate, "utf8");
  otherAuthority = readFileSync(others.authority.certificate, "utf8");
  client = await certificates.client("client", "node-1", "nodes");
  otherClient = await certificates.client("other", "node-1", "nodes");
}, 60_000);
afterAll(() => certificateDirectory[Symbol.dispose]());

/** Writes a kubeconfig whose one context is in use. @returns its path */
function writeKubeconfig(directory: ScratchDirectory, user: object, cluster: object = {}): string {
  return directory.write(
    "kubeconfig",
    stringify({
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:6443", ...cluster } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
}

/** A program that says what `script` (sh) prints, and counts its runs in the file `runs`. */
function writePlugin(directory: ScratchDirectory, script: string): string {
  const path = directory.write("login", `#!/bin/sh\necho run >> "$(dirname "$0")/runs"\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const runs = (directory: ScratchDirectory) =>
  readFileSync(`${directory.path}/runs`, "utf8").split("\n").length - 1;
const execOf = (command: string, more: object = {}) => ({
  exec: { apiVersion: "client.authentication.k8s.io/v1", command, ...more },
});
/** A line of sh that prints an ExecCredential. @param status JSON; sh expands what it names */
const printCredential = (status: string) =>
  `cat <<END\n{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}\nEND`;

async function refusalOf(credentials: Credentials): Promise<CniError> {
  const problem: unknown = await credentials.access().then(
    () => undefined,
    (error: unknown) => error,
  );
  const known = cniErrorOf(problem);
  if (known !== undefined) return known;
  throw new Error(`not refused: ${String(problem)}`);
}

const authorization = (access: Access) => access.headers.authorization;

describe("a kubeconfig's credentials", () => {
  it("stay the same object while nothing changes", async () => {
    using directory = new ScratchDirectory();
    const credentials = kubeconfigCredentials(writeKubeconfig(directory, { token: "abc" }), silentLogger);
    const access = await credentials.access();
    expect(access.headers).toEqual({ authorization: "Bearer abc" });
    expect(access.tls).toMatchObject({ rejectUnauthorized: true, servername: undefined });
    expect(await credentials.access()).toBe(access);
    expect(await credentials.renewed(access)).toBe(access);
  });

  it("are another token when the token's file changes, over the same TLS settings", async () => {
    using directory = new ScratchDirectory();
    const tokenFile = directory.write("token", "first\n");
    const credentials = kubeconfigCredentials(writeKubeconfig(directory, { tokenFile }), silentLogger);
    const access = await credentials.access();
    expect(authorization(access)).toBe("Bearer first");
    directory.write("token", "second");
    const changed = await credentials.access();
    expect(authorization(changed)).toBe("Bearer second");
    expect(changed.tls).toBe(access.tls);
  });

  it("use the token where its file is missing", async () => {
    using directory = new ScratchDirectory();
    const user = { token: "inline", tokenFile: "token" };
    const credentials = kubeconfigCredentials(writeKubeconfig(directory, user), silentLogger);
    expect(authorization(await credentials.access())).toBe("Bearer inline");
    directory.write("token", "filed");
    expect(authorization(await credentials.access())).toBe("Bearer filed");
  });

  it("follow a kubeconfig that is rewritten", async () => {
    using directory = new ScratchDirectory();
    const path = writeKubeconfig(directory, { token: "one" });
    const credentials = kubeconfigCredentials(path, silentLogger);
    const before = await credentials.access();
    writeKubeconfig(directory, { token: "two" }, { server: "https://127.0.0.2:443/prefix" });
    const after = await credentials.access();
    expect(authorization(after)).toBe("Bearer two");
    expect(after.server.href).toBe("https://127.0.0.2/prefix");
    expect(after).not.toBe(before);
  });

  it("go on with what was valid while the kubeconfig cannot be used, and say so once", async () => {
    using directory = new ScratchDirectory();
    const log = new RecordingLogger();
    const path = writeKubeconfig(directory, { token: "one" });
    const credentials = kubeconfigCredentials(path, log);
    const access = await credentials.access();
    directory.write("kubeconfig", "clusters: [");
    expect(await credentials.access()).toBe(access);
    expect(await credentials.access()).toBe(access);
    rmSync(path);
    expect(await credentials.access()).toBe(access);
    expect(log.errors).toEqual(Array(2).fill("credentials cannot be renewed; the old ones are used"));
    expect(log.causes[0]).toContain(`kubeconfig ${path}: not valid YAML`);
    writeKubeconfig(directory, { token: "two" });
    expect(authorization(await credentials.access())).toBe("Bearer two");
  });

  it("follow client certificates and authorities", async () => {
    using directory = new ScratchDirectory();
    directory.write("ca.crt", authority);
    directory.write("client.crt", readFileSync(client.certificate));
    directory.write("client.key", readFileSync(client.key));
    const path = writeKubeconfig(
      directory,
      { "client-certificate": "client.crt", "client-key": "client.key" },
      { "certificate-authority": "ca.crt" },
    );
    const credentials = kubeconfigCredentials(path, silentLogger);
    const first = await credentials.access();
    directory.write("ca.crt", otherAuthority);
    const second = await credentials.access();
    expect(second.tls).not.toBe(first.tls);
    directory.write("client.key", readFileSync(otherClient.key));
    // Half of the pair is new: the old pair stays.
    expect(await credentials.access()).toBe(second);
    directory.write("client.crt", readFileSync(otherClient.certificate));
    expect((await credentials.access()).tls).not.toBe(second.tls);
  });

  it("are a password, somebody to act as, a name for TLS, no check at all", async () => {
    using directory = new ScratchDirectory();
    const path = writeKubeconfig(
      directory,
      { username: "me", password: "a:b", as: "somebody" },
      { "tls-server-name": "api", "insecure-skip-tls-verify": true, "certificate-authority": "missing.crt" },
    );
    const { headers, tls } = await kubeconfigCredentials(path, silentLogger).access();
    expect(headers).toEqual({
      authorization: `Basic ${Buffer.from("me:a:b").toString("base64")}`,
      "impersonate-user": "somebody",
    });
    expect(tls).toMatchObject({ rejectUnauthorized: false, servername: "api" });
  });

  it("need no TLS for http", async () => {
    using directory = new ScratchDirectory();
    const path = writeKubeconfig(directory, {}, { server: "http://127.0.0.1:8080" });
    expect(await kubeconfigCredentials(path, silentLogger).access()).toMatchObject({
      tls: undefined,
      headers: {},
    });
  });

  const refusals: [string, () => [object, object], number, string][] = [
    ["kubeconfig", () => [{}, {}], 5, "cannot read"],
    [
      "certificate-authority that is missing",
      () => [{}, { "certificate-authority": "missing.crt" }],
      5,
      'clusters["c"].cluster.certificate-authority: cannot read',
    ],
    [
      "authority that is no certificate",
      () => [{}, { "certificate-authority-data": Buffer.from("hello").toString("base64") }],
      7,
      'clusters["c"].cluster.certificate-authority-data: no certificate (PEM)',
    ],
    [
      "certificate without its key",
      () => [{ "client-certificate": client.certificate }, {}],
      7,
      `users["u"].user.client-certificate (${"/"}`,
    ],
    [
      "key of another certificate",
      () => [{ "client-certificate": client.certificate, "client-key": otherClient.key }, {}],
      7,
      'users["u"].user.client-key',
    ],
    ["token with a line in it", () => [{ token: "a\nb" }, {}], 7, 'users["u"].user.token: no token'],
    [
      "token file that is missing",
      () => [{ tokenFile: "gone" }, {}],
      5,
      'users["u"].user.tokenFile: cannot read',
    ],
  ];
  it.each(refusals)("are refused: %s", async (name, parts, code, text) => {
    using directory = new ScratchDirectory();
    const [user, cluster] = parts();
    const path = writeKubeconfig(directory, user, cluster);
    if (name === "kubeconfig") rmSync(path);
    const refusal = await refusalOf(kubeconfigCredentials(path, silentLogger));
    expect(refusal.code).toBe(code);
    expect(refusal.message).toContain(text);
    expect(refusal.message).toContain(path);
  });
});

describe("a program's credentials", () => {
  it("are asked for once, with what it should know", async () => {
    using directory = new ScratchDirectory();
    const command = writePlugin(
      directory,
      `printf %s "$KUBERNETES_EXEC_INFO" > "$(dirname "$0")/info"\n${printCredential('{"token":"$PROFILE-$1"}')}`,
    );
    const path = writeKubeconfig(
      directory,
      execOf(command, { args: ["7"], env: [{ name: "PROFILE", value: "p" }], provideClusterInfo: true }),
      {
        "certificate-authority-data": Buffer.from(authority).toString("base64"),
        "tls-server-name": "api",
        "proxy-url": "http://proxy:3128",
      },
    );
    const credentials = kubeconfigCredentials(path, silentLogger);
    const accesses = await Promise.all([credentials.access(), credentials.access(), credentials.access()]);
    for (const access of accesses) expect(authorization(access)).toBe("Bearer p-7");
    await credentials.access();
    expect(runs(directory)).toBe(1);
    expect(JSON.parse(readFileSync(`${directory.path}/info`, "utf8"))).toEqual({
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      spec: {
        interactive: false,
        cluster: {
          server: "https://127.0.0.1:6443/",
          "proxy-url": "http://proxy:3128/",
          "tls-server-name": "api",
          "certificate-authority-data": Buffer.from(authority).toString("base64"),
        },
      },
    });
  });

  it("are made anew when they have expired, by one run for all who ask", async () => {
    using directory = new ScratchDirectory();
    const expired = printCredential('{"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"}');
    const path = writeKubeconfig(directory, execOf(writePlugin(directory, expired)));
    const credentials = kubeconfigCredentials(path, silentLogger);
    await credentials.access();
    expect(runs(directory)).toBe(1);
    await credentials.access();
    expect(runs(directory)).toBe(2);
    const lasting = printCredential('{"token":"u","expirationTimestamp":"2999-01-01T00:00:00Z"}');
    writePlugin(directory, lasting);
    const accesses = await Promise.all([credentials.access(), credentials.access(), credentials.access()]);
    for (const access of accesses) expect(authorization(access)).toBe("Bearer u");
    expect(runs(directory)).toBe(3);
  });

  it("are made anew after a refusal, once for all who met it", async () => {
    using directory = new ScratchDirectory();
    const command = writePlugin(
      directory,
      `n=$(wc -l < "$(dirname "$0")/runs"); ${printCredential('{"token":"t$n"}')}`,
    );
    const credentials = kubeconfigCredentials(writeKubeconfig(directory, execOf(command)), silentLogger);
    const refused = await credentials.access();
    expect(authorization(refused)).toBe("Bearer t1");
    const renewed = await Promise.all([credentials.renewed(refused), credentials.renewed(refused)]);
    for (const access of renewed) expect(authorization(access)).toBe("Bearer t2");
    expect(authorization(await credentials.renewed(refused))).toBe("Bearer t2");
    expect(runs(directory)).toBe(2);
  });

  it("may be a client certificate", async () => {
    using directory = new ScratchDirectory();
    const pem = (file: string) => JSON.stringify(readFileSync(file, "utf8")).replaceAll("\\n", "\\\\n");
    const status = `{"clientCertificateData":${pem(client.certificate)},"clientKeyData":${pem(client.key)}}`;
    const path = writeKubeconfig(directory, execOf(writePlugin(directory, printCredential(status))));
    const access = await kubeconfigCredentials(path, silentLogger).access();
    expect(access.headers).toEqual({});
    expect(access.tls?.secureContext).toBeDefined();
  });

  it.each([
    ["a failure with its stderr", "echo no ticket >&2; exit 3", "exit code 3: no ticket"],
    ["what is not JSON", "echo hello", "its output is not JSON"],
    ["an end by a signal", "kill -SEGV $$", "ended by SIGSEGV"],
    ["another kind of object", `echo '{"kind":"Pod"}'`, "its output is no ExecCredential of"],
    ["no credential", printCredential("{}"), "status has neither token nor clientCertificateData"],
    ["half a pair", printCredential('{"clientKeyData":"a"}'), "but not both"],
    ["a token of another type", printCredential('{"token":5}'), "status.token must be a text"],
    [
      "an expiry that is no time",
      printCredential('{"token":"a","expirationTimestamp":"soon"}'),
      "status.expirationTimestamp must be a time",
    ],
    ["a token that is none", printCredential('{"token":"a b"}'), "no token"],
  ])("are refused: %s", async (_case, script, text) => {
    using directory = new ScratchDirectory();
    const path = writeKubeconfig(directory, execOf(writePlugin(directory, script)));
    const refusal = await refusalOf(kubeconfigCredentials(path, silentLogger));
    expect(refusal.code).toBe(7);
    expect(refusal.message).toContain(`kubeconfig ${path}: users["u"].user.exec: `);
    expect(refusal.message).toContain(text);
  });

  it.each([
    ["its output", "printf %s s3cr3t"],
    ["its arguments", "kill -KILL $$"],
  ])("are in no error: %s", async (_case, script) => {
    using directory = new ScratchDirectory();
    const user = execOf(writePlugin(directory, script), { args: ["--password", "s3cr3t"] });
    const refusal = await refusalOf(kubeconfigCredentials(writeKubeconfig(directory, user), silentLogger));
    expect(refusal.message).not.toContain("s3cr3t");
  });

  it("are refused where the program cannot be told so much", async () => {
    using directory = new ScratchDirectory();
    const user = execOf(writePlugin(directory, printCredential('{"token":"t"}')), {
      args: ["x".repeat(200_000)],
    });
    const refusal = await refusalOf(kubeconfigCredentials(writeKubeconfig(directory, user), silentLogger));
    expect(refusal.code).toBe(7);
    expect(refusal.message).toContain("spawn E2BIG");
  });

  it("that is missing gives its hint", async () => {
    using directory = new ScratchDirectory();
    const user = execOf("./no-such-login", { installHint: "See the manual." });
    const refusal = await refusalOf(kubeconfigCredentials(writeKubeconfig(directory, user), silentLogger));
    expect(refusal.message).toContain("there is no such program. See the manual.");
  });
});

describe("a service account's credentials", () => {
  const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

  it("are its token, for the service's address", async () => {
    using directory = new ScratchDirectory();
    directory.write("token", "sa-token");
    directory.write("ca.crt", authority);
    const credentials = inClusterCredentials(silentLogger, env, directory.path);
    const access = await credentials.access();
    expect(access.server.href).toBe("https://10.96.0.1/");
    expect(authorization(access)).toBe("Bearer sa-token");
    expect(access.tls?.rejectUnauthorized).toBe(true);
    directory.write("token", "rotated");
    const rotated = await credentials.access();
    expect(authorization(rotated)).toBe("Bearer rotated");
    expect(rotated.tls).toBe(access.tls);
  });

  it("may be for an IPv6 address, and another port", async () => {
    using directory = new ScratchDirectory();
    directory.write("token", "t");
    directory.write("ca.crt", authority);
    const ipv6 = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
    const { server } = await inClusterCredentials(silentLogger, ipv6, directory.path).access();
    expect(server.href).toBe("https://[fd00::1]:6443/");
  });

  it("are read again after a refusal, whatever the file's state looks like", async () => {
    using directory = new ScratchDirectory();
    const token = directory.write("token", "aaa");
    directory.write("ca.crt", authority);
    const credentials = inClusterCredentials(silentLogger, env, directory.path);
    const refused = await credentials.access();
    directory.write("token", "bbb");
    await utimes(token, 1, 1);
    expect(authorization(await credentials.renewed(refused))).toBe("Bearer bbb");
  });

  it("are refused where there are none", async () => {
    using directory = new ScratchDirectory();
    directory.write("ca.crt", authority);
    const missing = await refusalOf(inClusterCredentials(silentLogger, env, directory.path));
    expect(missing.message).toContain(`${directory.path}/token`);
    directory.write("token", "");
    const empty = await refusalOf(inClusterCredentials(silentLogger, env, directory.path));
    expect(empty.message).toContain(`${directory.path}/token: no token`);
    const nowhere = await refusalOf(inClusterCredentials(silentLogger, {}, directory.path));
    expect(nowhere.message).toContain("KUBERNETES_SERVICE_HOST");
  });

  it("are not there outside of a pod", () => {
    expect(isInCluster({})).toBe(false);
    expect(isInCluster({ KUBERNETES_SERVICE_HOST: "10.96.0.1" })).toBe(false);
  });
});

describe("a followed file", () => {
  it("is read again when its state changes, and after a minute even if it does not", () => {
    using directory = new ScratchDirectory();
    const path = directory.write("token", "aaa");
    let now = 0;
    let identity = "one";
    const files = new FollowedFiles({ now: () => now, stateOf: () => ({ path, identity }) });
    expect(files.read(path)).toBe("aaa");
    directory.write("token", "bbb");
    expect(files.read(path)).toBe("aaa");
    identity = "two";
    expect(files.read(path)).toBe("bbb");
    directory.write("token", "ccc");
    now = 59_000;
    expect(files.read(path)).toBe("bbb");
    now = 60_000;
    expect(files.read(path)).toBe("ccc");
    directory.write("token", "ddd");
    files.forget();
    expect(files.read(path)).toBe("ddd");
    // It may be changing just now.
    identity = "";
    files.read(path);
    directory.write("token", "eee");
    expect(files.read(path)).toBe("eee");
  });

  it("is read again after a read that failed, although its state is the same", () => {
    using directory = new ScratchDirectory();
    const path = join(directory.path, "token");
    const files = new FollowedFiles({ now: () => 0, stateOf: () => ({ path, identity: "one" }) });
    expect(() => files.read(path)).toThrow(`cannot read ${path}`);
    directory.write("token", "aaa");
    expect(files.read(path)).toBe("aaa");
  });

  it("is not opened where it is no file", () => {
    using directory = new ScratchDirectory();
    expect(() => new FollowedFiles().read(directory.path)).toThrow(`cannot read ${directory.path}`);
  });
});
