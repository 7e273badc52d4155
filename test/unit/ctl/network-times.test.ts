/** The times that try shows are those that the daemon remembers: both sides of the status page, together. */
import { describe, expect, it } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { addTimes } from "../../../src/ctl/try/network-times.ts";
import { RecentRequests } from "../../../src/daemon/recent-requests.ts";
import { newReport } from "../../../src/multus/request/report.ts";

/** Has the daemon answer a request. */
function answer(recent: RecentRequests, command: string, containerId: string, failed = false) {
  const report = newReport();
  report.networks.push({ name: "demo-bridge", ifName: "eth0", start: 0, milliseconds: 12.345 });
  report.networks.push({ name: "default/storage", ifName: "data.0", start: 0, milliseconds: 7 });
  const error = failed ? new CniError(7, "no") : undefined;
  const request = { command, containerId, netns: "", ifName: "eth0", args: "", path: "" };
  const handled = { exitCode: 0, stdout: new Uint8Array(), report, error };
  recent.note({ ...request, config: new Uint8Array() }, handled, { queue: 0, total: 20, runs: [] });
}

describe("addTimes", () => {
  it("reads what the daemon remembers about this container's ADDs", () => {
    const recent = new RecentRequests();
    for (const [command, containerId] of [
      ["ADD", "abc"],
      ["DEL", "abc"],
      ["ADD", "abcd"],
    ] as const) {
      answer(recent, command, containerId);
    }
    const times = addTimes(recent, "abc").map(({ ifName, milliseconds }) => ({ ifName, milliseconds }));
    expect(times).toEqual([
      { ifName: "eth0", milliseconds: 12.35 },
      { ifName: "data.0", milliseconds: 7 },
    ]);
  });

  it("does not count an ADD that failed", () => {
    const recent = new RecentRequests();
    answer(recent, "ADD", "abc", true);
    expect(addTimes(recent, "abc")).toEqual([]);
  });

  it("has none from a daemon of an earlier release", () => {
    expect(addTimes({}, "abc")).toEqual([]);
  });
});
