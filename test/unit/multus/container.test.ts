import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type AttachmentKey, ResultCache } from "../../../src/cni/cache.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import {
  hasWholePlan,
  podOf,
  readContainer,
  unplannedAttachments,
} from "../../../src/multus/state/container.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const kernels = loadKernels();
const containerId = "c0ffee0123456789";

function configurationOf(name: string): string {
  return JSON.stringify({ cniVersion: "1.0.0", name, type: "bridge" });
}

function entryOf(networkName: string, more: object = {}): object {
  return { Bytes: Buffer.from(configurationOf(networkName)).toString("base64"), ...more };
}

class Disk implements Disposable {
  readonly #scratch = new ScratchDirectory("container");
  readonly cniDir = this.#scratch.path;
  readonly reads: string[] = [];
  readonly cache = new ResultCache(this.cniDir, silentLogger);

  plan(text: string): void {
    writeFileSync(join(this.cniDir, containerId), text);
  }

  result(networkName: string, ifName: string): void {
    mkdirSync(join(this.cniDir, "results"), { recursive: true });
    const config = Buffer.from(configurationOf(networkName));
    const args = [["K8S_POD_NAME", "web"]] as const;
    const rest = { netns: "", args, capabilityArgs: undefined, result: Buffer.from("{}") };
    this.cache.write({ networkName, containerId, ifName, config, ...rest });
  }

  read(clusterIfName: (networkName: string) => string = () => "eth0") {
    const read = (key: AttachmentKey) => {
      this.reads.push(`${key.networkName}@${key.ifName}`);
      return this.cache.read(key);
    };
    return readContainer(this.cniDir, containerId, { kernels, cache: { read }, clusterIfName });
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

it("joins each entry of a plan with its result, which is read when it is asked for, once", () => {
  using disk = new Disk();
  disk.plan(JSON.stringify([entryOf("cluster"), entryOf("a", { Name: "default/nad" }), entryOf("b")]));
  disk.result("cluster", "eth7");
  disk.result("a", "net1");
  const container = disk.read((networkName) => (networkName === "cluster" ? "eth7" : "wrong"));
  expect(disk.reads).toEqual([]);
  expect(container.attachments.map(({ name, networkName, ifName }) => [name, networkName, ifName])).toEqual([
    ["cluster", "cluster", "eth7"],
    ["default/nad", "a", "net1"],
    ["b", "b", "net2"],
  ]);
  const [cluster, , last] = container.attachments;
  expect([cluster?.cached?.networkName, last?.cached]).toEqual(["cluster", undefined]);
  expect([cluster?.cached?.ifName, last?.cached]).toEqual(["eth7", undefined]);
  expect(disk.reads).toEqual(["cluster@eth7", "b@net2"]);
  expect(hasWholePlan(container)).toBe(true);
  expect(podOf(container)).toMatchObject({ name: "web" });
});

it("names a network whose configuration is damaged after its NetworkAttachmentDefinition", () => {
  using disk = new Disk();
  disk.plan(JSON.stringify([entryOf("cluster"), { Name: "default/lost", Bytes: "e30" }]));
  expect(disk.read().attachments[1]).toMatchObject({
    name: "default/lost",
    networkName: "lost",
    plugins: [],
  });
});

it("has name and plugins of a network from the first configuration that has them", () => {
  using disk = new Disk();
  const Conf = { cniVersion: "1.0.0", name: "kept", type: "bridge" };
  disk.plan(JSON.stringify([{ Name: "default/nad", Bytes: Buffer.from("{}").toString("base64"), Conf }]));
  expect(disk.read().attachments[0]).toMatchObject({
    name: "default/nad",
    networkName: "kept",
    plugins: ["bridge"],
  });
});

it("has the attachments that only the result cache knows, beside those of the plan", async () => {
  using disk = new Disk();
  disk.plan(JSON.stringify([entryOf("cluster")]));
  disk.result("cluster", "eth0");
  disk.result("cluster", "net5");
  disk.result("plugged", "eth0");
  const { attachments } = disk.read();
  const unplanned = unplannedAttachments(attachments, await disk.cache.list(containerId));
  expect(unplanned.map(({ networkName, ifName, planned }) => [networkName, ifName, planned])).toEqual([
    ["cluster", "net5", undefined],
    ["plugged", "eth0", undefined],
  ]);
});

it("takes no pod from a plan that is torn, and none from a container without a plan", () => {
  using disk = new Disk();
  disk.result("cluster", "eth0");
  expect([hasWholePlan(disk.read()), podOf(disk.read())]).toEqual([false, undefined]);
  disk.plan(JSON.stringify([entryOf("cluster"), entryOf("a")]).slice(0, -9));
  const torn = disk.read();
  expect([torn.attachments.length, hasWholePlan(torn), podOf(torn)]).toEqual([1, false, undefined]);
});
