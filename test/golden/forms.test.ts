/**
 * The files that ours writes have, key by key, the form of those that Go multus wrote: the same names, keys and kinds of values, so that either undoes what the other did.
 * (That the values are the same ones too is for replay.test.ts.)
 */

import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../src/kernels/index.ts";
import { loadKernels } from "../../src/kernels/load.ts";
import { silentLogger } from "../../src/log/logger.ts";
import { netconfOverrides } from "../../src/multus/input/netconf.ts";
import { Multus } from "../../src/multus/multus.ts";
import { leavesSameFiles } from "./allowed-differences.ts";
import { allCases, isObject, type Json, type JsonObject, readCase } from "./cases.ts";
import { Replay } from "./replay.ts";
import { ReplayExecutor } from "./replay-executor.ts";
import { ScratchHost } from "./scratch-host.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** Keys whose texts are JSON in base64. */
const encoded = ["Bytes", "config"];

/** Keys and kinds of values; of a list the forms of its elements, each once. Configurations are the network's own: only that they can be read counts. */
function formOf(value: Json, key = ""): Json {
  if (typeof value === "string" && encoded.includes(key)) {
    const text = Buffer.from(value, "base64");
    const isJson = text.toString("base64") === value && isObject(JSON.parse(text.toString()));
    return isJson ? "base64 of a JSON object" : "broken";
  }
  if (Array.isArray(value)) {
    const forms = value.map((item: Json) => JSON.stringify(formOf(item)));
    return [...new Set(forms)].sort().map((form) => JSON.parse(form));
  }
  if (isObject(value)) {
    const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
    return Object.fromEntries(entries.map(([name, member]) => [name, formOf(member, name)]));
  }
  return value === null ? "null" : typeof value;
}

/** Those whose files have the same values; where they have others, replay.test.ts knows which. */
const added = allCases.filter((golden) => {
  const [first] = golden.steps;
  return first?.command === "ADD" && first.exit === 0 && leavesSameFiles(golden, 0);
});

describe("the files of an ADD", () => {
  test.each(added)("$name", async (golden) => {
    const [step] = golden.steps;
    if (step === undefined) throw new Error(`${golden.name} has no steps`);
    using host = new ScratchHost(golden);
    await new Replay(golden, host, kernels).run(step);
    expect(formOf(host.readState() as JsonObject)).toEqual(formOf(step.files as JsonObject));
    const directory = host.path("/var/lib/cni/multus");
    for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      const { mode } = statSync(join(directory, file));
      expect([file, mode & 0o777]).toEqual([file, file === "results" ? 0o700 : 0o600]);
    }
  });

  test("are of many kinds", () => {
    expect(added.length).toBeGreaterThan(100);
  });
});

test("a network that is plugged in is in the plan, and in the cache, as one that the pod selected", async () => {
  const golden = readCase("json-selection");
  const [step] = golden.steps;
  if (step === undefined) throw new Error(`${golden.name} has no steps`);
  using host = new ScratchHost(golden);
  const cniDir = host.path("/var/lib/cni/multus");
  mkdirSync(cniDir, { recursive: true });
  const { CNI_CONTAINERID: containerId = "", CNI_NETNS: netns = "", CNI_ARGS: args = "" } = step.given.env;
  const [cluster, selected] = step.files[containerId] as readonly JsonObject[];
  if (cluster === undefined || selected === undefined) throw new Error("the case has not two networks");
  host.writeState({ [containerId]: [cluster] });

  const overrides = netconfOverrides(Buffer.from(JSON.stringify({ cniDir })), "daemon-config.json");
  const multus = new Multus({ kernels, log: silentLogger, overrides });
  const request = {
    command: "ADD",
    containerId,
    netns,
    ifName: String(selected.ifnameRequest),
    args,
    path: "/opt/cni/bin",
    config: Buffer.from(String(selected.Bytes), "base64"),
    attributes: Buffer.from(JSON.stringify({ mac: selected.macRequest, ips: selected.ipRequest })),
  };
  const executor = new ReplayExecutor(step, golden.plugins);
  expect((await multus.handleDelegate(request, executor, silentLogger)).error).toBeUndefined();

  const { infinibandGUIDRequest: _notAsked, ...expected } = selected;
  const state = host.readState();
  const plan = state[containerId] as readonly JsonObject[];
  expect(plan[0]).toEqual(cluster);
  expect(formOf(plan[1] ?? null)).toEqual(formOf(expected));
  const cached = `results/caps-${containerId}-${selected.ifnameRequest}`;
  const { capabilityArgs: recorded, ...recordedFile } = step.files[cached] as JsonObject;
  const { capabilityArgs, ...file } = state[cached] as JsonObject;
  expect(formOf(file)).toEqual(formOf(recordedFile));
  const { mac, ips } = recorded as JsonObject;
  expect(capabilityArgs).toEqual({ mac, ips });
});
