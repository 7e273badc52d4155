/** Pods that select an unusable network, or one of a namespace that is closed to them: they get an error, and other pods are not affected. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode } from "../support/cluster/node.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start();
  for (const namespace of ["media", "closed"]) await node.api.createNamespace(namespace);
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("media", "backup", node.macvlan(["10.132.0.0/24"]));
});

afterAll(() => node?.[Symbol.asyncDispose]());

const unusable = [
  {
    about: "broken JSON",
    name: "torn",
    config: '{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}',
    says: /NetworkAttachmentDefinition media\/torn: .*\(line 3, column 11\)/,
  },
  {
    about: "no type",
    name: "untyped",
    config: '{\n  "cniVersion": "1.0.0",\n  "master": "uplink0"\n}',
    says: /NetworkAttachmentDefinition media\/untyped: must have a type \(one plugin\) or plugins.*\(line 1, column 1\)/,
  },
  {
    about: "a cniVersion that nobody knows",
    name: "future",
    config: '{\n  "cniVersion": "9.9.9",\n  "type": "macvlan"\n}',
    says: /NetworkAttachmentDefinition media\/future: cniVersion "9\.9\.9" is not supported.*\(line 2, column 17\)/,
  },
  {
    about: "a type of the wrong kind",
    name: "mistyped",
    config: '{\n  "cniVersion": "1.0.0",\n  "type": ["macvlan"]\n}',
    says: /NetworkAttachmentDefinition media\/mistyped: .*type must be a string \(line 3, column 11\)/,
  },
] as const;

/** Waits for what a pod that got no sandbox is told. */
async function refusal(name: string, reason: "InvalidNetwork" | "NoNetworkFound") {
  const event = await node.waitForEvent("default", name, reason);
  const failed = await node.waitForEvent("default", name, "FailedCreatePodSandBox");
  return { type: event.type, event: event.note, failed: failed.note };
}

test("networks that cannot be used, or do not exist: each pod is told which and why, a good one is not harmed; mended, all run", async () => {
  const before = await node.traces();
  const names = unusable.map(({ name }) => name);
  for (const { name, config } of unusable) await node.applyNetwork("media", name, config);
  await node.apply(
    documents([
      ...names.map((name) => node.podManifest("default", `with-${name}`, `storage,media/${name}`)),
      node.podManifest("default", "with-later", "storage,media/later"),
      node.podManifest("default", "beside", "storage,media/backup"),
    ]),
  );
  await node.waitForPod("default", "beside");

  for (const { about, name, says } of unusable) {
    const told = await refusal(`with-${name}`, "InvalidNetwork");
    expect(told, about).toEqual({
      type: "Warning",
      event: expect.stringMatching(says),
      failed: expect.stringMatching(says),
    });
    expect(told.failed, about).toContain(`default/with-${name}`);
  }
  expect(await refusal("with-later", "NoNetworkFound")).toEqual({
    type: "Warning",
    event: "cannot find a network-attachment-definition (later) in namespace (media)",
    failed: expect.stringMatching(/default\/with-later.*media\/later|later.*media.*default\/with-later/s),
  });
  const refused = [...names, "later"].map((name) => `with-${name}`);
  const phases = (await node.pods("default")).map(
    ({ metadata, status }) => `${metadata.name} ${status.phase}`,
  );
  expect(phases.sort()).toEqual(["beside Running", ...refused.map((name) => `${name} Pending`)].sort());

  for (const name of [...names, "later"]) {
    await node.applyNetwork("media", name, node.macvlan(["10.133.0.0/24"]));
  }
  await node.waitForPods("default", refused);
  for (const name of refused) {
    const links = await node.podLinks("default", name);
    expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "net2"]);
  }
  await node.deletePods("default", "beside", ...refused);
  await node.untilNothingIsLeft(before);
});

describe("a network that is too large", () => {
  afterAll(() => node.restartDaemon());

  const manifest = (name: string, bytes: number) => ({
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { namespace: "media", name },
    spec: { config: JSON.stringify(node.macvlan(["10.133.0.0/24"], { padding: "x".repeat(bytes) })) },
  });
  const path = "/apis/k8s.cni.cncf.io/v1/namespaces/media/network-attachment-definitions";

  test("is one that the API server refuses, or that pods are told of with its size", async () => {
    const before = await node.traces();
    using directory = new ScratchDirectory("nads");
    const refused = await node.api.ask("POST", path, { body: manifest("huge", 2_000_000) });
    expect(refused).toMatchObject({ status: 500, text: expect.stringMatching(/too large|larger than max/) });
    await node.api.request("POST", path, manifest("large", 1_200_000));
    // As a file it may have any size.
    directory.write("huge.json", JSON.stringify(manifest("huge", 2_000_000)));
    await node.restartDaemon({ nadDir: directory.path });
    await node.applyPod("default", "with-large", "media/large");
    await node.applyPod("default", "with-huge", "media/huge");
    for (const [name, size] of [
      ["large", "12\\d{5}"],
      ["huge", "20\\d{5}"],
    ] as const) {
      const text = `NetworkAttachmentDefinition media/${name}: spec.config has ${size} bytes, and at most 1048576 are allowed`;
      expect(await refusal(`with-${name}`, "InvalidNetwork")).toEqual({
        type: "Warning",
        event: expect.stringMatching(text),
        failed: expect.stringMatching(text),
      });
    }
    await node.deletePods("default", "with-large", "with-huge");
    await node.api.request("DELETE", `${path}/large`);
    await node.untilNothingIsLeft(before);
  });
});

describe("namespaceIsolation", () => {
  afterAll(() => node.restartDaemon());

  test("a network of another namespace is refused; with globalNamespaces it is not", async () => {
    const before = await node.traces();
    await node.restartDaemon({ namespaceIsolation: true });
    await node.applyPod("closed", "curious", "media/backup");
    const failed = await node.waitForEvent("closed", "curious", "FailedCreatePodSandBox");
    expect(failed.note).toMatch(/closed\/curious.*media\/backup.*isolat/s);
    // Networks of namespace default are everybody's.
    await node.applyPod("closed", "modest", "default/storage");
    await node.waitForPod("closed", "modest");
    expect((await node.podLinks("closed", "modest")).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
    expect((await node.pod("closed", "curious"))?.status.phase).toBe("Pending");

    await node.restartDaemon({ namespaceIsolation: true, globalNamespaces: "media" });
    await node.waitForPod("closed", "curious");
    expect((await node.podLinks("closed", "curious")).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
    await node.deletePods("closed", "curious", "modest");
    await node.untilNothingIsLeft(before);
  });
});
