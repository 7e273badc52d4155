/** Pods that ask for what they cannot have: a network that cannot be used, or one of a namespace that is closed to them. They are told, others are not harmed. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterNode } from "../support/cluster/node.ts";

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start();
  for (const namespace of ["media", "closed"]) await node.api.createNamespace(namespace);
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("media", "backup", node.macvlan(["10.132.0.0/24"]));
});

afterAll(() => node?.[Symbol.asyncDispose]());

describe("a network-attachment-definition that cannot be used", () => {
  const broken = [
    {
      about: "broken JSON",
      name: "torn",
      config: '{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}',
      says: /media\/torn.*line 3/s,
    },
    {
      about: "no type",
      name: "untyped",
      config: '{\n  "cniVersion": "1.0.0",\n  "master": "uplink0"\n}',
      says: /media\/untyped.*plugins/s,
    },
    {
      about: "a cniVersion that nobody knows",
      name: "future",
      config: '{\n  "cniVersion": "9.9.9",\n  "type": "macvlan"\n}',
      says: /media\/future.*9\.9\.9/s,
    },
  ];

  test.each(broken)(
    "$about: the pod is told which and where, another starts, and so does it once that is mended",
    async ({ name, config, says }) => {
      const before = await node.traces();
      await node.applyNetwork("media", name, config);
      await node.applyPod("default", `with-${name}`, `storage,media/${name}`);
      await node.applyPod("default", `beside-${name}`, "storage");
      await node.waitForPod("default", `beside-${name}`);

      const failed = await node.waitForEvent("default", `with-${name}`, "FailedCreatePodSandBox");
      expect(failed.note).toMatch(says);
      const invalid = await node.waitForEvent("default", `with-${name}`, "InvalidNetwork");
      expect(invalid.type).toBe("Warning");
      expect(invalid.note).toMatch(says);
      expect((await node.pod("default", `with-${name}`))?.status.phase).toBe("Pending");

      await node.applyNetwork("media", name, node.macvlan(["10.133.0.0/24"]));
      await node.waitForPod("default", `with-${name}`);
      expect((await node.podLinks("default", `with-${name}`)).map(({ ifname }) => ifname)).toEqual([
        "eth0",
        "net1",
        "net2",
      ]);
      await node.deletePods("default", `with-${name}`, `beside-${name}`);
      await node.untilNothingIsLeft(before);
    },
  );

  test("one that does not exist: event NoNetworkFound; created, the pod starts", async () => {
    const before = await node.traces();
    await node.applyPod("default", "early", "storage,media/later");
    const missing = await node.waitForEvent("default", "early", "NoNetworkFound");
    expect(missing.type).toBe("Warning");
    expect(missing.note).toBe("cannot find a network-attachment-definition (later) in namespace (media)");
    const failed = await node.waitForEvent("default", "early", "FailedCreatePodSandBox");
    expect(failed.note).toMatch(/default\/early.*media\/later/s);
    await node.applyNetwork("media", "later", node.macvlan(["10.134.0.0/24"]));
    await node.waitForPod("default", "early");
    await node.deletePods("default", "early");
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
