/** validate of a cluster: what is wrong with its definitions, and which pods suffer from it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openApi } from "../../../src/ctl/cluster/access.ts";
import { checkCluster } from "../../../src/ctl/cluster/check.ts";
import { clusterReportJson, formatClusterFindings } from "../../../src/ctl/cluster/finding.ts";
import { UserError } from "../../../src/ctl/command/user-error.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { nadsPath, PretendedApiServer, podsPath } from "../../support/pretended-api-server.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { definition, pod } from "./cluster-objects.ts";

const kernels = loadKernels();
const good = '{"cniVersion":"1.0.0","type":"macvlan"}';
const torn = '{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}';
const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";

let server: PretendedApiServer;
let scratch: ScratchDirectory;
let kubeconfig: string;
beforeEach(async () => {
  server = await new PretendedApiServer().start();
  scratch = new ScratchDirectory("validate");
  kubeconfig = scratch.write("kubeconfig", server.kubeconfig);
});
afterEach(async () => {
  scratch[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

async function reportOf(namespace?: string, binDirs: readonly string[] = [], maxNetworksPerPod?: number) {
  using access = await openApi(kubeconfig, undefined, {});
  const scope = { server: access.server, namespace, multusNamespace: "kube-system", maxNetworksPerPod };
  return await checkCluster(access.api, scope, { kernels, binDirs });
}

/** The JSON that validate prints. */
async function check(...args: Parameters<typeof reportOf>) {
  return clusterReportJson(await reportOf(...args));
}

/** The lines that validate prints. */
async function lines(namespace?: string, binDirs?: readonly string[]): Promise<string[]> {
  return formatClusterFindings(await reportOf(namespace, binDirs))
    .trimEnd()
    .split("\n")
    .filter(Boolean);
}

describe("definitions", () => {
  it("finds nothing wrong with good ones", async () => {
    server.fill(nadsPath, [definition("a", "one", good), definition("b", "one", good)]);
    server.fill(podsPath, [pod("a", "web", "one, b/one@net7"), pod("a", "plain", undefined)]);
    expect(await check()).toEqual({
      server: server.url,
      namespace: undefined,
      definitions: 2,
      pods: 1,
      findings: [],
    });
  });

  it("says which want a device, and which need one and name no resource", async () => {
    const wanting = (resourceName: string, name: string, config: string) => {
      const object = definition("a", name, config);
      const annotations = { "k8s.v1.cni.cncf.io/resourceName": resourceName };
      return { ...object, metadata: { ...object.metadata, annotations } };
    };
    const vf = '{"cniVersion":"1.0.0","plugins":[{"type":"sriov"},{"type":"tuning"}]}';
    server.fill(nadsPath, [
      definition("a", "lacks", vf),
      definition("a", "names", vf.replace('"sriov"', '"sriov","pciBusID":"0000:03:02.1"')),
      wanting("x".repeat(400), "long", good),
      wanting("intel.com/sriov", "vf", vf),
    ]);
    expect(await lines()).toEqual([
      "nad a/lacks: warning: plugin sriov needs a device: there is no annotation k8s.v1.cni.cncf.io/resourceName, nor a deviceID in its configuration, so that each selection has to name one",
      "nad a/long: warning: annotation k8s.v1.cni.cncf.io/resourceName is no resource's name: it has 400 characters, and is taken for missing",
      "nad a/vf: note: each attachment gets one of the pod's devices of resource intel.com/sriov",
    ]);
  });

  it("says which want a device that no node has, where the nodes may be listed", async () => {
    const wanting = (name: string, resourceName: string) => {
      const object = definition("a", name, good);
      const annotations = { "k8s.v1.cni.cncf.io/resourceName": resourceName };
      return { ...object, metadata: { ...object.metadata, annotations } };
    };
    server.fill(nadsPath, [
      wanting("vf", "intel.com/sriov"),
      wanting("none", "a.b/c"),
      wanting("used", "x.y/z"),
    ]);
    const node = (name: string, allocatable: object) => ({
      metadata: { namespace: "", name },
      status: { allocatable },
    });
    const nodes = [
      node("n1", { cpu: "4", "a.b/c": "0" }),
      node("n2", { "intel.com/sriov": "2", "x.y/z": "0" }),
    ];
    server.fill("/api/v1/nodes", nodes);
    const warnings = (await lines()).filter((line) => line.includes("warning"));
    expect(warnings).toEqual([
      "nad a/none: warning: no node has a device of resource a.b/c now (status.allocatable of 2): pods get the network only with devices of a ResourceClaim",
      "nad a/used: warning: no node has a device of resource x.y/z now (status.allocatable of 2): pods get the network only with devices of a ResourceClaim",
    ]);
    server.fault = ({ path }) => (path.startsWith("/api/v1/nodes") ? { status: 403 } : undefined);
    expect((await lines()).filter((line) => line.includes("warning"))).toEqual([]);
  });

  it("points into spec.config, and names the pods that use it", async () => {
    server.fill(nadsPath, [definition("a", "torn", torn), definition("b", "good", good)]);
    server.fill(podsPath, [pod("b", "far", "good,a/torn,a/torn"), pod("a", "near", '[{"name":"torn"}]')]);
    expect(await lines()).toEqual([
      "nad a/torn:3:11: error: spec.config: not valid JSON: a value is expected",
      "  used by 2 pods: b/far, a/near",
    ]);
  });

  it("names the pods that select more than the daemon takes: networks, bytes, plugins", async () => {
    const large = good.replace("{", `{"note":"${"x".repeat(1_000_000)}",`);
    const long = `{"cniVersion":"1.0.0","plugins":[${Array(600).fill('{"type":"a"}').join()}]}`;
    server.fill(nadsPath, [
      definition("a", "one", good),
      definition("a", "large", large),
      definition("a", "long", long),
    ]);
    const args = { "cni-args": { a: "x".repeat(10_000) } };
    server.fill(podsPath, [
      pod("a", "many", Array(65).fill("one").join()),
      pod("a", "heavy", Array(4).fill("large").join()),
      pod("a", "plugins", "long,long"),
      pod("a", "args", JSON.stringify([{ name: "long", ...args }])),
      pod("a", "fine", `large,large,long,${Array(61).fill("one").join()}`),
    ]);
    const messages = (await check()).findings.map(({ name, message }) => `${name}: ${message}`);
    const of = "annotation k8s.v1.cni.cncf.io/networks:";
    expect(messages.sort()).toEqual([
      expect.stringMatching(/^args: .* make a plan of 80\d{5} bytes, and at most 4194304 are allowed$/),
      expect.stringMatching(/^heavy: .* make a plan of 53\d{5} bytes, and at most 4194304 are allowed$/),
      `many: ${of} selects 65 networks, and a pod may have at most 64 (key maxNetworksPerPod)`,
      `plugins: ${of} its networks make a plan of 1200 plugins, and at most 1024 are allowed`,
    ]);
    const withMore = (await check(undefined, [], 65)).findings.map(({ name }) => name);
    expect(withMore).not.toContain("many");
  });

  it("says that one is larger than the daemon takes", async () => {
    const config = (more: number) => good.padEnd(1024 * 1024 + more);
    server.fill(nadsPath, [definition("a", "huge", config(1)), definition("a", "large", config(0))]);
    server.fill(podsPath, [pod("a", "web", "huge, large")]);
    expect(await lines()).toEqual([
      "nad a/huge: error: spec.config has 1048577 bytes, and at most 1048576 are allowed",
      "  used by 1 pod: a/web",
    ]);
  });

  it.each([
    [
      "no type",
      '{"cniVersion":"1.0.0",\n "plugins":[{"type":"bridge"},{"mtu":1}]}',
      /^:2:\d+: error: .*plugins\[1\]/,
    ],
    [
      "a version that nobody knows",
      '{"type":"bridge",\n "cniVersion":"7.0.0"}',
      /^:2:15: error: .*"7\.0\.0"/,
    ],
    ["no object", "[]", /^:1:1: error: .*object/],
    ["a config that is no text", { type: "bridge" }, /^: error: spec\.config must be a text/],
  ])("refuses one with %s", async (_, config, expected) => {
    server.fill(nadsPath, [definition("a", "bad", config)]);
    const [line = ""] = await lines();
    expect(line.startsWith("nad a/bad:")).toBe(true);
    expect(line.slice("nad a/bad".length)).toMatch(expected);
  });

  it("notes an empty one, which is none of a pod's troubles", async () => {
    server.fill(nadsPath, [definition("a", "empty", undefined), definition("a", "blank", "")]);
    server.fill(podsPath, [pod("a", "web", "empty,blank")]);
    expect(await lines()).toEqual([
      expect.stringMatching(/^nad a\/blank: note: spec\.config is empty: .* name is blank$/),
      expect.stringMatching(/^nad a\/empty: note: spec\.config is empty: .* name is empty$/),
    ]);
  });

  it("looks for plugins where it is given a directory, and only there", async () => {
    server.fill(nadsPath, [definition("a", "one", good)]);
    expect(await lines("a", [scratch.path])).toEqual([
      `nad a/one:1:30: warning: spec.config: plugin macvlan is not installed in ${scratch.path}`,
    ]);
    expect(await lines("a")).toEqual([]);
  });
});

describe("pods", () => {
  it("are named where they select what is not there", async () => {
    server.fill(podsPath, [
      pod("a", "one", "gone"),
      pod("a", "two", "gone@net1"),
      pod("a", "three", undefined, { annotations: { "v1.multus-cni.io/default-network": "base" } }),
    ]);
    expect(await lines()).toEqual([
      "nad a/gone: error: there is no such NetworkAttachmentDefinition",
      "  used by 2 pods: a/one, a/two",
      "nad kube-system/base: error: there is no such NetworkAttachmentDefinition",
      "  used by 1 pod: a/three",
    ]);
  });

  it("that select one which was made while lists were read are all right", async () => {
    server.setUnlisted(nadsPath, definition("a", "new", good));
    server.setUnlisted(nadsPath, definition("a", "new-and-torn", torn));
    server.fill(podsPath, [pod("a", "one", "new"), pod("a", "two", "new-and-torn")]);
    expect(await lines()).toEqual([
      expect.stringMatching(/^nad a\/new-and-torn:3:11: error/),
      "  used by 1 pod: a/two",
    ]);
  });

  it("with a broken annotation are named, each annotation at its place, replicas together", async () => {
    server.fill(podsPath, [
      pod("a", "comma-1", "one,  Two"),
      pod("a", "comma-2", "one,  Two"),
      pod("a", "json", '[{"name":"one",\n  "mac":"nonsense"}]'),
      pod("b", "torn", '[{"name":'),
      pod("b", "two-defaults", undefined, { annotations: { "v1.multus-cni.io/default-network": "x,y" } }),
    ]);
    server.fill(nadsPath, [definition("a", "one", good)]);
    expect(await lines()).toEqual([
      expect.stringMatching(
        /^pod a\/comma-1:1:7: error: annotation k8s\.v1\.cni\.cncf\.io\/networks: item 2, "Two": /,
      ),
      "  the same in 1 more pod: a/comma-2",
      expect.stringMatching(/^pod a\/json:2:9: error: .*hardware address/),
      expect.stringMatching(/^pod b\/torn:1:10: error: .*not valid JSON/),
      expect.stringMatching(
        /^pod b\/two-defaults:1:1: error: annotation v1\.multus-cni\.io\/default-network: must name exactly one/,
      ),
    ]);
  });

  it("that have ended, or are in the host's network, are left to the server, of the others only metadata is asked for", async () => {
    expect((await check()).pods).toBe(0);
    const asked = server.requests.find(({ url }) => url.pathname === "/api/v1/pods");
    expect(asked?.url.searchParams.get("fieldSelector")).toBe(
      "status.phase!=Succeeded,status.phase!=Failed,spec.hostNetwork=false",
    );
    expect(asked?.accept).toContain("as=PartialObjectMetadataList");
  });

  it("in the host's network are told from their spec where the server is too old to select", async () => {
    server.fill(podsPath, [
      pod("a", "host", "gone", { spec: { hostNetwork: true } }),
      pod("a", "web", "gone"),
    ]);
    server.fault = ({ url: { pathname: path }, attempt }) =>
      path === "/api/v1/pods" && attempt === 1 ? { status: 400 } : undefined;
    expect(await lines()).toEqual([expect.stringMatching(/^nad a\/gone/), "  used by 1 pod: a/web"]);
  });

  it("are counted where there are many", async () => {
    server.fill(
      podsPath,
      Array.from({ length: 25 }, (_, index) => pod("a", `p${index + 10}`, "gone")),
    );
    expect((await lines())[1]).toMatch(/^ {2}used by 25 pods: a\/p10, .*, a\/p19 and 15 more$/);
    expect((await check()).findings[0]?.pods).toHaveLength(25);
  });
});

describe("pods that run without the networks that they select", () => {
  const running = (name: string, more: { readonly annotations?: object; readonly spec?: object } = {}) =>
    pod("a", name, "one", { ...more, phase: "Running" });

  beforeEach(() => {
    server.fill(nadsPath, [definition("a", "one", good)]);
  });

  it("are named, once for each namespace", async () => {
    server.fill(podsPath, [
      running("first"),
      running("second"),
      pod("b", "third", "a/one", { phase: "Running" }),
    ]);
    expect(await lines()).toEqual([
      expect.stringMatching(/^pod a\/first: error: it runs and has no network-status: /),
      "  the same in 1 more pod: a/second",
      expect.stringMatching(/^pod b\/third: error: /),
    ]);
  });

  it("are not those with a status, without a selection, in the host's network, or that do not run", async () => {
    server.fill(podsPath, [
      running("attached", { annotations: { [statusAnnotation]: "[]" } }),
      pod("a", "plain", undefined, { phase: "Running" }),
      pod("a", "empty", "[ ]", { phase: "Running" }),
      running("host", { spec: { hostNetwork: true } }),
      pod("a", "waiting", "one"),
      {
        ...Object(running("leaving")),
        metadata: { ...Object(running("leaving")).metadata, deletionTimestamp: "2026-11-23T20:11:12Z" },
      },
    ]);
    expect(await lines()).toEqual([]);
  });

  it("are not those whose status comes a moment later", async () => {
    server.fill(podsPath, [running("late")]);
    server.fault = ({ url: { pathname: path }, attempt }) => {
      // The third list is the second look.
      if (path === "/api/v1/pods" && attempt === 3) {
        server.fill(podsPath, [running("late", { annotations: { [statusAnnotation]: "[]" } })]);
      }
      return undefined;
    };
    expect(await lines()).toEqual([]);
  });
});

describe("one namespace", () => {
  it("asks for its definitions and pods, and for what those use of others", async () => {
    server.fill(nadsPath, [
      definition("a", "one", good),
      definition("b", "shared", good),
      definition("b", "torn", torn),
      definition("b", "torn-too", torn),
    ]);
    const annotations = { [statusAnnotation]: "[]" };
    server.fill(podsPath, [
      pod("a", "web", "one,b/shared,b/torn", { annotations }),
      pod("b", "other", "torn-too"),
    ]);
    expect(await lines("a")).toEqual([
      expect.stringMatching(/^nad b\/torn:3:11: error/),
      "  used by 1 pod: a/web",
    ]);
    expect(server.requests.map(({ url }) => url.pathname)).toEqual([
      "/apis/k8s.cni.cncf.io/v1/namespaces/a/network-attachment-definitions",
      "/api/v1/namespaces/a/pods",
      "/apis/k8s.cni.cncf.io/v1/namespaces/b/network-attachment-definitions/shared",
      "/apis/k8s.cni.cncf.io/v1/namespaces/b/network-attachment-definitions/torn",
    ]);
  });

  it("says what it may not look at", async () => {
    server.fill(podsPath, [pod("a", "web", "b/secret")]);
    server.fault = ({ path }) => (path.includes("/namespaces/b/") ? { status: 403 } : undefined);
    expect(await lines("a")).toEqual([
      "nad b/secret: warning: not checked: not allowed to get network-attachment-definitions.k8s.cni.cncf.io in namespace b",
      "  used by 1 pod: a/web",
    ]);
  });
});

describe("large clusters", () => {
  it("are read page by page", async () => {
    server.fill(
      nadsPath,
      Array.from({ length: 600 }, (_, index) => definition("a", `n${index}`, good)),
    );
    server.fill(
      podsPath,
      Array.from({ length: 501 }, (_, index) =>
        pod("a", `p${index}`, `n${index},n599`, { annotations: { [statusAnnotation]: "[]" } }),
      ),
    );
    expect(await check()).toMatchObject({ definitions: 600, pods: 501, findings: [] });
    expect(server.requests.map(({ url }) => url.searchParams.get("limit"))).toEqual(Array(6).fill("250"));
    expect(server.requests.map(({ url }) => url.searchParams.get("continue")?.split(".")[0] ?? null)).toEqual(
      [null, "250", "500", null, "250", "500"],
    );
  });
});

describe("a server that does not answer as it should", () => {
  const refuse = (start: string, status: number, reason: string) => {
    server.fault = ({ path }) => (path.startsWith(start) ? { status, reason } : undefined);
  };
  const failure = (namespace?: string): Promise<unknown> =>
    check(namespace).then(String, (error: unknown) => error);

  it.each([
    [401, "Unauthorized", /does not accept the credentials/, /kubectl/],
    [
      403,
      "Forbidden",
      /not allowed to list network-attachment-definitions\.k8s\.cni\.cncf\.io in all namespaces/,
      /role/,
    ],
    [404, "NotFound", /does not know NetworkAttachmentDefinitions/, /CustomResourceDefinition/],
    [410, "Expired", /too old/, /try again/],
    [500, "InternalError", /cannot list network-attachment-definitions/, /^$/],
  ])("%d is said in words", async (status, reason, message, advice) => {
    refuse(nadsPath, status, reason);
    const error = await failure();
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({
      message: expect.stringMatching(message),
      advice: expect.stringMatching(advice),
    });
    expect(String(error)).toContain(server.url);
  });

  it("is asked again while it is busy", async () => {
    server.fault = ({ attempt }) => (attempt < 2 ? { status: 503 } : undefined);
    expect((await check()).findings).toEqual([]);
    expect(server.requests).toHaveLength(4);
  });

  it("that forbids pods still has its definitions checked, and it is an error", async () => {
    server.fill(nadsPath, [definition("a", "torn", torn)]);
    refuse("/api/v1/", 403, "Forbidden");
    expect(await lines()).toEqual([
      expect.stringMatching(/^nad a\/torn:3:11: error/),
      `${server.url}: error: the pods that use the definitions are unknown: not allowed to list pods in all namespaces`,
    ]);
  });

  it("that is not there is said to be unreachable", async () => {
    // Port 1 answers nobody.
    kubeconfig = scratch.write("elsewhere", server.kubeconfig.replace(server.url, "http://127.0.0.1:1"));
    await expect(check()).rejects.toThrow(/cannot be reached: .*127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  it("that is no API server is recognized", async () => {
    server.fault = () => (response) => void response.end('{"items":"no list"}');
    await expect(check()).rejects.toThrow(/is no list/);
  });
});
