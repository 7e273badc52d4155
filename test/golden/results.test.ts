/** Every result that Go multus was recorded with: what it cached and reported of them is what the kernels make of them. */

import { describe, expect, test } from "vitest";
import { loadKernels } from "../../src/kernels/load.ts";
import { longestStatus } from "../../src/multus/input/bounds.ts";
import { expectation } from "./allowed-differences.ts";
import { attachmentsOf } from "./attachments.ts";
import { allCases, isObject, type Json, type JsonObject } from "./cases.ts";
import { routesChanged } from "./default-routes.ts";
import { isCacheOf } from "./kept.ts";

const kernels = loadKernels();

const parsed = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

const bytesOf = (value: JsonObject) => Buffer.from(JSON.stringify(value));

const adds = allCases.flatMap((golden) =>
  golden.steps.flatMap((step, index) => {
    if (step.command !== "ADD") return [];
    const attachments = attachmentsOf(golden, step);
    return attachments.length === 0 ? [] : [{ name: golden.name, index, golden, step, attachments }];
  }),
);

describe.each(adds)("$name step $index", ({ golden, index, step, attachments }) => {
  test("the cached results are the converted ones", () => {
    const files = Object.keys(step.files).filter((path) => path.startsWith("results/"));
    const kept = expectation(golden, index).files;
    expect(attachments.filter(({ cached }) => cached !== undefined)).toHaveLength(files.length);
    for (const attachment of attachments) {
      const { version, ifName, result } = attachment;
      const path = files.find((candidate) => isCacheOf(attachment, candidate));
      // Without a cache the ADD failed later, and was undone.
      if (path === undefined || result === undefined) continue;
      const converted = kernels.convertResult({
        result: bytesOf(result),
        configVersion: version,
        targetVersion: undefined,
        defaultRoutes: routesChanged(golden, ifName),
      });
      expect(parsed(converted), ifName).toEqual((kept[path] as JsonObject).result);
    }
  });
});

describe.each(adds.filter(({ step }) => step.networkStatus))("$name step $index", ({ step, attachments }) => {
  test("network-status is the aggregated one", () => {
    const expected: readonly Json[] = Array.isArray(step.networkStatus) ? step.networkStatus : [];
    const attached = attachments.filter(({ result }) => result !== undefined);
    const inputs = attached.map(({ name, ifName, result = {} }) => {
      return { name, isDefault: ifName === step.given.env.CNI_IFNAME, ifName, result: bytesOf(result) };
    });
    const status = parsed(kernels.networkStatus(inputs, longestStatus));
    const entries: readonly Json[] = Array.isArray(status) ? status : [];
    // Go multus has no entry for a result without interfaces; ours has one for each attachment.
    const known = expected.filter(isObject).map((entry) => entry.interface);
    expect(entries.filter((entry) => isObject(entry) && known.includes(entry.interface))).toEqual(expected);
    expect(entries.length).toBeGreaterThanOrEqual(attached.length);
  });
});

test("results were found", () => {
  expect(adds.length).toBeGreaterThan(15);
});
