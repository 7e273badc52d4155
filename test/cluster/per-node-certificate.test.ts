/**
 * Certificates of the nodes on a real API server with the real signer: a daemon that has nothing but its kubelet's credentials gets one of its own, with
 * which it works and renews it; the approver, with the rights of deploy/, gives nobody more.
 */

import { spawn } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeSigningRequest } from "../../src/kube/certificates/pkcs10.ts";
import { encodedRequest } from "../support/certificate-request.ts";
import { signCertificate } from "../support/certificate-signer.ts";
import { networksAnnotation, statusAnnotation } from "../support/cluster/api-node.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { Controllers } from "../support/cluster/controllers.ts";
import { deployDirectory } from "../support/cluster/deployment.ts";
import { ServerProcess } from "../support/cluster/server-process.ts";
import { pauseImageName } from "../support/pause-image.ts";
import { podArgs } from "../support/plugin.ts";
import { session, sessionVariable } from "../support/session.ts";
import { masterLink, TestNode } from "../support/test-node.ts";

const root = join(import.meta.dirname, "..", "..");
const requestsPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const podsPath = "/api/v1/namespaces/default/pods";
const patience = { timeout: 120_000, interval: 100 };

interface SigningRequestObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly username: string };
  readonly status?: {
    readonly certificate?: string;
    readonly conditions?: readonly { readonly type: string; readonly message: string }[];
  };
}

const resources = new AsyncDisposableStack();
let api: ApiServer;
/** With the rights of deploy/. */
let approver: ServerProcess;

const requests = async () =>
  (await api.request<{ readonly items: SigningRequestObject[] }>("GET", requestsPath)).items;

/** Asks for a certificate with a kubeconfig's credentials. @returns what becomes of it, as soon as something has */
async function decided(
  kubeconfig: string,
  commonName: string,
  organization = "system:multus",
  expirationSeconds = 600,
) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const manifest = {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { generateName: "test-" },
    spec: {
      request: encodedRequest(makeSigningRequest(commonName, organization, privateKey)),
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["digital signature", "client auth"],
      expirationSeconds,
    },
  };
  const created = await api.kubectlOutcome(["create", "-o", "jsonpath={.metadata.name}", "-f", "-"], {
    stdin: JSON.stringify(manifest),
    kubeconfig,
  });
  const name = created.stdout.toString();
  if (created.exitCode !== 0) throw new Error(created.stderr);
  let object: SigningRequestObject | undefined;
  await expect
    .poll(async () => {
      object = await api.request<SigningRequestObject>("GET", `${requestsPath}/${name}`);
      return object.status?.conditions?.length ?? 0;
    }, patience)
    .toBeGreaterThan(0);
  return object;
}

beforeAll(async () => {
  api = resources.use(await ApiServer.start());
  await api.applyDeployment();
  const rights = join(deployDirectory, "components", "per-node-certificate", "rbac.yaml");
  await api.kubectl("apply", "--validate=strict", "-f", rights);
  for (const name of ["node-1", "node-2"]) await api.request("POST", "/api/v1/nodes", { metadata: { name } });

  resources.use(await Controllers.start(api));

  const token = await api.createToken("kube-system", "multus-cert-approver");
  await api.untilServed(`${requestsPath}?limit=1`, token);
  approver = resources.use(approverProcess("approver", token));
  await startApprover(approver);
});

/** `multusctl approve-certs`, not started. @param name of its log @param token whose rights it has */
function approverProcess(name: string, token: string): ServerProcess {
  const command = [process.execPath, join(root, "build", "multusctl.mjs"), "approve-certs"];
  const kubeconfig = ["--kubeconfig", api.kubeconfigFor({ token })];
  return new ServerProcess([...command, ...kubeconfig], join(api.directory, `${name}.log`));
}

const startApprover = (process: ServerProcess) =>
  process.start(async () => process.log().includes("approver starts"));

afterAll(() => resources.disposeAsync());

/** A node whose daemon knows its kubelet's kubeconfig and nothing else. */
async function startNode(nodeName: string, certDir: string, certDuration = "10m"): Promise<TestNode> {
  return TestNode.start({
    daemonConfig: {
      nadDir: undefined,
      perNodeCertificate: {
        enabled: true,
        bootstrapKubeconfig: await api.kubeletKubeconfig(nodeName),
        certDir,
        certDuration,
      },
    },
    daemonSurroundings: { environment: { MULTUS_NODE_NAME: nodeName } },
  });
}

/** A pod with two networks, through the plugin. @returns its network-status, as the API has it in the end */
async function addPod(
  node: TestNode,
  nodeName: string,
  netconf: Readonly<Record<string, unknown>>,
  name: string,
): Promise<unknown> {
  const { metadata } = await api.request<{ readonly metadata: { readonly uid: string } }>("POST", podsPath, {
    metadata: { name, annotations: { [networksAnnotation]: "storage" } },
    spec: { nodeName, containers: [{ name: "main", image: pauseImageName }] },
  });
  const pod = await node.pod(name);
  // No annotations come with the request: they are asked of the API.
  const added = await node.call(
    "ADD",
    pod,
    {},
    { args: podArgs({ ...pod, uid: metadata.uid }), config: netconf },
  );
  added.expectSuccess();
  let status: unknown;
  await expect
    .poll(async () => {
      const object = await api.request<{
        readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      }>("GET", `${podsPath}/${name}`);
      const text = object.metadata.annotations[statusAnnotation];
      status = text === undefined ? undefined : JSON.parse(text);
      return status;
    }, patience)
    .toBeDefined();
  return status;
}

describe("a daemon with perNodeCertificate", () => {
  test("gets a certificate of its node, works with it, and renews it by itself", async () => {
    const certDir = join(api.directory, "certs-1");
    const current = join(certDir, "multus-client-current.pem");
    await using node = await startNode("node-1", certDir);
    await node.untilReady();
    const { capabilities: _, ...netconf } = await node.bridgeNetconf("10.121.0.0/24");
    await api.createNetwork("storage", {
      cniVersion: "1.0.0",
      name: "storage",
      type: "macvlan",
      master: masterLink,
      ipam: node.hostLocal("10.122.0.0/24"),
    });
    await expect.poll(() => node.daemon.output, patience).toContain("certificate: signed");
    expect(await addPod(node, "node-1", netconf, "first")).toMatchObject([
      { interface: "eth0" },
      { name: "default/storage", interface: "net1" },
    ]);

    const pem = readFileSync(current, "utf8");
    const certificate = new X509Certificate(pem);
    expect(certificate.subject).toBe("O=system:multus\nCN=system:multus:node-1");
    const life = certificate.validToDate.getTime() - Date.now();
    expect(life).toBeGreaterThan(300_000);
    expect(life).toBeLessThanOrEqual(600_000);
    expect(statSync(current).mode & 0o777).toBe(0o600);
    expect((await requests()).map(({ spec }) => spec.username)).toEqual(["system:node:node-1"]);
  });

  test("renews one that ends soon as itself, with a new key, and goes on with it", async () => {
    const certDir = join(api.directory, "certs-2");
    mkdirSync(certDir);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const old = signCertificate(
      makeSigningRequest("system:multus:node-2", "system:multus", privateKey),
      // Renewed after 60 s and more of its 80: by then the daemon has started, and a pod, on a slow machine too.
      Date.now() - 30_000,
      Date.now() + 50_000,
      api.certificates.authority,
    );
    const key = privateKey.export({ type: "sec1", format: "pem" });
    const current = join(certDir, "multus-client-current.pem");
    writeFileSync(current, `${old}${key}`, { mode: 0o600 });
    await using node = await startNode("node-2", certDir);
    await node.untilReady();
    const { capabilities: _, ...netconf } = await node.bridgeNetconf("10.123.0.0/24");
    expect(await addPod(node, "node-2", netconf, "before")).toHaveLength(2);
    expect(node.daemon.output).not.toContain("certificate: signed");

    await expect.poll(() => node.daemon.output, patience).toContain("certificate: signed");
    const renewed = readFileSync(current, "utf8");
    expect(new X509Certificate(renewed).subject).toContain("CN=system:multus:node-2");
    expect(renewed).not.toContain(key);
    const own = (await requests()).filter(({ spec }) => spec.username === "system:multus:node-2");
    expect(own).toHaveLength(1);

    const ended = new X509Certificate(old).validToDate.getTime();
    await expect.poll(() => Date.now(), patience).toBeGreaterThan(ended + 1_000);
    // Asks the API for a network that no watch can have had before, and for a pod.
    expect(await addPod(node, "node-2", netconf, "after")).toHaveLength(2);
    expect(node.daemon.output).not.toContain("not watched");
  });

  test("says to a runtime what it waits for while nobody approves", async () => {
    await using node = await startNode("node-3", join(api.directory, "certs-3"));
    const pod = await node.pod("waits");
    const { capabilities: _, ...netconf } = await node.bridgeNetconf("10.124.0.0/24");
    await expect.poll(() => node.daemon.output, patience).toContain("there is no node node-3 in the cluster");
    const refused = await node.call("ADD", pod, {}, { config: netconf });
    expect(refused.error).toMatchObject({
      code: 11,
      msg: expect.stringContaining("the certificate of system:multus:node-3"),
    });
  });
});

describe("the approver", () => {
  test.each([
    ["a node for itself", "system:multus:node-1", "system:multus", "Approved", /node-1/],
    ["another node", "system:multus:node-2", "system:multus", "Denied", /no other subject/],
    ["another group", "system:multus:node-1", "system:nodes", "Denied", /no other subject/],
  ])("answers %s", async (_, commonName, organization, type, message) => {
    const object = await decided(await api.kubeletKubeconfig("node-1"), commonName, organization);
    expect(object?.status?.conditions).toEqual([
      expect.objectContaining({ type, message: expect.stringMatching(message) }),
    ]);
  });

  test.each([
    [86_400, "Approved"],
    [86_401, "Denied"],
    [31_536_000, "Denied"],
  ])("of a certificate for %d seconds: %s", async (seconds, type) => {
    const kubelet = await api.kubeletKubeconfig("node-1");
    const object = await decided(kubelet, "system:multus:node-1", "system:multus", seconds);
    expect(object?.status?.conditions).toEqual([expect.objectContaining({ type })]);
  });

  test("is out of a worker's reach: its kubelet neither makes its node one of the control plane's, nor gets the approver's token", async () => {
    const kubeconfig = await api.kubeletKubeconfig("node-2");
    const { metadata } = await api.request<{ readonly metadata: { readonly uid: string } }>(
      "POST",
      "/api/v1/namespaces/kube-system/pods",
      {
        metadata: { name: "approver" },
        spec: {
          nodeName: "node-1",
          serviceAccountName: "multus-cert-approver",
          containers: [{ name: "main", image: pauseImageName }],
        },
      },
    );
    const token = ["create", "token", "multus-cert-approver", "--namespace", "kube-system"];
    const ofPod = ["--bound-object-kind", "Pod", "--bound-object-name", "approver"];
    const bound = [...token, ...ofPod, "--bound-object-uid", metadata.uid];
    for (const args of [
      ["label", "node", "node-2", "node-role.kubernetes.io/control-plane="],
      token,
      bound,
    ]) {
      const { exitCode, stderr } = await api.kubectlOutcome(args, { kubeconfig });
      expect(exitCode, args.join(" ")).not.toBe(0);
      expect(stderr, args.join(" ")).toMatch(/forbidden|not allowed/i);
    }
    // A kubelet gets the token of a pod on its node: that is why the approver is on no worker.
    const own = await api.kubeletKubeconfig("node-1");
    expect((await api.kubectlOutcome(bound, { kubeconfig: own })).exitCode).toBe(0);
  });

  test("denies an administrator what is a node's", async () => {
    const object = await decided(api.adminKubeconfig, "system:multus:node-1");
    expect(object?.status?.conditions).toEqual([
      expect.objectContaining({ type: "Denied", message: expect.stringContaining("is no node") }),
    ]);
    expect(object?.status?.certificate).toBeUndefined();
  });

  test.each([
    ["update", "certificatesigningrequests", { subresource: "approval" }, true],
    ["approve", "signers", { name: "kubernetes.io/kube-apiserver-client" }, true],
    ["approve", "signers", { name: "kubernetes.io/kube-apiserver-client-kubelet" }, false],
    ["sign", "signers", { name: "kubernetes.io/kube-apiserver-client" }, false],
    ["create", "certificatesigningrequests", {}, false],
    ["delete", "certificatesigningrequests", {}, false],
  ])("may %s %s %j: %s", async (verb, resource, more, allowed) => {
    const review = await api.request<{ readonly status: { readonly allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: {
          user: "system:serviceaccount:kube-system:multus-cert-approver",
          groups: ["system:serviceaccounts", "system:authenticated"],
          resourceAttributes: { group: "certificates.k8s.io", verb, resource, ...more },
        },
      },
    );
    expect(review.status.allowed).toBe(allowed);
  });
});

describe("a daemon that asks for more than the approver grants", () => {
  test("says so, with what to change", async () => {
    await using node = await startNode("node-1", join(api.directory, "certs-long"), "8760h");
    await expect
      .poll(() => node.daemon.output, patience)
      .toContain("expirationSeconds is 31536000, and certificates of at most 86400 s are approved");
    expect(node.daemon.output).toContain("perNodeCertificate.certDuration of the daemon has to be less");
  });
});

describe("an approver by Go multus's role, which has no get on nodes", () => {
  test("says so once, and approves", async () => {
    await using stack = new AsyncDisposableStack();
    const account = "/api/v1/namespaces/kube-system/serviceaccounts";
    await api.request("POST", account, { metadata: { name: "go-approver" } });
    const csrs = "certificatesigningrequests";
    const rule = (resources: string, verbs: readonly string[], more: object = {}) => ({
      apiGroups: ["certificates.k8s.io"],
      resources: [resources],
      verbs,
      ...more,
    });
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    await api.request("POST", `${rbac}/clusterroles`, {
      metadata: { name: "go-approver" },
      rules: [
        rule(csrs, ["get", "list", "watch"]),
        rule(`${csrs}/approval`, ["update"]),
        rule("signers", ["approve"], { resourceNames: ["kubernetes.io/kube-apiserver-client"] }),
      ],
    });
    await api.request("POST", `${rbac}/clusterrolebindings`, {
      metadata: { name: "go-approver" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "go-approver" },
      subjects: [{ kind: "ServiceAccount", namespace: "kube-system", name: "go-approver" }],
    });
    const token = await api.createToken("kube-system", "go-approver");
    await api.untilServed(`${requestsPath}?limit=1`, token);
    await approver.stop();
    stack.defer(() => startApprover(approver));
    const other = stack.use(approverProcess("go-approver", token));
    await startApprover(other);
    for (const nodeName of ["node-1", "node-2"]) {
      const object = await decided(await api.kubeletKubeconfig(nodeName), `system:multus:${nodeName}`);
      expect(object?.status?.conditions).toEqual([
        expect.objectContaining({
          type: "Approved",
          message: expect.stringContaining("could not be looked up"),
        }),
      ]);
    }
    expect(other.log().match(/no right to get nodes/g)).toHaveLength(1);
  });
});

describe("multusctl kubeconfig, called as Go multus's kubeconfig_generator", () => {
  test("keeps a kubeconfig with the node's certificate until it is stopped", async () => {
    const certDir = join(api.directory, "generated-certificate");
    mkdirSync(certDir);
    const kubeconfig = join(api.directory, "generated-kubeconfig");
    const program = join(api.directory, "kubeconfig_generator");
    symlinkSync(join(root, "build", "multusctl.mjs"), program);
    const generator = spawn(
      process.execPath,
      [
        program,
        `--bootstrap-config=${await api.kubeletKubeconfig("node-2")}`,
        ...["--certdir", certDir, "--kubeconfig", kubeconfig, "--cert-duration=10m"],
      ],
      {
        stdio: "ignore",
        env: { PATH: process.env.PATH, MULTUS_NODE_NAME: "node-2", [sessionVariable]: session },
      },
    );
    const closed = once(generator, "close");
    try {
      await expect.poll(() => existsSync(kubeconfig), patience).toBe(true);
      expect(statSync(kubeconfig).mode & 0o777).toBe(0o600);
      const self = await api.kubectlOutcome(
        ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"],
        {
          kubeconfig,
        },
      );
      expect(self.stdout.toString()).toBe("system:multus:node-2");
    } finally {
      generator.kill("SIGTERM");
      await closed;
    }
    expect(generator.exitCode).toBe(0);
    expect(existsSync(kubeconfig)).toBe(false);
    expect(existsSync(join(certDir, "multus-client-current.pem"))).toBe(true);
  });
});
