/** Mistakes that authors of pods and networks make often: `kubectl describe pod` alone leads to the cause of each. Mended, or deleted, such a pod leaves nothing. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documents, nadManifest } from "../support/cluster/manifests.ts";
import { ClusterNode } from "../support/cluster/node.ts";

interface Mistake {
  readonly about: string;
  /** Of the pod. */
  readonly name: string;
  readonly annotation: string;
  /** Words in one line of an event each. */
  readonly says: readonly RegExp[];
}

const mistakes: readonly Mistake[] = [
  {
    about: "the network's name is misspelt",
    name: "wrong-name",
    annotation: "storrage",
    says: [/NoNetworkFound .*\(storrage\) in namespace \(default\): did you mean storage\?/],
  },
  {
    about: "the network is in another namespace",
    name: "wrong-namespace",
    annotation: "backup",
    says: [
      /NoNetworkFound .*\(backup\) in namespace \(default\): there is one in namespace infra \(select infra\/backup\)/,
    ],
  },
  {
    about: "the network's configuration is no JSON",
    name: "bad-json",
    annotation: "torn",
    says: [
      /InvalidNetwork .*NetworkAttachmentDefinition default\/torn: not valid JSON: .*\(line 4, column 1\)/,
    ],
  },
  {
    about: "the annotation is no JSON",
    name: "bad-annotation",
    annotation: '[{"name": "storage", "interface": "data0"}',
    says: [
      /annotation k8s\.v1\.cni\.cncf\.io\/networks: not valid JSON: it ends where "," or "\]" is expected \(line 1, column 43\)/,
    ],
  },
  {
    about: "the plugin is not installed",
    name: "missing-plugin",
    annotation: "without-plugin",
    says: [
      /NetworkNotAttached .*network default\/without-plugin is not attached as net1: plugin "macvaln" \(ADD\): not found in \/usr\/lib\/cni/,
    ],
  },
  {
    about: "the IPAM plugin is not installed",
    name: "missing-ipam",
    annotation: "without-ipam",
    says: [
      /NetworkNotAttached .*network default\/without-ipam is not attached as net1: plugin "macvlan" \(ADD\) failed: .*the IPAM plugin, ipam\.type "whereabouts", is not installed/,
    ],
  },
  {
    about: "the node has no such master",
    name: "missing-master",
    annotation: "without-master",
    says: [
      /NetworkNotAttached .*network default\/without-master is not attached as net1: plugin "macvlan" \(ADD\) failed: Link not found \(master "ens5f0"\)/,
    ],
  },
  {
    about: "a key of the configuration is misspelt",
    name: "wrong-key",
    annotation: "misspelt",
    says: [
      /NetworkNotAttached .*network default\/misspelt is not attached as net1: .*"mastr" is no key of macvlan: did you mean "master"\?/,
    ],
  },
  {
    about: "all addresses of the range are taken",
    name: "full-range",
    annotation: "storage,full",
    says: [
      /NetworkNotAttached .*network default\/full is not attached as net2: .*no IP addresses available in range set: 10\.134\.0\.5-10\.134\.0\.5/,
    ],
  },
  {
    about: "two networks ask for one interface",
    name: "same-interface",
    annotation: "storage@data0,infra/backup@data0",
    says: [
      /NetworkNotAttached .*network infra\/backup is not attached as data0: .*interface data0 \(CNI_IFNAME\) is already in .*2 networks of the pod ask for interface data0 \(default\/storage, infra\/backup\)/,
    ],
  },
];

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start();
  await node.api.createNamespace("infra");
  const usual = node.macvlan(["10.133.0.0/24"]);
  const oneAddress = { subnet: "10.134.0.0/24", rangeStart: "10.134.0.5", rangeEnd: "10.134.0.5" };
  const networks: readonly (readonly [string, string, string | Readonly<Record<string, unknown>>])[] = [
    ["default", "storage", node.macvlan(["10.130.0.0/24"])],
    ["infra", "backup", node.macvlan(["10.132.0.0/24"])],
    ["default", "torn", '{\n  "cniVersion": "1.0.0",\n  "type": "macvlan",\n}'],
    ["default", "without-plugin", { ...usual, type: "macvaln" }],
    ["default", "without-ipam", { ...usual, ipam: { type: "whereabouts", range: "10.1.0.0/24" } }],
    ["default", "without-master", { ...usual, master: "ens5f0" }],
    ["default", "misspelt", { ...usual, master: undefined, mastr: usual.master }],
    [
      "default",
      "full",
      { ...usual, ipam: { type: "host-local", dataDir: node.ipamDir, ranges: [[oneAddress]] } },
    ],
  ];
  await node.apply(documents(networks.map((network) => nadManifest(...network))));
});

afterAll(() => node?.[Symbol.asyncDispose]());

/** The description that an operator sees. */
const described = (name: string) => node.api.kubectl("describe", "pod", "--namespace", "default", name);

const eventsOf = (text: string) => text.slice(text.indexOf("\nEvents:"));

test("a pod that has taken the last address runs", async () => {
  await node.applyPod("default", "holder", "full");
  await node.waitForPod("default", "holder");
});

describe("kubectl describe pod", () => {
  let before: Awaited<ReturnType<ClusterNode["traces"]>>;

  beforeAll(async () => {
    before = await node.traces();
    await node.apply(
      documents(mistakes.map(({ name, annotation }) => node.podManifest("default", name, annotation))),
    );
    // The second try of each is counted, or is an event of its own: by then all of the first are there.
    for (const { name } of mistakes) {
      await node.until(`two tries of ${name}`, async () => {
        const failed = (await node.events("default", name)).filter(
          ({ reason }) => reason === "FailedCreatePodSandBox",
        );
        return new Set(failed.map(({ note }) => note)).size >= 2;
      });
    }
  });

  test.each(mistakes)("says that $about", async ({ name, says }) => {
    const text = await node
      .until(`the cause in what is described of ${name}`, async () => {
        const seen = eventsOf(await described(name));
        return says.every((words) => seen.split("\n").some((line) => words.test(line))) ? seen : undefined;
      })
      .catch(async (error: unknown) => {
        throw new Error(`${await described(name)}`, { cause: error });
      });
    // Nothing that was undone is told of as if it was there; and one cause is one event, however often it is tried.
    expect(text).not.toContain("AddedInterface");
    expect(text.split("NetworkNotAttached").length - 1).toBe(
      says.join().includes("NetworkNotAttached") ? 1 : 0,
    );
  });

  test("and such pods go when they are deleted, and leave nothing; no DEL of theirs has to wait for a plugin that was never there", async () => {
    await node.deletePods("default", ...mistakes.map(({ name }) => name));
    const recorded = (await node.allEvents()).filter(
      ({ reason, regarding }) => reason === "NetworkDeleteRecorded" && regarding.name !== "wrong-key",
    );
    expect(recorded.map(({ regarding, note }) => `${regarding.name}: ${note}`)).toEqual([]);
    await node.deletePods("default", "holder");
    expect(before.reservations.length).toBeGreaterThan(0);
  });
});

test("a pod that starts without what was meant is told why: the annotation's key, or a key in it, is misspelt", async () => {
  const selecting = node.podManifest("default", "wrong-annotation", "storage");
  await node.apply(
    documents([
      selecting.replace("k8s.v1.cni.cncf.io/networks:", "k8s.v1.cni.cncf.io/network:"),
      node.podManifest("default", "wrong-selection", '[{"name": "storage", "interfaec": "data0"}]'),
    ]),
  );
  await node.waitForPods("default", ["wrong-annotation", "wrong-selection"]);
  for (const [name, words] of [
    [
      "wrong-annotation",
      /InvalidNetwork .*annotation k8s\.v1\.cni\.cncf\.io\/network selects no networks: did you mean k8s\.v1\.cni\.cncf\.io\/networks\?/,
    ],
    [
      "wrong-selection",
      /InvalidNetwork .*\[0\] has key "interfaec", which means nothing: did you mean "interface"\?/,
    ],
  ] as const) {
    await node.until(`the cause in what is described of ${name}`, async () =>
      words.test(eventsOf(await described(name))),
    );
  }
  await node.deletePods("default", "wrong-annotation", "wrong-selection");
});
