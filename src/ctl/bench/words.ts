/** The words for what a pod waits for, and for how a benchmark ended. */

import type { BenchReport } from "./report.ts";

/** By part of a pod's time (waits.ts); `outside` depends on what was measured. */
const partWords: Readonly<Record<string, string>> = {
  queue: "wait for a slot",
  netconf: "read the netconf",
  recorded: "recorded DELs first",
  ready: "wait until the cluster network is ready",
  "pod-lookup": "look the pod up",
  plan: "plan the networks",
  "plan-file": "write the plan",
  plugins: "plugins",
  "around-plugins": "configurations, results, orders",
  links: "look at links",
  status: "hand over network-status",
  undo: "undo",
  other: "other work of the daemon",
};

/** @param part of a pod's time @param through as in the report's setting */
export function partName(part: string, through: BenchReport["setting"]["through"]): string {
  if (part === "outside") {
    return through === "plugin" ? "plugin's process and socket" : "runtime and plugin's process";
  }
  return partWords[part] ?? part;
}

/** How a benchmark ended, for one that is not complete; "" for one that is. */
export function endText({ state, reason, rounds, setting }: BenchReport): string {
  const so = `${rounds} of ${setting.roundsAsked} rounds are measured`;
  switch (state) {
    case "complete":
      return "";
    case "interrupted":
      return `Interrupted: ${so}. ${reason}.`;
    case "out-of-time":
      return `Out of time: ${so}. ${reason}.`;
    case "failed":
      return `Failed: ${so}. ${reason}`;
  }
}

/** The measurement in one line. */
export function settingText({ setting, rounds }: BenchReport): string {
  const { through, runtime, networks, warmUps } = setting;
  const how = through === "plugin" ? "the plugin alone, on scratch pods" : `pod sandboxes of ${runtime}`;
  const each = networks === 1 ? "1 network" : `${networks} networks`;
  return `Through ${how}; ${each} a pod; ${rounds} rounds after ${warmUps} to warm up, interleaved`;
}
