/** Every result that Go multus was recorded with: what it cached and reported of them is what the kernels make of them. */

import { describe, expect, test } from "vitest";
import { loadKernels } from "../../src/kernels/load.ts";
import { cases, isObject, type Json, type Step } from "./cases.ts";

const kernels = loadKernels();

/** An attachment as recorded: the last result of its chain. */
interface Attachment {
  readonly network: string;
  readonly ifName: string;
  readonly version: string;
  readonly result: Uint8Array;
}

function attachmentsOf(step: Step): Attachment[] {
  const attachments = new Map<string, Attachment>();
  for (const call of step.calls) {
    if (call.env.CNI_COMMAND !== "ADD" || call.exit !== 0 || typeof call.stdout !== "object") continue;
    const network = String(call.stdin.name);
    const ifName = String(call.env.CNI_IFNAME);
    attachments.set(`${network} ${ifName}`, {
      network,
      ifName,
      version: String(call.stdin.cniVersion),
      result: Buffer.from(JSON.stringify(call.stdout)),
    });
  }
  return [...attachments.values()];
}

const parsed = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

const adds = cases
  .flatMap(({ name, steps }) => steps.map((step, index) => ({ name, index, step })))
  .filter(({ step }) => step.command === "ADD" && attachmentsOf(step).length > 0);

describe.each(adds)("$name step $index", ({ name, step }) => {
  const attachments = attachmentsOf(step);

  test("the cached results are the converted ones", () => {
    for (const [file, cached] of Object.entries(step.files)) {
      if (!file.startsWith("results/")) continue;
      const attachment = attachments.find(
        ({ network, ifName }) => file.startsWith(`results/${network}-`) && file.endsWith(`-${ifName}`),
      );
      if (attachment === undefined) throw new Error(`no call made ${file}`);
      const converted = kernels.convertResult({
        result: attachment.result,
        configVersion: attachment.version,
        targetVersion: attachment.version,
        // The one case in which the pod asks for a default route: IPv4, by net1.
        defaultRoutes:
          name === "default-route"
            ? {
                removeIPv4: true,
                removeIPv6: false,
                add: attachment.ifName === "net1" ? ["10.81.0.254"] : [],
              }
            : undefined,
      });
      expect(parsed(converted), file).toEqual(isObject(cached) ? cached.result : undefined);
    }
  });
});

describe.each(adds.filter(({ step }) => step.networkStatus))("$name step $index", ({ step }) => {
  const attachments = attachmentsOf(step);

  test("network-status is the aggregated one", () => {
    const expected: readonly Json[] = Array.isArray(step.networkStatus) ? step.networkStatus : [];
    const inputs = attachments.map(({ ifName, result }) => {
      const entry = expected.filter(isObject).find((candidate) => candidate.interface === ifName);
      return { name: String(entry?.name ?? ifName), isDefault: ifName === "eth0", ifName, result };
    });
    const status = parsed(kernels.networkStatus(inputs));
    const entries: readonly Json[] = Array.isArray(status) ? status : [];
    // Go multus has no entry for a result without interfaces; ours has one for each attachment.
    const known = expected.filter(isObject).map((entry) => entry.interface);
    expect(entries.filter((entry) => isObject(entry) && known.includes(entry.interface))).toEqual(expected);
    expect(entries.length).toBeGreaterThanOrEqual(attachments.length);
  });
});

test("results were found", () => {
  expect(adds.length).toBeGreaterThan(15);
});
