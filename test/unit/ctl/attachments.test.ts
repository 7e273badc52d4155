/** ls reads what Go multus left: the files of the golden cases, whole and torn. */
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readAttachments } from "../../../src/ctl/node/attachments.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { writeAttachedPod } from "../../support/recorded-devices.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const golden = join(import.meta.dirname, "..", "..", "golden");
const containerId = "c0ffee0123456789";

let kernels: Kernels;
let scratch: ScratchDirectory;

beforeAll(async () => {
  kernels = loadKernels();
});

beforeEach(() => {
  scratch = new ScratchDirectory("ls");
});
afterEach(() => scratch[Symbol.dispose]());

/** The cache directory as it was after the first step of a golden case. */
function cacheOf(name: string): string {
  const { steps } = JSON.parse(readFileSync(join(golden, `${name}.json`), "utf8")) as {
    steps: { files: Record<string, unknown> }[];
  };
  for (const [file, content] of Object.entries(steps[0]?.files ?? {})) {
    scratch.write(file, typeof content === "string" ? content : JSON.stringify(content));
  }
  return scratch.path;
}

describe.each(["three-nads", "three-nads-4.3.0"])("%s", (name) => {
  it("lists the pod's four networks", async () => {
    const { attachments, problems } = await readAttachments(cacheOf(name), kernels);
    expect(problems).toEqual([]);
    expect(
      attachments.map(({ ifName, network, plugins, state }) => ({ ifName, network, plugins, state })),
    ).toEqual([
      { ifName: "eth0", network: "cbr0", plugins: ["bridge"], state: "attached" },
      { ifName: "net1", network: "default/mv1", plugins: ["macvlan"], state: "attached" },
      { ifName: "net2", network: "default/mv2", plugins: ["macvlan"], state: "attached" },
      { ifName: "data0", network: "default/mv3", plugins: ["macvlan"], state: "attached" },
    ]);
    expect(new Set(attachments.map(({ pod }) => pod))).toEqual(new Set(["default/web"]));
    expect(attachments[2]).toMatchObject({
      containerId,
      addresses: ["10.164.152.125/16"],
      mac: "02:dd:0a:cb:c7:e5",
    });
  });
});

describe("an attachment with a device", () => {
  const pod = {
    containerId,
    pod: "default/web",
    uid: "u-1",
    networks: [{ name: "default/fast", ifName: "net1", resource: "intel.com/vf", device: "0000:65:00.2" }],
  };

  it("has it, with its resource, from the plan", async () => {
    writeAttachedPod(scratch, pod);
    const { attachments } = await readAttachments(scratch.path, kernels);
    expect(attachments).toMatchObject([
      {
        pod: "default/web",
        podUid: "u-1",
        resource: "intel.com/vf",
        device: "0000:65:00.2",
        state: "attached",
      },
    ]);
  });

  it("has it from the result's configuration where there is no plan", async () => {
    writeAttachedPod(scratch, { ...pod, only: "results" });
    const { attachments } = await readAttachments(scratch.path, kernels);
    expect(attachments).toMatchObject([{ resource: "", device: "0000:65:00.2", state: "unplanned" }]);
  });

  it.each([
    ["a list's first plugin", { plugins: [{ type: "sriov", deviceID: "1" }, { type: "tuning" }] }, "1"],
    ["a number", { type: "sriov", deviceID: 1 }, ""],
    ["no plugin", { plugins: [] }, ""],
  ])("has what %s says", async (_what, configuration, device) => {
    writeAttachedPod(scratch, { ...pod, only: "results" });
    const file = join(scratch.path, "results", `fast-${containerId}-net1`);
    const config = Buffer.from(JSON.stringify({ cniVersion: "1.0.0", name: "fast", ...configuration }));
    const result = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...result, config: config.toString("base64") }));
    expect((await readAttachments(scratch.path, kernels)).attachments).toMatchObject([{ device }]);
  });
});

describe("every golden case", () => {
  const names = readdirSync(golden)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length));

  it.each(names)("%s: an attachment for every result and every planned network", async (name) => {
    const { attachments } = await readAttachments(cacheOf(name), kernels);
    const results = readdirSync(scratch.path, { recursive: true }).filter((file) =>
      String(file).includes("results/"),
    );
    expect(attachments.filter(({ state }) => state !== "planned")).toHaveLength(results.length);
  });
});

describe("a container whose DEL is recorded", () => {
  it.each([
    ["0000000000000001-03", "deleting"],
    ["failed-0000000000000001-79", "given-up"],
  ])("as %s-… is listed as %s; others are not", async (name, state) => {
    const directory = cacheOf("three-nads");
    mkdirSync(join(directory, ".spool"));
    writeFileSync(join(directory, ".spool", `${name}-another`), "");
    expect((await readAttachments(directory, kernels)).attachments.map((each) => each.state)).not.toContain(
      state,
    );
    writeFileSync(join(directory, ".spool", `${name}-${containerId}`), "");
    const { attachments, problems } = await readAttachments(directory, kernels);
    expect(problems).toEqual([]);
    expect(attachments.map((each) => each.state)).toEqual(Array(4).fill(state));
  });
});

describe("a torn cache", () => {
  it("gives the results where the plan is torn, and says that it is", async () => {
    const directory = cacheOf("three-nads");
    truncateSync(join(directory, containerId), 700);
    const { attachments, problems } = await readAttachments(directory, kernels);
    expect(problems).toEqual([
      { file: join(directory, containerId), problem: expect.stringContaining("torn") },
    ]);
    expect(attachments).toHaveLength(4);
    expect(attachments.map(({ ifName }) => ifName).sort()).toEqual(["data0", "eth0", "net1", "net2"]);
    expect(attachments.map(({ state }) => state)).toContain("unplanned");
  });

  it("gives the plan where a result is torn, and says that it is", async () => {
    const directory = cacheOf("three-nads");
    const result = join(directory, "results", `mv1-${containerId}-net1`);
    truncateSync(result, 300);
    const { attachments, problems } = await readAttachments(directory, kernels);
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.file} ${problems[0]?.problem}`).toContain(result);
    expect(attachments.map(({ network }) => network)).toEqual([
      "cbr0",
      "default/mv1",
      "default/mv2",
      "default/mv3",
    ]);
  });

  it("lists a plan whose results are gone as planned", async () => {
    const directory = cacheOf("three-nads");
    rmSync(join(directory, "results"), { recursive: true });
    const { attachments } = await readAttachments(directory, kernels);
    expect(attachments.map(({ state }) => state)).toEqual(["planned", "planned", "planned", "planned"]);
    expect(attachments.map(({ plugins }) => plugins)).toEqual([
      ["bridge"],
      ["macvlan"],
      ["macvlan"],
      ["macvlan"],
    ]);
  });

  it("survives whatever else is in the directory", async () => {
    const directory = cacheOf("three-nads");
    writeFileSync(join(directory, "feed"), "");
    writeFileSync(join(directory, "beef"), "\u0000\u0001");
    writeFileSync(join(directory, ".hidden"), "x");
    writeFileSync(join(directory, "results", "stray"), "not a result");
    mkdirSync(join(directory, "directory"));
    const { attachments, problems } = await readAttachments(directory, kernels);
    expect(attachments).toHaveLength(4);
    expect(problems.map(({ file }) => file)).toEqual(
      expect.arrayContaining([join(directory, "feed"), join(directory, "beef")]),
    );
  });
});
