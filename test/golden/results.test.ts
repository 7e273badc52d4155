/** Every result that Go multus was recorded with: what it cached and reported of them is what the kernels make of them. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadKernels } from "../../src/kernels/load.ts";

const kernels = loadKernels();

interface Call {
  readonly env: Record<string, string>;
  readonly stdin: Record<string, unknown>;
  readonly exit: number;
  readonly stdout: unknown;
}

interface Step {
  readonly given: { readonly env?: Record<string, string> };
  readonly calls?: readonly Call[];
  readonly files?: Record<string, { readonly result?: unknown }>;
  readonly networkStatus?: readonly Record<string, unknown>[] | null;
}

/** An attachment as recorded: the last result of its chain. */
interface Attachment {
  readonly network: string;
  readonly ifName: string;
  readonly version: string;
  readonly result: Uint8Array;
}

function attachmentsOf(step: Step): Attachment[] {
  const attachments = new Map<string, Attachment>();
  for (const call of step.calls ?? []) {
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

const adds = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".json"))
  .flatMap((name) => {
    const { steps } = JSON.parse(readFileSync(`${import.meta.dirname}/${name}`, "utf8")) as { steps: Step[] };
    return steps.map((step, index) => ({ name: `${name} step ${index}`, step }));
  })
  .filter(({ step }) => step.given.env?.CNI_COMMAND === "ADD" && attachmentsOf(step).length > 0);

describe.each(adds)("$name", ({ name, step }) => {
  const attachments = attachmentsOf(step);

  test("the cached results are the converted ones", () => {
    for (const [file, { result }] of Object.entries(step.files ?? {})) {
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
        defaultRoutes: name.startsWith("default-route.json")
          ? { removeIPv4: true, removeIPv6: false, add: attachment.ifName === "net1" ? ["10.81.0.254"] : [] }
          : undefined,
      });
      expect(parsed(converted), file).toEqual(result);
    }
  });
});

describe.each(adds.filter(({ step }) => step.networkStatus))("$name", ({ step }) => {
  const attachments = attachmentsOf(step);

  test("network-status is the aggregated one", () => {
    const expected = step.networkStatus ?? [];
    const inputs = attachments.map(({ ifName, result }) => {
      const entry = expected.find((candidate) => candidate.interface === ifName);
      return { name: String(entry?.name ?? ifName), isDefault: ifName === "eth0", result };
    });
    expect(parsed(kernels.networkStatus(inputs))).toEqual(expected);
  });
});

test("results were found", () => {
  expect(adds.length).toBeGreaterThan(15);
});
