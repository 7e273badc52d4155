/** `multusctl preflight` judges settings that are written in another way than in Go multus's manifests, and says where it cannot see them. The manifests themselves are in the cluster tests. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { daemonConfigOf4_1 } from "../../../support/cluster/go-releases.ts";
import { runCommand } from "../../../support/command.ts";
import { ExecServer } from "../../../support/exec-server.ts";
import { multusctl } from "../../../support/multusctl.ts";
import { machine } from "../../../support/pretended-nodes.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

interface Judged {
  readonly verdict: string;
  readonly area: string;
  readonly subject: string;
  readonly message: string;
}

const daemonSets = "/apis/apps/v1/daemonsets";
const configMap = "/api/v1/namespaces/kube-system/configmaps/multus-daemon-config";
const definitions = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";
const socket = { name: "run", hostPath: { path: "/run/multus" } };
const image = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0";
const usualMount = { name: "config", mountPath: "/etc/cni/net.d/multus.d" };
const usualVolume = { name: "config", configMap: { name: "multus-daemon-config" } };

let scratch: ScratchDirectory;
let api: ExecServer;
beforeEach(async () => {
  scratch = new ScratchDirectory("preflight");
  api = await ExecServer.start(() => "cut");
  for (const [path, items] of Object.entries({
    "/api/v1/nodes": [machine("worker-1")],
    "/api/v1/pods": [],
    [daemonSets]: [goDaemonSet()],
    [definitions]: [],
  })) {
    api.answers.set(path, { items });
  }
  api.answers.set("/apis/k8s.cni.cncf.io/v1", { kind: "APIResourceList" });
  api.answers.set("/version", { gitVersion: "v1.36.0", major: "1", minor: "36" });
  configure(daemonConfigOf4_1);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** A DaemonSet of Go multus, thick. */
function goDaemonSet({ container = {}, spec = {}, metadata = {}, volume = usualVolume as object } = {}) {
  return {
    metadata: { namespace: "kube-system", name: "kube-multus-ds", ...metadata },
    spec: {
      selector: { matchLabels: { name: "multus" } },
      template: { spec: goPod(container, volume, spec) },
    },
  };
}

function goPod(container: object = {}, volume: object = usualVolume, spec: object = {}): object {
  const command = ["/usr/src/multus-cni/bin/multus-daemon"];
  return {
    containers: [{ name: "kube-multus", image, command, volumeMounts: [usualMount], ...container }],
    volumes: [socket, volume],
    ...spec,
  };
}

function configure(config: object, key = "daemon-config.json"): void {
  api.answers.set(configMap, { data: { [key]: JSON.stringify(config) } });
}

async function run(...args: readonly string[]) {
  const kubeconfig = scratch.write("kubeconfig", api.kubeconfig());
  const argv = [process.execPath, multusctl, "preflight", "--kubeconfig", kubeconfig, ...args];
  const { exitCode, stdout, stderr } = await runCommand(argv);
  expect(stderr).toBe("");
  return { exitCode, stdout: stdout.toString() };
}

/** Findings that are not OK: `VERDICT area: message`, and the exit code. */
async function preflight() {
  const { exitCode, stdout } = await run("--json");
  const { findings }: { readonly findings: readonly Judged[] } = JSON.parse(stdout);
  const notable = findings.filter(({ verdict }) => verdict !== "ok");
  return { exitCode, said: notable.map(({ verdict, area, message }) => `${verdict} ${area}: ${message}`) };
}

it("as it is published it can switch", async () => {
  expect(await preflight()).toEqual({ exitCode: 0, said: [] });
});

describe("the daemon's configuration", () => {
  const own = expect.stringMatching(/^change configuration: .* has keys or values of its own: logLevel;/);

  it.each([
    ["in a directory", {}, usualVolume, "daemon-config.json"],
    [
      "as one file of the ConfigMap",
      {
        volumeMounts: [
          {
            name: "config",
            mountPath: "/etc/cni/net.d/multus.d/daemon-config.json",
            subPath: "daemon-config.json",
          },
        ],
      },
      usualVolume,
      "daemon-config.json",
    ],
    [
      "under another key",
      {},
      {
        ...usualVolume,
        configMap: { name: "multus-daemon-config", items: [{ key: "thick", path: "daemon-config.json" }] },
      },
      "thick",
    ],
    [
      "where -config says",
      { args: ["-config", "/etc/own/thick.json"], volumeMounts: [{ name: "config", mountPath: "/etc/own" }] },
      usualVolume,
      "thick.json",
    ],
    [
      "where the last word of the command says",
      {
        command: ["/usr/src/multus-cni/bin/multus-daemon", "--config=/etc/own/sub/thick.json"],
        volumeMounts: [{ name: "config", mountPath: "/etc/own/sub" }],
      },
      usualVolume,
      "thick.json",
    ],
  ])("is found %s", async (_, container, volume, key) => {
    api.answers.set(daemonSets, { items: [goDaemonSet({ container, volume })] });
    configure({ ...daemonConfigOf4_1, logLevel: "debug" }, key);
    expect(await preflight()).toEqual({ exitCode: 1, said: [own] });
  });

  it("that is a file of each node cannot be seen, and the answer is not known", async () => {
    const volume = { name: "config", hostPath: { path: "/etc/cni/net.d/multus.d" } };
    api.answers.set(daemonSets, { items: [goDaemonSet({ volume })] });
    expect(await preflight()).toEqual({
      exitCode: 2,
      said: [expect.stringMatching(/^unknown configuration: .*is in a volume that is no ConfigMap/)],
    });
  });

  it("has keys in any case, as Go reads them", async () => {
    configure(
      Object.fromEntries(Object.entries(daemonConfigOf4_1).map(([key, value]) => [key.toUpperCase(), value])),
    );
    expect(await preflight()).toEqual({ exitCode: 0, said: [] });
    configure({ NamespaceIsolation: true, PerNodeCertificate: { Enabled: true } });
    const { said } = await preflight();
    expect(said).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^look configuration: namespaceIsolation: /),
        expect.stringMatching(/^change configuration: perNodeCertificate: /),
      ]),
    );
  });

  it("may have keys that every object has", async () => {
    const text = '{"constructor": 1, "toString": "x", "__proto__": 2}';
    api.answers.set(configMap, { data: { "daemon-config.json": text } });
    const { exitCode, said } = await preflight();
    expect(exitCode).toBe(0);
    expect(said.join("\n")).toMatch(/^look configuration: .*key "constructor" is not known/m);
  });

  it("of a script cannot be seen, and the answer is not known", async () => {
    const container = { command: ["/bin/sh", "-c", "/usr/src/multus-cni/bin/multus-daemon -config /x"] };
    api.answers.set(daemonSets, { items: [goDaemonSet({ container })] });
    expect(await preflight()).toEqual({
      exitCode: 2,
      said: [expect.stringMatching(/^unknown configuration: its command "\/bin\/sh" is none of Go multus's/)],
    });
  });
});

describe("where and whose it is", () => {
  it("sees nodes that an affinity selects, and not those of an operating system", async () => {
    const affinity = (key: string) => ({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key, operator: "Exists" }] }],
          },
        },
      },
    });
    api.answers.set(daemonSets, { items: [goDaemonSet({ spec: affinity("kubernetes.io/os") })] });
    expect(await preflight()).toEqual({ exitCode: 0, said: [] });
    api.answers.set(daemonSets, { items: [goDaemonSet({ spec: affinity("example.com/multus") })] });
    expect(await preflight()).toEqual({
      exitCode: 1,
      said: ['change daemon: has a nodeAffinity for "example.com/multus"; ours runs on all nodes with Linux'],
    });
  });

  it("belongs to the object that makes it again", async () => {
    const ownerReferences = [{ kind: "NetworkAddonsConfig", name: "cluster", controller: true }];
    api.answers.set(daemonSets, {
      items: [goDaemonSet({ metadata: { namespace: "cluster-network-addons", ownerReferences } })],
    });
    api.answers.set(configMap.replace("kube-system", "cluster-network-addons"), {
      data: { "daemon-config.json": JSON.stringify(daemonConfigOf4_1) },
    });
    expect(await preflight()).toEqual({
      exitCode: 1,
      said: [
        'change daemon: belongs to "NetworkAddonsConfig cluster", which puts it back whenever it is changed',
      ],
    });
  });
});

describe("clients of the socket", () => {
  it("are not Multus's own pods, also where DaemonSets may not be listed", async () => {
    const ownerReferences = [{ kind: "DaemonSet", name: "kube-multus-ds", controller: true }];
    const metadata = { namespace: "kube-system", name: "kube-multus-ds-a", ownerReferences };
    api.answers.set("/api/v1/pods", { items: [{ metadata, spec: goPod() }] });
    api.answers.set(daemonSets, 403);
    expect(await preflight()).toEqual({
      exitCode: 2,
      said: ["unknown daemon: not allowed to list daemonsets.apps in all namespaces"],
    });
  });

  it("are pods that have not ended", async () => {
    await preflight();
    const lists = api.asked.filter((request) => request.startsWith("GET /api/v1/pods?"));
    expect(lists.length).toBeGreaterThan(0);
    for (const list of lists) {
      expect(decodeURIComponent(list)).toContain(
        "fieldSelector=status.phase!=Succeeded,status.phase!=Failed",
      );
    }
  });
});

it("the name of a plugin makes the table no wider than a message", async () => {
  const config = (type: string) => JSON.stringify({ cniVersion: "1.0.0", type: "macvlan", ipam: { type } });
  const network = (name: string, type: string) => {
    return { metadata: { namespace: "default", name }, spec: { config: config(type) } };
  };
  api.answers.set(definitions, { items: [network("a", "\u001b[2J".repeat(50_000)), network("b", "dhcp")] });
  const { stdout } = await run();
  expect(stdout).toMatch(/^OK +default\/b +macvlan,dhcp/m);
  expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThan(600);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});
