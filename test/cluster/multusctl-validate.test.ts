/** `multusctl validate` asks a real API server: as an administrator, and as users who may see little. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiServer } from "../support/cluster/api-server.ts";
import { documents, nadManifest, podManifest } from "../support/cluster/manifests.ts";
import { runCommand } from "../support/command.ts";

const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");
const networks = "k8s.v1.cni.cncf.io/networks";
const good = '{\n  "cniVersion": "1.0.0",\n  "type": "macvlan"\n}';
const torn = '{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}';
/** More than one page. */
const many = 260;

let api: ApiServer;
/** Has the plugins that are named. */
let binDir: string;

/** Runs validate. @param kubeconfig default the administrator's */
async function validate(args: readonly string[], kubeconfig = api.adminKubeconfig) {
  const { exitCode, stdout, stderr } = await runCommand(
    [process.execPath, multusctl, "validate", ...args, "--bin-dir", binDir],
    { env: { HOME: api.directory, KUBECONFIG: kubeconfig } },
  );
  return { exitCode, stdout: stdout.toString(), stderr };
}

/** A service account that may do so much, and its kubeconfig. */
async function userWith(name: string, rules: readonly object[]): Promise<string> {
  await api.request("POST", "/api/v1/namespaces/shop/serviceaccounts", { metadata: { name } });
  const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop";
  await api.request("POST", `${rbac}/roles`, { metadata: { name }, rules });
  await api.request("POST", `${rbac}/rolebindings`, {
    metadata: { name },
    subjects: [{ kind: "ServiceAccount", name, namespace: "shop" }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
  });
  const token = await api.createToken("shop", name);
  // Its rights are known some moments after they are written.
  await api.untilServed(`${definitionsOf("shop")}?limit=1`, token);
  return api.kubeconfigFor({ token });
}

const definitionsOf = (namespace: string) =>
  `/apis/k8s.cni.cncf.io/v1/namespaces/${namespace}/network-attachment-definitions`;

const seesDefinitions = {
  apiGroups: ["k8s.cni.cncf.io"],
  resources: ["network-attachment-definitions"],
  verbs: ["get", "list"],
};
const seesPods = { apiGroups: [""], resources: ["pods"], verbs: ["list"] };

beforeAll(async () => {
  api = await ApiServer.start();
  binDir = join(api.directory, "plugins");
  mkdirSync(binDir);
  writeFileSync(join(binDir, "macvlan"), "", { mode: 0o755 });
});

afterAll(() => api?.[Symbol.asyncDispose]());

test("a cluster without the custom resource is told what it lacks", async () => {
  const { exitCode, stdout, stderr } = await validate(["-A"]);
  expect(stderr).toContain("does not know NetworkAttachmentDefinitions");
  expect(stderr).toContain("kubectl apply -f deploy/base/crd.yaml");
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
});

describe("a cluster with networks and pods", () => {
  beforeAll(async () => {
    await api.applyDeployment();
    for (const namespace of ["shop", "media", "crowd"]) await api.createNamespace(namespace);
    const pod = (namespace: string, name: string, selection: string) =>
      podManifest({ namespace, name, annotations: { [networks]: selection } });
    await api.apply(
      documents([
        nadManifest("shop", "fine", good),
        nadManifest("shop", "from-file", ""),
        nadManifest("media", "torn", torn),
        nadManifest("media", "future", '{\n  "cniVersion": "9.9.9",\n  "type": "macvlan"\n}'),
        pod("shop", "well", "fine, from-file"),
        pod("shop", "unlucky", "fine,media/torn@net5"),
        pod("shop", "lost", '[{"name": "gone"}]'),
        pod("shop", "odd", '[{"name": "fine",\n  "ips": ["10.0.0.300"]}]'),
        // Neither gets networks: it is in the host's network, it has ended.
        pod("shop", "host", "gone").replace("spec:\n", "spec:\n  hostNetwork: true\n"),
        pod("shop", "ended", "gone"),
      ]),
    );
    await api.request(
      "PATCH",
      "/api/v1/namespaces/shop/pods/ended/status",
      { status: { phase: "Succeeded" } },
      "application/merge-patch+json",
    );
    const kind = { apiVersion: "k8s.cni.cncf.io/v1", kind: "NetworkAttachmentDefinition" };
    for (let first = 0; first < many; first += 20) {
      const names = Array.from({ length: Math.min(20, many - first) }, (_, index) => `n${first + index}`);
      await Promise.all(
        names.map((name) =>
          api.request("POST", definitionsOf("crowd"), {
            ...kind,
            metadata: { name },
            spec: { config: good },
          }),
        ),
      );
    }
  });

  test("the administrator is told all that is wrong, and whom it concerns", async () => {
    const { exitCode, stdout, stderr } = await validate(["--all-namespaces"]);
    expect(stderr).toBe("");
    expect(stdout.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^nad media\/future:2:17: error: spec\.config: .*9\.9\.9/),
      expect.stringMatching(/^nad media\/torn:3:11: error: spec\.config: not valid JSON/),
      "  used by 1 pod: shop/unlucky",
      expect.stringMatching(/^nad shop\/from-file: note: spec\.config is empty/),
      "nad shop/gone: error: there is no such NetworkAttachmentDefinition",
      "  used by 1 pod: shop/lost",
      expect.stringMatching(/^pod shop\/odd:2:11: error: annotation .*ips\[0\] must be an IP address/),
      `${api.url}: 4 errors (${many + 4} NetworkAttachmentDefinitions, 4 pods that select networks)`,
    ]);
    expect(exitCode).toBe(1);
  });

  test("a namespace where all is well is all right", async () => {
    const { exitCode, stdout } = await validate(["-n", "crowd", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      files: [],
      cluster: { server: api.url, namespace: "crowd", definitions: many, pods: 0 },
    });
    expect(exitCode).toBe(0);
  });

  test("a user of one namespace is told what is in it, and what cannot be seen from there", async () => {
    const kubeconfig = await userWith("developer", [seesDefinitions, seesPods]);
    const { exitCode, stdout } = await validate(["-n", "shop"], kubeconfig);
    expect(stdout).toContain("nad shop/gone: error: there is no such NetworkAttachmentDefinition\n");
    expect(stdout).toContain(
      "nad media/torn: warning: not checked: not allowed to get network-attachment-definitions.k8s.cni.cncf.io in namespace media\n" +
        "  used by 1 pod: shop/unlucky\n",
    );
    expect(exitCode).toBe(1);

    const all = await validate(["-A"], kubeconfig);
    expect(all.stderr).toContain(
      "not allowed to list network-attachment-definitions.k8s.cni.cncf.io in all namespaces",
    );
    expect(all).toMatchObject({ exitCode: 1, stdout: "" });
  });

  test("a user who may not see pods has definitions checked", async () => {
    const kubeconfig = await userWith("designer", [seesDefinitions]);
    const { exitCode, stdout } = await validate(["-n", "shop"], kubeconfig);
    expect(stdout).toContain("nad shop/from-file: note: spec.config is empty");
    expect(stdout).toContain(
      `${api.url}: error: the pods that use the definitions are unknown: not allowed to list pods in namespace shop\n`,
    );
    expect(exitCode).toBe(1);
  });

  test("credentials that are not accepted, and a server that is away, are told apart", async () => {
    const stranger = await validate(["-A"], api.kubeconfigFor({ token: "nobody" }));
    expect(stranger.stderr).toContain(`${api.url} does not accept the credentials`);
    expect(stranger.exitCode).toBe(1);
    await api.stop();
    const away = await validate(["-A"]);
    expect(away.stderr).toMatch(/the API server cannot be reached: .*ECONNREFUSED/);
    expect(away.exitCode).toBe(1);
  });
});
