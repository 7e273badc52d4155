/** The real API server that the other tests of this suite stand on: its tokens, its history, the manifests of deploy/ on it, and the proxy that makes it fail. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiServer } from "../support/cluster/api-server.ts";
import { nadManifest } from "../support/cluster/manifests.ts";
import { isAlive, mountsBelow } from "../support/session.ts";

const daemonAccount = ["kube-system", "multus"] as const;
const nads = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions";

interface WatchLine {
  readonly type: string;
  readonly object: {
    readonly code?: number;
    readonly reason?: string;
    readonly metadata: { readonly name?: string };
  };
}

describe("a real API server", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await ApiServer.start();
    await server.applyDeployment();
  });

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test("is Kubernetes 1.36, with etcd's data in memory", async () => {
    expect(await server.request("GET", "/version")).toMatchObject({ gitVersion: "v1.36.3" });
    expect(mountsBelow(server.directory)).toEqual([join(server.directory, "etcd", "data")]);
  });

  test("listens on the loopback alone", async () => {
    const listening = readFileSync("/proc/net/tcp", "utf8") + readFileSync("/proc/net/tcp6", "utf8");
    const port = server.port.toString(16).toUpperCase().padStart(4, "0");
    const addresses = [...listening.matchAll(new RegExp(`: ([0-9A-F]+):${port} \\S+ 0A`, "g"))].map(
      ([, address]) => address,
    );
    expect(addresses).toEqual(["0100007F"]);
  });

  describe("the manifests of deploy/base", () => {
    test("are accepted as they are, and change nothing when applied again", async () => {
      const base = join(import.meta.dirname, "..", "..", "deploy", "base");
      // Strict: no field that the server does not know.
      const lines = (await server.kubectl("apply", "--validate=strict", "-k", base)).trim().split("\n");
      expect(lines.length).toBeGreaterThanOrEqual(4);
      expect(lines.filter((line) => !line.endsWith(" unchanged"))).toEqual([]);
    });

    test.each(["nad", "net-attach-def", "network-attachment-definitions"])(
      "give a network the name %s on the command line",
      async (name) => {
        const config = { cniVersion: "1.1.0", name: "storage", type: "macvlan" };
        await server.apply(nadManifest("default", "storage", config));
        const text = await server.kubectl("get", name, "storage", "-o", "jsonpath={.spec.config}");
        expect(JSON.parse(text)).toEqual(config);
        await server.kubectl("delete", name, "storage");
        expect((await server.kubectlOutcome(["get", name, "storage"])).stderr).toContain("NotFound");
      },
    );

    test.each([
      ["list", "network-attachment-definitions.k8s.cni.cncf.io", true],
      ["watch", "network-attachment-definitions.k8s.cni.cncf.io", true],
      ["get", "network-attachment-definitions.k8s.cni.cncf.io", true],
      ["get", "pods", true],
      ["list", "pods", true],
      ["watch", "pods", true],
      ["patch", "pods/status", true],
      ["create", "events.events.k8s.io", true],
      ["patch", "events.events.k8s.io", true],
      ["create", "network-attachment-definitions.k8s.cni.cncf.io", false],
      ["update", "network-attachment-definitions.k8s.cni.cncf.io", false],
      ["delete", "network-attachment-definitions.k8s.cni.cncf.io", false],
      ["patch", "pods", false],
      ["update", "pods", false],
      ["create", "pods", false],
      ["delete", "pods", false],
      ["create", "pods/exec", false],
      ["create", "pods/eviction", false],
      ["get", "pods/log", false],
      ["create", "pods/binding", false],
      ["list", "secrets", false],
      ["get", "secrets", false],
      ["list", "configmaps", false],
      ["get", "nodes", false],
      ["patch", "nodes/status", false],
      ["list", "namespaces", false],
      ["create", "serviceaccounts/token", false],
      ["list", "events.events.k8s.io", false],
      ["delete", "events.events.k8s.io", false],
      ["impersonate", "users", false],
      ["bind", "clusterroles.rbac.authorization.k8s.io", false],
      ["list", "customresourcedefinitions.apiextensions.k8s.io", false],
    ])("let the daemon %s %s: %s", async (verb, resource, allowed) => {
      const [whole = "", subresource] = resource.split("/");
      const { stdout, exitCode } = await server.kubectlOutcome([
        ...["auth", "can-i", verb, whole, "--all-namespaces"],
        ...(subresource === undefined ? [] : [`--subresource=${subresource}`]),
        `--as=system:serviceaccount:${daemonAccount.join(":")}`,
      ]);
      expect({ answer: stdout.toString().trim(), exitCode }).toEqual(
        allowed ? { answer: "yes", exitCode: 0 } : { answer: "no", exitCode: 1 },
      );
    });
  });

  describe("tokens", () => {
    const listPods = (token: string) => server.ask("GET", "/api/v1/pods", { token });

    test("of the server are good for what the service account may do", async () => {
      const token = await server.createToken(...daemonAccount);
      expect((await listPods(token)).status).toBe(200);
      expect((await server.ask("GET", "/api/v1/secrets", { token })).status).toBe(403);
      expect((await listPods(`${token}x`)).status).toBe(401);
    });

    test("that are signed here are good until they expire", async () => {
      expect((await listPods(await server.signToken(...daemonAccount, { expiresIn: 60 }))).status).toBe(200);
      expect((await listPods(await server.signToken(...daemonAccount, { expiresIn: -120 }))).status).toBe(
        401,
      );
    });

    test("in a kubeconfig and in files serve kubectl", async () => {
      const files = server.serviceAccountFiles("kube-system", await server.createToken(...daemonAccount));
      const kubeconfig = server.kubeconfigFor({ tokenFile: join(files.directory, "token") });
      const whoAmI = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
      const first = await server.kubectlOutcome(whoAmI, { kubeconfig });
      expect(first.stdout.toString()).toBe("system:serviceaccount:kube-system:multus");

      files.rotate(await server.createToken("default", "default"));
      const second = await server.kubectlOutcome(whoAmI, { kubeconfig });
      expect(second.stdout.toString()).toBe("system:serviceaccount:default:default");
      expect(readFileSync(join(files.directory, "namespace"), "utf8")).toBe("kube-system");
      expect(readFileSync(join(files.directory, "ca.crt"), "utf8")).toContain("BEGIN CERTIFICATE");
    });
  });

  test("a kubelet's certificate may see its own pods and no other's", async () => {
    const kubeconfig = await server.kubeletKubeconfig("node-1");
    const pods = (node: string) =>
      server.kubectlOutcome(["get", "pods", "-A", `--field-selector=spec.nodeName=${node}`], { kubeconfig });
    expect((await pods("node-1")).exitCode).toBe(0);
    expect((await pods("node-2")).stderr).toContain("Forbidden");
  });

  test("a pod gets the service account of its namespace", async () => {
    await server.createNamespace("blue");
    await server.request("POST", "/api/v1/namespaces/blue/pods", {
      metadata: { name: "web" },
      spec: { containers: [{ name: "main", image: "none" }] },
    });
    const account = await server.kubectl(
      "get",
      "pod",
      "web",
      "-n",
      "blue",
      "-o=jsonpath={.spec.serviceAccountName}",
    );
    expect(account).toBe("default");
  });

  test("after a restart with its history gone an old resourceVersion is answered with 410", async () => {
    const list = await server.request<{ readonly metadata: { readonly resourceVersion: string } }>(
      "GET",
      nads,
    );
    const old = list.metadata.resourceVersion;
    for (const name of ["first", "second"]) await server.apply(nadManifest("default", name, {}));
    const watched = async () => {
      const { text } = await server.ask("GET", `${nads}?watch=1&timeoutSeconds=1&resourceVersion=${old}`);
      return text
        .trim()
        .split("\n")
        .map((line): WatchLine => JSON.parse(line));
    };
    const exactly = () => server.ask("GET", `${nads}?resourceVersion=${old}&resourceVersionMatch=Exact`);
    const names = async () => (await watched()).map(({ object }) => object.metadata.name);
    await expect.poll(names, { timeout: 60_000 }).toEqual(["first", "second"]);
    expect((await exactly()).status).toBe(200);

    await server.compact();
    await server.restart();
    // A custom resource is not served the moment that the server is ready: until then a watch gets 429.
    await expect.poll(watched, { timeout: 60_000 }).toEqual([
      expect.objectContaining({
        type: "ERROR",
        object: expect.objectContaining({ code: 410, reason: "Expired" }),
      }),
    ]);
    expect((await exactly()).status).toBe(410);
    // The objects themselves are not part of the history.
    expect(await server.kubectl("get", "nad", "-o", "name")).toBe(
      "networkattachmentdefinition.k8s.cni.cncf.io/first\nnetworkattachmentdefinition.k8s.cni.cncf.io/second\n",
    );
  });

  test("while it is stopped nobody answers, and a restart of everything keeps objects and tokens", async () => {
    const token = await server.createToken(...daemonAccount);
    await server.apply(nadManifest("default", "kept", {}));
    const before = server.pid;
    await server.stop();
    expect(server.pid).toBeUndefined();
    await expect(server.ask("GET", "/readyz")).rejects.toThrow("ECONNREFUSED");
    await server.restart("all");
    expect(server.pid).not.toBe(before);
    expect((await server.ask("GET", `${nads}/kept`, { token })).status).toBe(200);
  });

  test("leaves neither process nor directory nor mount", async () => {
    const other = await ApiServer.start();
    const { pid = 0, directory } = other;
    expect(pid).toBeGreaterThan(0);
    await other[Symbol.asyncDispose]();
    expect(isAlive(pid)).toBe(false);
    expect(mountsBelow(directory)).toEqual([]);
    expect(() => readFileSync(join(directory, "kube-apiserver.log"))).toThrow("ENOENT");
  });
});
