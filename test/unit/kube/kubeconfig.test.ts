/** The reader of kubeconfigs, and how it refuses one that cannot be used. */

import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { type CniError, cniErrorOf } from "../../../src/cni/errors.ts";
import { type Kubeconfig, parseKubeconfig } from "../../../src/kube/kubeconfig.ts";

const path = "/etc/kube/config";

interface Fields {
  readonly cluster?: object;
  readonly user?: object;
  readonly context?: object;
  readonly top?: object;
}

function kubeconfig({ cluster, user, context, top }: Fields = {}): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "other", cluster: {} },
      { name: "prod", cluster: { server: "https://10.0.0.1:6443", ...cluster } },
    ],
    users: [{ name: "admin", user: { ...user } }],
    contexts: [
      { name: "elsewhere" },
      { name: "admin@prod", context: { cluster: "prod", user: "admin", ...context } },
    ],
    "current-context": "admin@prod",
    ...top,
  });
}

const parse = (text: string | Uint8Array, context?: string): Promise<Kubeconfig> =>
  parseKubeconfig(Buffer.from(text), path, context);
const base64 = (text: string) => Buffer.from(text).toString("base64");

async function refusalOf(text: string | Uint8Array, context?: string): Promise<CniError> {
  const error = await parse(text, context).then(
    () => undefined,
    (problem: unknown) => problem,
  );
  const known = cniErrorOf(error);
  if (known !== undefined) return known;
  throw new Error(`not refused: ${String(error)}`);
}

describe("a kubeconfig", () => {
  it("has server, token and namespace of its current context", async () => {
    const config = await parse(kubeconfig({ user: { token: "abc" }, context: { namespace: "kube-system" } }));
    expect(config.server.href).toBe("https://10.0.0.1:6443/");
    expect(config.token).toEqual({
      text: "abc",
      where: `kubeconfig ${path}: users["admin"].user.token`,
    });
    expect(config.namespace).toBe("kube-system");
    expect(config.insecureSkipTlsVerify).toBe(false);
    expect(config).toMatchObject({ clientCertificate: undefined, clientKey: undefined, exec: undefined });
  });

  it.each([
    ["https://[198.51.100.1]:443", "https://198.51.100.1/"],
    ["https://[api.example]:6443", "https://api.example:6443/"],
    ["http://[API_1.example]:8080/k8s", "http://api_1.example:8080/k8s"],
    ["https://[fd00::1]:6443", "https://[fd00::1]:6443/"],
    ["https://[::ffff:10.0.0.1]:6443", "https://[::ffff:a00:1]:6443/"],
  ])("names a server with brackets around any host, as Go multus writes it: %s", async (server, href) => {
    expect((await parse(kubeconfig({ cluster: { server } }))).server.href).toBe(href);
  });

  it.each([
    "https://[]:443",
    "https://[a/b]:443",
    "https://[a@b]:443",
    "https://[a?]:443",
    "https://[a]b:443",
    "https://x[10.0.0.1]:443",
    "https://[10.0.0.1",
  ])("is refused where brackets hold anything else: %s", async (server) => {
    expect((await refusalOf(kubeconfig({ cluster: { server } }))).message).toContain(
      'clusters["prod"].cluster.server must be a URL: https://host:port',
    );
  });

  it("has those of another context that is named, whatever is wrong with the current one", async () => {
    const text = kubeconfig({ user: { token: "abc" }, top: { "current-context": "elsewhere" } });
    expect((await parse(text, "admin@prod")).token?.text).toBe("abc");
    const { message } = await refusalOf(text, "test");
    expect(message).toContain('contexts["test"].context is missing, or names no cluster');
  });

  it("may be JSON, and have no user", async () => {
    const json = JSON.stringify({
      clusters: [{ name: "c", cluster: { server: "http://[::1]:8080/" } }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
      "current-context": "x",
    });
    const config = await parse(json);
    expect(config.server.host).toBe("[::1]:8080");
    expect(config.namespace).toBe("default");
    expect(config.token).toBeUndefined();
  });

  it("names files relative to itself", async () => {
    const config = await parse(
      kubeconfig({
        cluster: { "certificate-authority": "pki/ca.crt" },
        user: { "client-certificate": "/var/lib/node.pem", "client-key": "node.key", tokenFile: "token" },
      }),
    );
    expect(config.certificateAuthority?.file).toBe("/etc/kube/pki/ca.crt");
    expect(config.clientCertificate?.file).toBe("/var/lib/node.pem");
    expect(config.clientKey?.file).toBe("/etc/kube/node.key");
    expect(config.token).toEqual({
      file: "/etc/kube/token",
      where: `kubeconfig ${path}: users["admin"].user.tokenFile`,
    });
  });

  it("has data inline, which goes before files", async () => {
    const config = await parse(
      kubeconfig({
        cluster: { "certificate-authority": "ca.crt", "certificate-authority-data": base64("CA") },
        user: { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") },
      }),
    );
    expect(config.certificateAuthority).toEqual({
      text: "CA",
      where: `kubeconfig ${path}: clusters["prod"].cluster.certificate-authority-data`,
    });
    expect(config.clientCertificate?.text).toBe("CERT");
    expect(config.clientKey?.text).toBe("KEY");
  });

  it("has token and tokenFile both, names for TLS, a password, somebody to act as", async () => {
    const config = await parse(
      kubeconfig({
        cluster: { "tls-server-name": "api", "insecure-skip-tls-verify": true },
        user: { token: "old", tokenFile: "/t", username: "me", password: "secret", as: "somebody" },
      }),
    );
    expect(config.token).toMatchObject({ text: "old", file: "/t" });
    expect(config.tlsServerName).toBe("api");
    expect(config.insecureSkipTlsVerify).toBe(true);
    expect(config.basic).toEqual({ username: "me", password: "secret" });
    expect(config.impersonate).toBe("somebody");
  });

  it("has a program with arguments, environment and a hint", async () => {
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "bin/login",
      args: ["--cluster", "prod"],
      env: [{ name: "PROFILE", value: "a=b" }, { name: "EMPTY" }],
      installHint: "Install it.",
      provideClusterInfo: true,
      interactiveMode: "Never",
    };
    expect((await parse(kubeconfig({ user: { exec } }))).exec).toEqual({
      apiVersion: exec.apiVersion,
      command: "/etc/kube/bin/login",
      args: ["--cluster", "prod"],
      env: { PROFILE: "a=b", EMPTY: "" },
      installHint: "Install it.",
      wantsCluster: true,
      where: `kubeconfig ${path}: users["admin"].user.exec`,
    });
    const inPath = { apiVersion: "client.authentication.k8s.io/v1beta1", command: "aws" };
    expect((await parse(kubeconfig({ user: { exec: inPath } }))).exec).toMatchObject({
      command: "aws",
      args: [],
      env: {},
      wantsCluster: false,
    });
  });
});

describe("a kubeconfig is refused", () => {
  it("where it is not YAML, with the place", async () => {
    const { code, message, problems } = await refusalOf("clusters:\n  - name: a\n bad: [\n");
    expect(code).toBe(7);
    expect(message).toMatch(/^kubeconfig \/etc\/kube\/config: not valid YAML: .+ \(line 3, column \d+\)$/);
    expect(problems).toEqual([expect.objectContaining({ line: 3 })]);
  });

  it.each([
    ["no object", "- a\n", "current-context is missing (line 1, column 1)"],
    ["empty", "", "must be an object"],
    ["not UTF-8", Buffer.from([0x61, 0xff]), "not UTF-8"],
    ["too long", Buffer.alloc((1 << 20) + 1, 0x20), "more than 1048576 bytes"],
    ["current-context missing", kubeconfig({ top: { "current-context": "" } }), "current-context is missing"],
    [
      "current-context a number",
      kubeconfig({ top: { "current-context": 5 } }),
      "current-context must be a text",
    ],
    [
      "context missing",
      kubeconfig({ top: { "current-context": "x" } }),
      'contexts["x"].context is missing, or names no cluster',
    ],
    [
      "context without a cluster",
      kubeconfig({ top: { "current-context": "elsewhere" } }),
      'contexts["elsewhere"].context is missing, or names no cluster',
    ],
    [
      "cluster missing",
      kubeconfig({ context: { cluster: "dev" } }),
      'clusters["dev"].cluster is missing, or has no server',
    ],
    [
      "cluster without a server",
      kubeconfig({ context: { cluster: "other" } }),
      'clusters["other"].cluster is missing, or has no server',
    ],
    ["user missing", kubeconfig({ context: { user: "bob" } }), 'users["bob"].user is missing'],
    [
      "server no URL",
      kubeconfig({ cluster: { server: "10.0.0.1" } }),
      'clusters["prod"].cluster.server must be a URL: https://host:port',
    ],
    [
      "server of another protocol",
      kubeconfig({ cluster: { server: "unix:/run/api" } }),
      'clusters["prod"].cluster.server must be a URL: https://host:port',
    ],
    [
      "a proxy",
      kubeconfig({ cluster: { "proxy-url": "ftp://us:pw@proxy:3128" } }),
      'clusters["prod"].cluster.proxy-url must be a URL of a proxy: http://, https:// or socks5://host:port',
    ],
    [
      "a proxy whose password cannot be decoded",
      kubeconfig({ cluster: { "proxy-url": "socks5://us%:41@proxy:1080" } }),
      'clusters["prod"].cluster.proxy-url must be a URL of a proxy: http://, https:// or socks5://host:port',
    ],
    [
      "an auth-provider",
      kubeconfig({ user: { "auth-provider": { name: "gcp" } } }),
      'users["admin"].user.auth-provider is not supported, as Kubernetes has none any more: use exec',
    ],
    [
      "data not base64",
      kubeconfig({ cluster: { "certificate-authority-data": "not base64!" } }),
      'clusters["prod"].cluster.certificate-authority-data is not base64',
    ],
    ["token a number", kubeconfig({ user: { token: 12 } }), 'users["admin"].user.token must be a text'],
    [
      "tokenFile a list",
      kubeconfig({ user: { tokenFile: ["a"] } }),
      'users["admin"].user.tokenFile must be a text',
    ],
    [
      "exec without a command",
      kubeconfig({ user: { exec: { apiVersion: "client.authentication.k8s.io/v1" } } }),
      'users["admin"].user.exec.command is missing',
    ],
    [
      "exec of another version",
      kubeconfig({ user: { exec: { apiVersion: "client.authentication.k8s.io/v1alpha1", command: "a" } } }),
      'users["admin"].user.exec.apiVersion must be client.authentication.k8s.io/v1 or',
    ],
    [
      "exec that asks a person",
      kubeconfig({
        user: {
          exec: { apiVersion: "client.authentication.k8s.io/v1", command: "a", interactiveMode: "Always" },
        },
      }),
      'users["admin"].user.exec.interactiveMode is Always, and no user can be asked',
    ],
    [
      "exec with arguments that are no texts",
      kubeconfig({
        user: { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "a", args: ["b", 1] } },
      }),
      'users["admin"].user.exec.args[1] must be a text',
    ],
    [
      "exec with a variable without a name",
      kubeconfig({
        user: {
          exec: { apiVersion: "client.authentication.k8s.io/v1", command: "a", env: [{ value: "b" }] },
        },
      }),
      'users["admin"].user.exec.env[0] must have a name and a value',
    ],
  ])("%s", async (_case, text, what) => {
    const { code, message } = await refusalOf(text);
    expect(code).toBe(7);
    expect(message).toContain(`kubeconfig ${path}: ${what}`);
  });

  it("with line and column of the field, or of what should have it", async () => {
    const lines = [
      "clusters:",
      "- name: prod",
      "  cluster:",
      "    server: 10.0.0.1",
      "contexts:",
      "- name: x",
      "  context: {cluster: prod, user: bob}",
      "current-context: x",
    ];
    expect((await refusalOf(lines.join("\n"))).problems).toMatchObject([{ line: 1, column: 1 }]);
    const withUser = [...lines, "users: [{name: bob}]"].join("\n");
    expect((await refusalOf(withUser)).problems).toMatchObject([{ line: 4, column: 13 }]);
  });
});
