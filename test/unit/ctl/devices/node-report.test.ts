/** multusctl devices against a real gRPC server with what a real kubelet said, with plans as Go multus writes them: tables and JSON to the letter, and what is said of faults. */

import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type ReportOptions, reportOf } from "../../../../src/ctl/devices/node-report.ts";
import { formatReport, isGood, reportJson } from "../../../../src/ctl/devices/report.ts";
import { formatFinding } from "../../../../src/ctl/text/finding.ts";
import { loadKernels } from "../../../../src/kernels/load.ts";
import { PodResourcesServer } from "../../../support/pod-resources-server.ts";
import { type Fault, PretendedApiServer } from "../../../support/pretended-api-server.ts";
import { recordedPath, recordedPods, writeAttachedPod } from "../../../support/recorded-devices.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const kernels = loadKernels();
const vf = "vendor.example/vf";
const ib = "vendor.example/ib";
/** UIDs of the recorded checkpoint. */
const webUid = "9c3ab5e1-2d6b-4754-b0e4-031f8f7e084b";
const initUid = "886749f1-431a-4eb7-88b6-9d312638326d";

const opened = new Set<() => unknown>();
afterEach(async () => {
  for (const end of [...opened].reverse()) await end();
  opened.clear();
});

class Node {
  readonly directory = new ScratchDirectory("devices");
  readonly options: ReportOptions;
  server: PodResourcesServer | undefined;

  constructor(limits: ReportOptions["limits"] = {}) {
    opened.add(() => this.directory[Symbol.dispose]());
    mkdirSync(this.cniDir);
    this.options = {
      kubelet: { socket: this.path("kubelet.sock"), checkpoint: this.path("checkpoint") },
      cniDir: this.cniDir,
      deviceInfoDir: this.path("devinfo"),
      resource: undefined,
      cluster: {
        cluster: false,
        kubeconfig: undefined,
        context: undefined,
        node: undefined,
        socketDir: this.path("no-daemon"),
      },
      limits: { secondLookMs: 0, ...limits },
    };
  }

  get cniDir(): string {
    return this.path("cni");
  }

  path(name: string): string {
    return join(this.directory.path, name);
  }

  /** Starts a kubelet with the recorded pods of a file. */
  async kubelet(file = "list.json"): Promise<PodResourcesServer> {
    const server = await new PodResourcesServer(this.options.kubelet.socket).listen();
    opened.add(() => server[Symbol.asyncDispose]());
    server.pods = recordedPods(file);
    server.allocatable = [
      ...["0000:65:00.2", "0000:65:00.3", "0000:65:00.4", "0000:65:00.5", "0000:b3:00.2"].map((id) => ({
        resource_name: vf,
        device_ids: [id],
      })),
      // The real one has an entry for each device and NUMA node.
      { resource_name: vf, device_ids: ["0000:b3:00.3"] },
      { resource_name: vf, device_ids: ["0000:d8:00.2"], topology: { nodes: [{ ID: 0 }] } },
      { resource_name: vf, device_ids: ["0000:d8:00.2"], topology: { nodes: [{ ID: 1 }] } },
      ...["ib0", "ib1", "ib2"].map((id) => ({ resource_name: ib, device_ids: [id] })),
    ];
    return server;
  }

  attach(pod: Omit<Parameters<typeof writeAttachedPod>[1], "pod"> & { readonly pod?: string }): void {
    const files = { write: (name: string, text: string) => this.directory.write(`cni/${name}`, text) };
    writeAttachedPod(files, { pod: "default/web", uid: webUid, ...pod });
  }

  report(changes: Partial<ReportOptions> = {}) {
    return reportOf({ ...this.options, ...changes }, kernels);
  }
}

/** The recorded pod web with networks on three of its six devices. */
function attachWeb(node: Node): void {
  node.attach({
    containerId: "c0ffee0123456789",
    networks: [
      { name: "default/fast", ifName: "net1", resource: vf, device: "0000:d8:00.2" },
      { name: "default/fast", ifName: "net2", resource: vf, device: "0000:b3:00.2" },
      { name: "default/ib", ifName: "net3", resource: ib, device: "ib0" },
    ],
  });
}

describe("what a kubelet said", () => {
  it("is a table of devices, each once, with the attachment that has it, and one of resources", async () => {
    const node = new Node();
    await node.kubelet();
    attachWeb(node);
    const report = await node.report();
    expect(report.findings).toEqual([]);
    expect(formatReport(report)).toBe(
      `RESOURCE           DEVICE        POD                CONTAINERS  NETWORK       INTERFACE  SANDBOX        STATE
vendor.example/ib  ib0           default/web        b-app       default/ib    net3       c0ffee0123456  used
vendor.example/vf  0000:65:00.2  default/with-init  app         -             -          -              unused
vendor.example/vf  0000:65:00.4  default/web        a-app       -             -          -              unused
vendor.example/vf  0000:65:00.5  default/web        a-app       -             -          -              unused
vendor.example/vf  0000:b3:00.2  default/web        b-app       default/fast  net2       c0ffee0123456  used
vendor.example/vf  0000:b3:00.3  default/web        b-app       -             -          -              unused
vendor.example/vf  0000:d8:00.2  default/web        proxy       default/fast  net1       c0ffee0123456  used

RESOURCE           ALLOCATABLE  ASSIGNED  USED  UNUSED  FREE
vendor.example/ib            3         1     1       0     2
vendor.example/vf            7         6     2       4     1
`,
    );
  });

  it("is one JSON object, of one resource where that is asked for", async () => {
    const node = new Node();
    const server = await node.kubelet();
    attachWeb(node);
    expect(reportJson(await node.report({ resource: ib }))).toEqual({
      ok: true,
      source: { kind: "pod-resources", path: node.options.kubelet.socket, socketProblem: "" },
      cniDir: node.cniDir,
      devices: [
        {
          resource: ib,
          device: "ib0",
          pod: "default/web",
          podUid: "",
          containers: ["b-app"],
          claim: null,
          attachments: [
            { containerId: "c0ffee0123456789", ifName: "net3", network: "default/ib", state: "attached" },
          ],
          state: "used",
        },
      ],
      resources: [{ resource: ib, allocatable: 3, assigned: 1, used: 1, unused: 0, free: ["ib1", "ib2"] }],
      leftFiles: [],
      findings: [],
      problems: [],
    });
    // Two questions of the hundred that the kubelet answers in a second.
    expect(server.calls).toEqual(["List", "GetAllocatableResources"]);
  });

  it("has no resources where the kubelet does not tell what it may give", async () => {
    const node = new Node();
    const server = await node.kubelet();
    server.refuse = (method) =>
      method === "GetAllocatableResources" ? { code: 12, details: "unknown method" } : undefined;
    const { resources, findings } = await node.report({ resource: ib });
    expect(resources).toEqual([
      { resource: ib, allocatable: null, assigned: 1, used: 0, unused: 1, free: null },
    ]);
    expect(findings).toEqual([]);
  });

  it("has the devices of claims, of which it does not know whose network uses them", async () => {
    const node = new Node();
    await node.kubelet("get-with-claims.json");
    node.attach({
      containerId: "c0ffee0123456789",
      pod: "default/claimed",
      networks: [
        { name: "default/fast", ifName: "net1", resource: "vendor.example/claimed", device: "0000:3b:00.2" },
      ],
    });
    const report = await node.report();
    expect(formatReport({ ...report, resources: [] })).toBe(
      `RESOURCE                DEVICE                  POD              CONTAINERS  NETWORK       INTERFACE  SANDBOX        STATE
-                       gpu.test/node-1/gpu-0   default/claimed  main        -             -          -              unknown
-                       sriov.test/node-1/vf-0  default/claimed  main        -             -          -              unknown
-                       sriov.test/node-1/vf-1  default/claimed  main        -             -          -              unknown
-                       sriov.test/node-1/vf-2  default/claimed  main        -             -          -              unknown
vendor.example/claimed  0000:3b:00.2            default/claimed  -           default/fast  net1       c0ffee0123456  unknown

cluster: skip: which networks use the devices of claims cannot be told: the cluster was not asked (--no-cluster)
`,
    );
    expect(reportJson(report).devices[0]).toMatchObject({
      resource: "",
      device: "",
      claim: {
        claimNamespace: "default",
        claimName: "two-and-gpu",
        driver: "gpu.test",
        pool: "node-1",
        device: "gpu-0",
      },
    });
  });
});

describe("devices of claims, with a cluster that has their ResourceSlices", () => {
  const group = "/apis/resource.k8s.io";

  const versions: Fault = (response) => {
    response.setHeader("content-type", "application/json");
    response.end('{"kind":"APIGroup","versions":[{"version":"v1"}]}');
  };

  /** @param forbidden a resource that may not be listed */
  async function claimed(forbidden?: string) {
    const node = new Node();
    await node.kubelet("get-with-claims.json");
    const cluster = await new PretendedApiServer().start();
    opened.add(() => cluster[Symbol.asyncDispose]());
    cluster.fault = ({ path }) => {
      if (path === group) return versions;
      return forbidden !== undefined && path.includes(forbidden)
        ? { status: 403, message: `User "u" cannot list resource "${forbidden}"` }
        : undefined;
    };
    const { items } = JSON.parse(readFileSync(recordedPath("slices-v1.json"), "utf8"));
    for (const slice of items) cluster.set(`${group}/v1/resourceslices`, slice);
    const kubeconfig = node.directory.write("kubeconfig", cluster.kubeconfig);
    const options = { ...node.options.cluster, cluster: true, kubeconfig, node: "node-1" };
    return { node, options };
  }

  it("have their names, and a GPU is another's", async () => {
    const { node, options } = await claimed();
    node.attach({
      containerId: "c0ffee0123456789",
      pod: "default/claimed",
      networks: [
        { name: "default/fast", ifName: "net1", resource: "vendor.example/dra-vf", device: "0000:65:01.1" },
      ],
    });
    const report = await node.report({ cluster: options });
    expect(formatReport(report)).toBe(
      `RESOURCE               DEVICE                 POD              CONTAINERS  NETWORK       INTERFACE  SANDBOX        STATE
-                      gpu.test/node-1/gpu-0  default/claimed  main        -             -          -              other
vendor.example/dra-vf  0000:65:01.0           default/claimed  main        -             -          -              unused
vendor.example/dra-vf  0000:65:01.1           default/claimed  main        default/fast  net1       c0ffee0123456  used
vendor.example/dra-vf  0000:65:01.2           default/claimed  main        -             -          -              unused

RESOURCE               ALLOCATABLE  ASSIGNED  USED  UNUSED  FREE
vendor.example/dra-vf            -         3     1       2     -
vendor.example/ib                3         0     0       0     3
vendor.example/vf                7         0     0       0     7
`,
    );
    expect(
      reportJson(await node.report({ cluster: options, resource: "vendor.example/dra-vf" })).devices[0],
    ).toEqual({
      resource: "vendor.example/dra-vf",
      device: "0000:65:01.0",
      pod: "default/claimed",
      podUid: "",
      containers: ["main"],
      claim: {
        claimName: "two-and-gpu",
        claimNamespace: "default",
        driver: "sriov.test",
        pool: "node-1",
        device: "vf-0",
      },
      attachments: [],
      state: "unused",
    });
  });

  it("are unknown where the cluster forbids it, which is said", async () => {
    const { node, options } = await claimed("resourceslices");
    const { rows, findings } = await node.report({ cluster: options });
    expect(rows.map(({ state }) => state)).toEqual(Array(4).fill("unknown"));
    expect(findings).toMatchObject([
      {
        code: "devices/claims",
        severity: "skip",
        message: expect.stringContaining('cannot list resource "resourceslices"'),
      },
    ]);
  });

  it("are unknown where the node's name is not known", async () => {
    const { node, options } = await claimed();
    const { findings } = await node.report({ cluster: { ...options, node: undefined } });
    expect(findings).toMatchObject([{ code: "devices/claims", remedy: "--node NAME names it" }]);
  });
});

describe("a stale device", () => {
  const other = "0000:65:00.3";

  it.each([
    ["of a pod that has another one", "default/web", other, "the kubelet has not given it to this pod"],
    [
      "that another pod has now",
      "default/web",
      "0000:65:00.2",
      "the kubelet has given it to pod default/with-init",
    ],
    ["of a pod that is gone", "default/gone", other, "the kubelet does not run this pod any more"],
  ])("%s is a warning", async (_what, pod, device, why) => {
    const node = new Node();
    await node.kubelet();
    node.attach({
      containerId: "c0ffee0123456789",
      pod,
      networks: [{ name: "default/fast", ifName: "net1", resource: vf, device }],
    });
    const report = await node.report();
    expect(report.rows.filter(({ state }) => state === "stale")).toMatchObject([
      { resource: vf, device, pod, containers: [], attachments: [{ ifName: "net1" }] },
    ]);
    expect(report.findings).toEqual([
      {
        code: "devices/stale",
        severity: "warning",
        subject: `${vf} ${device}`,
        message: `net1 of pod ${pod} (network default/fast, sandbox c0ffee0123456) has it, and ${why}`,
        remedy: expect.stringContaining("while a pod ends this is so for a moment"),
      },
    ]);
    expect(isGood(report.findings)).toBe(true);
    expect(report.resources.find(({ resource }) => resource === vf)).toMatchObject({ assigned: 6, used: 0 });
  });

  it("whose DEL is recorded says so", async () => {
    const node = new Node();
    await node.kubelet();
    node.attach({
      containerId: "c0ffee0123456789",
      pod: "default/gone",
      networks: [{ name: "default/fast", ifName: "net1", resource: vf, device: other }],
    });
    node.directory.write("cni/.spool/0000000000000001-03-c0ffee0123456789", "");
    const { findings } = await node.report();
    expect(findings).toMatchObject([
      {
        message: expect.stringContaining("sandbox c0ffee0123456, deleting)"),
        remedy: expect.stringContaining("its DEL is recorded and not done"),
      },
    ]);
  });

  it("is none where its DEL comes while the kubelet is asked", async () => {
    const node = new Node();
    const server = await node.kubelet();
    node.attach({
      containerId: "c0ffee0123456789",
      pod: "default/gone",
      networks: [{ name: "default/fast", ifName: "net1", resource: vf, device: "0000:65:00.2" }],
    });
    server.onCall = () => rmSync(join(node.cniDir, "c0ffee0123456789"), { force: true });
    const { rows, findings } = await node.report();
    expect(findings).toEqual([]);
    expect(rows.filter(({ attachments }) => attachments.length > 0)).toEqual([]);
  });

  it("is none where the kubelet, which has just been started, knows its pods a moment later", async () => {
    const node = new Node();
    const server = await node.kubelet();
    attachWeb(node);
    const { pods } = server;
    server.pods = [];
    server.onCall = () => {
      if (server.calls.length === 3) server.pods = pods;
    };
    const { rows, findings } = await node.report();
    expect(findings).toEqual([]);
    expect(rows.filter(({ state }) => state === "used")).toHaveLength(3);
    expect(server.calls.filter((call) => call === "List")).toHaveLength(2);
  });

  it("is not one of a resource that no device plugin has: not every kubelet tells what claims have given", async () => {
    const node = new Node();
    await node.kubelet();
    node.attach({
      containerId: "c0ffee0123456789",
      networks: [{ name: "default/fast", ifName: "net1", resource: "of.claims/vf", device: other }],
    });
    const { rows, findings } = await node.report();
    expect(rows.find(({ resource }) => resource === "of.claims/vf")).toMatchObject({ state: "unknown" });
    expect(findings).toEqual([]);
  });

  it("is not one that the network's author has written: it is not the kubelet's", async () => {
    const node = new Node();
    await node.kubelet();
    node.attach({
      containerId: "c0ffee0123456789",
      only: "results",
      networks: [{ name: "default/fast", ifName: "net1", device: other }],
    });
    const { rows, findings } = await node.report();
    expect(findings).toEqual([]);
    expect(rows).toHaveLength(7);
  });
});

describe("a device of two attachments", () => {
  it("is an error", async () => {
    const node = new Node();
    await node.kubelet();
    attachWeb(node);
    node.attach({
      containerId: "deadbeef01234567",
      pod: "default/with-init",
      networks: [{ name: "default/fast", ifName: "net1", resource: vf, device: "0000:b3:00.2" }],
    });
    const report = await node.report({ resource: vf });
    expect(report.findings[0]).toEqual({
      code: "devices/shared",
      severity: "error",
      subject: `${vf} 0000:b3:00.2`,
      message:
        "2 attachments have it: net2 of pod default/web (network default/fast, sandbox c0ffee0123456), net1 of pod default/with-init (network default/fast, sandbox deadbeef01234)",
      remedy: expect.stringContaining("delete the pod of the stale one"),
    });
    expect(reportJson(report).ok).toBe(false);
    expect(report.rows.filter(({ device }) => device === "0000:b3:00.2").map(({ state }) => state)).toEqual([
      "shared",
      "stale",
    ]);
    // Another resource's devices are good.
    expect(reportJson(await node.report({ resource: ib })).ok).toBe(true);
  });

  it("is an error in one pod, whose row has both", async () => {
    const node = new Node();
    await node.kubelet();
    const network = { name: "default/fast", resource: vf, device: "0000:b3:00.2" };
    node.attach({
      containerId: "c0ffee0123456789",
      networks: [
        { ...network, ifName: "net1" },
        { ...network, ifName: "net2" },
      ],
    });
    const report = await node.report({ resource: vf });
    expect(formatReport(report)).toContain(
      `vendor.example/vf  0000:b3:00.2  default/web        b-app       default/fast  net1       c0ffee0123456  shared
                                                                default/fast  net2       c0ffee0123456
`,
    );
    expect(formatReport(report)).toContain(`
vendor.example/vf 0000:b3:00.2: error: 2 attachments have it: net1 of pod default/web`);
  });

  it("is an error where two resources have one PCI function, and none where ids are a resource's own", async () => {
    const node = new Node();
    const server = await node.kubelet();
    const pod = (name: string, resource: string) => ({
      name,
      namespace: "default",
      containers: [
        { name: "app", devices: [{ resource_name: resource, device_ids: ["0000:AF:00.1", "1"] }] },
      ],
    });
    server.pods = [pod("a", "x/a"), pod("b", "x/b")];
    for (const name of ["a", "b"]) {
      node.attach({
        containerId: `c0ffee-${name}`,
        pod: `default/${name}`,
        networks: ["0000:AF:00.1", "1"].map((device, index) => ({
          name: "default/fast",
          ifName: `net${index}`,
          resource: `x/${name}`,
          device,
        })),
      });
    }
    const { findings } = await node.report();
    expect(findings.map(({ code, subject }) => [code, subject])).toEqual([
      ["devices/shared", "x/a 0000:AF:00.1, x/b 0000:AF:00.1"],
    ]);
  });
});

describe("a kubelet that does not answer", () => {
  const withCheckpoint = (limits?: ReportOptions["limits"]) => {
    const node = new Node(limits);
    copyFileSync(recordedPath("kubelet_internal_checkpoint"), node.options.kubelet.checkpoint);
    attachWeb(node);
    return node;
  };

  it("as its socket is not there: its checkpoint does, which is said", async () => {
    const node = withCheckpoint();
    const report = await node.report();
    expect(formatReport(report).replaceAll(node.directory.path, "/node")).toBe(
      `RESOURCE           DEVICE        POD                                   CONTAINERS  NETWORK       INTERFACE  SANDBOX        STATE
vendor.example/ib  ib0           default/web                           b-app       default/ib    net3       c0ffee0123456  used
vendor.example/vf  0000:65:00.2  ${initUid}  setup, app  -             -          -              unused
vendor.example/vf  0000:65:00.3  ${initUid}  setup       -             -          -              unused
vendor.example/vf  0000:65:00.4  default/web                           a-app       -             -          -              unused
vendor.example/vf  0000:65:00.5  default/web                           a-app       -             -          -              unused
vendor.example/vf  0000:b3:00.2  default/web                           b-app       default/fast  net2       c0ffee0123456  used
vendor.example/vf  0000:b3:00.3  default/web                           b-app       -             -          -              unused
vendor.example/vf  0000:d8:00.2  default/web                           proxy       default/fast  net1       c0ffee0123456  used

RESOURCE           ALLOCATABLE  ASSIGNED  USED  UNUSED  FREE
vendor.example/ib            3         1     1       0     2
vendor.example/vf            7         7     2       5     0

kubelet: warning: this is from its checkpoint /node/checkpoint, which has pods that are gone until the next device is given out, and no devices of claims: there is no socket /node/kubelet.sock
  → --pod-resources-socket names its pod-resources socket; a kubelet that runs answers there
`,
    );
    expect(reportJson(report)).toMatchObject({
      ok: true,
      source: { kind: "checkpoint", socketProblem: expect.stringContaining("there is no socket") },
    });
  });

  it.each([
    ["hangs", "hang" as const, /no answer within 0\.3 s/],
    ["refuses", { code: 7, details: "no\u0007 way" }, /7 PERMISSION_DENIED: no\\u0007 way/],
  ])("as it %s: its checkpoint does", async (_what, refusal, problem) => {
    const node = withCheckpoint({ deadlineMs: 300 });
    const server = await node.kubelet();
    server.refuse = () => refusal;
    const report = await node.report();
    expect(report.inventory).toMatchObject({ source: "checkpoint" });
    expect(report.rows).toHaveLength(8);
    expect(formatReport(report)).toMatch(problem);
  });

  it("with less than 16 MiB: its checkpoint does", async () => {
    const node = withCheckpoint();
    const server = await node.kubelet();
    server.pods = [{ name: "x".repeat(20 << 20), namespace: "default", containers: [] }];
    expect((await node.report()).inventory).toMatchObject({
      source: "checkpoint",
      socketProblem: expect.stringMatching(
        /\(List\): 8 RESOURCE_EXHAUSTED: Received message larger than max/,
      ),
    });
  });

  it("but with something else than gRPC: its checkpoint does", async () => {
    const node = withCheckpoint({ patienceMs: 100 });
    const garbage = createServer((connection) => {
      connection.on("error", () => {});
      connection.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    }).listen(node.options.kubelet.socket);
    opened.add(() => garbage.close());
    await once(garbage, "listening");
    expect((await node.report()).inventory).toMatchObject({
      source: "checkpoint",
      socketProblem: expect.stringMatching(/\(List\): 14 UNAVAILABLE/),
    });
  });

  it("and has left no checkpoint is an error that says both", async () => {
    const node = new Node();
    await expect(node.report()).rejects.toMatchObject({
      name: "UserError",
      message: `the kubelet does not tell its devices: there is no socket ${node.path("kubelet.sock")}; there is no checkpoint ${node.path("checkpoint")}`,
    });
  });

  it("and has left a torn checkpoint is an error that says where it is torn", async () => {
    const node = new Node();
    node.directory.write("checkpoint", '{"Data":{"PodDeviceEntries":[');
    await expect(node.report()).rejects.toThrow(
      /there is no socket .*kubelet\.sock; .*checkpoint: not valid JSON: .* \(line 1, column 30\)$/,
    );
  });

  it("with one pod that is not as it should be: the others are listed, and that one's device is not called stale", async () => {
    const node = new Node();
    const server = await node.kubelet();
    const broken = {
      name: "bad",
      namespace: "default",
      containers: [{ name: "app", devices: [{ resource_name: vf, device_ids: ["x".repeat(300)] }] }],
    };
    server.pods = [...server.pods, broken];
    node.attach({
      containerId: "c0ffee0123456789",
      pod: "default/bad",
      networks: [{ name: "default/fast", ifName: "net1", resource: vf, device: "0000:65:00.3" }],
    });
    const { rows, findings } = await node.report();
    expect(rows).toHaveLength(8);
    expect(rows.find(({ pod }) => pod === "default/bad")).toMatchObject({ state: "unknown" });
    expect(findings).toMatchObject([
      { code: "devices/source", message: expect.stringContaining('pod "default/bad": device id') },
    ]);
  });
});

describe("names from outside", () => {
  it("are on one line and of bounded length", async () => {
    const node = new Node();
    const server = await node.kubelet();
    server.pods = [
      {
        name: "a\u001b[2J\nb",
        namespace: "n".repeat(1000),
        containers: [{ name: "c\rd", devices: [{ resource_name: "x/\u2028y", device_ids: ["1\t2"] }] }],
      },
    ];
    server.allocatable = [];
    const text = formatReport(await node.report());
    expect(text.split("\n")).toHaveLength(6);
    expect(text).toContain(`x/\\u2028y  1\\t2    ${"n".repeat(200)}… (`);
    for (const each of "\u001b\r\t\u2028") expect(text).not.toContain(each);
  });
});

describe("a cache directory", () => {
  it("that is not there yet is a warning: what the kubelet has given is listed", async () => {
    const node = new Node();
    await node.kubelet();
    rmSync(node.cniDir, { recursive: true });
    const { rows, findings } = await node.report();
    expect(rows.map(({ state }) => state)).toEqual(Array(7).fill("unused"));
    expect(findings).toMatchObject([
      { code: "devices/attachments", severity: "warning", subject: node.cniDir },
    ]);
  });

  it("with a torn plan is a problem, and the results tell the devices", async () => {
    const node = new Node();
    await node.kubelet();
    attachWeb(node);
    node.directory.write("cni/c0ffee0123456789", "[{");
    const { rows, problems } = await node.report();
    expect(problems).toMatchObject([{ problem: expect.stringContaining("torn") }]);
    expect(rows.filter(({ state }) => state === "used").map(({ device }) => device)).toEqual([
      "ib0",
      "0000:b3:00.2",
      "0000:d8:00.2",
    ]);
  });
});

describe("device information files", () => {
  it("of containers that are gone and of devices that the node does not offer are named", async () => {
    const node = new Node();
    await node.kubelet();
    attachWeb(node);
    for (const name of [
      "cni/default-fast-c0ffee0123456789_net1",
      "cni/default-fast-deadbeef_net_1",
      "cni/of another form",
      "cni/.multus-1234",
      "dp/vendor.example-vf-0000:65:00.3-device.json",
      "dp/vendor.example-vf-0000:99:00.1-device.json",
    ]) {
      node.directory.write(`devinfo/${name}`, "{}");
    }
    const report = await node.report();
    const directory = node.options.deviceInfoDir;
    expect(reportJson(report).leftFiles).toEqual([
      { file: `${directory}/cni/default-fast-deadbeef_net_1`, kind: "cni", why: "its container is gone" },
      {
        file: `${directory}/dp/vendor.example-vf-0000:99:00.1-device.json`,
        kind: "dp",
        why: "the node offers no such device",
      },
    ]);
    expect(report.findings.map(formatFinding)).toEqual([
      `1 device information file: warning: its container is gone: ${directory}/cni/default-fast-deadbeef_net_1`,
      `1 device information file: note: the node offers no such device: ${directory}/dp/vendor.example-vf-0000:99:00.1-device.json`,
    ]);
    expect((await node.report({ resource: ib })).leftFiles).toEqual([]);
  });

  it("of an ADD that begins meanwhile are not", async () => {
    const node = new Node();
    const server = await node.kubelet();
    node.directory.write("devinfo/cni/default-fast-deadbeef_net1", "{}");
    server.onCall = () => {
      node.attach({
        containerId: "deadbeef",
        networks: [{ name: "default/fast", ifName: "net1", resource: vf, device: "0000:b3:00.2" }],
      });
    };
    expect((await node.report()).leftFiles).toEqual([]);
  });

  it("of device plugins are not judged where devices of claims are not known", async () => {
    const node = new Node();
    await node.kubelet("get-with-claims.json");
    node.directory.write("devinfo/dp/of-a-driver-device.json", "{}");
    expect((await node.report()).leftFiles).toEqual([]);
  });
});
