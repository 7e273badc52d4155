/**
 * Attacks a node from a process of its own, until it is told to end: writes objects again and again, and calls the plugin for pods. Run as a program with the path of an
 * `AttackPlan` in JSON. Each time that everything was done once more it prints a line with an `AttackReport`.
 */

import { readFileSync } from "node:fs";
import { ApiClient } from "../../../src/kube/api-client.ts";
import { kubeconfigCredentials } from "../../../src/kube/credentials.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { callPlugin, type PluginCall } from "../plugin.ts";

/** An object that is changed. */
export interface Target {
  readonly path: string;
}

export interface AttackPlan {
  /** Of a user who may write the objects. */
  readonly kubeconfig: string;
  readonly targets: readonly Target[];
  /** Writes under way. */
  readonly writesAtOnce: number;
  /** The plugin, with what it is run through. */
  readonly plugin: readonly string[];
  /** ADDs; each is followed by its DEL. */
  readonly calls: readonly PluginCall[];
  readonly callsAtOnce: number;
}

/** How much was done so far. */
export interface AttackReport {
  readonly writes: number;
  /** ADDs by what came of them: `0`, or the CNI error code. */
  readonly adds: Readonly<Record<string, number>>;
}

const plan: AttackPlan = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const api = new ApiClient(kubeconfigCredentials(plan.kubeconfig, silentLogger));
const adds: Record<string, number> = {};
let writes = 0;

function report(): void {
  process.stdout.write(`${JSON.stringify({ writes, adds } satisfies AttackReport)}\n`);
}

/** Does `work` for each item, over and over. */
async function forever<Item>(
  items: readonly Item[],
  work: (item: Item, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; ; round++) {
    for (const item of items) await work(item, round);
    report();
  }
}

async function change({ path }: Target, round: number): Promise<void> {
  await api.request({
    method: "PATCH",
    path,
    contentType: "application/merge-patch+json",
    body: { metadata: { labels: { round: String(round) } } },
    maxBytes: 64 << 20,
    timeoutMs: 60_000,
  });
  writes += 1;
}

async function attach(call: PluginCall): Promise<void> {
  const added = await callPlugin(plan.plugin, call);
  const outcome = added.exitCode === 0 ? "0" : String(added.error.code);
  adds[outcome] = (adds[outcome] ?? 0) + 1;
  await callPlugin(plan.plugin, { ...call, command: "DEL" });
}

/** Every nth item, from a place on. */
const share = <Item>(items: readonly Item[], of: number, place: number) =>
  items.filter((_, index) => index % of === place);

const workers = [
  ...Array.from({ length: plan.writesAtOnce }, (_, place) =>
    forever(share(plan.targets, plan.writesAtOnce, place), change),
  ),
  ...Array.from({ length: plan.callsAtOnce }, (_, place) =>
    forever(share(plan.calls, plan.callsAtOnce, place), attach),
  ),
];
await Promise.all(workers);
