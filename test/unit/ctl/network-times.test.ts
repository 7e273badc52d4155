/** The times that try shows are those that the daemon writes: both sides of the log line, together. */
import { describe, expect, it } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { addTimes } from "../../../src/ctl/try/network-times.ts";
import { logRequest } from "../../../src/daemon/request-log.ts";
import { formatFields, formatLine } from "../../../src/log/line.ts";
import type { Logger } from "../../../src/log/logger.ts";
import { newReport } from "../../../src/multus/request/report.ts";

/** The line that the daemon writes about a request. */
function requestLine(command: string, containerId: string, failed = false): string {
  let line = "";
  const log: Logger = {
    error: (message, fields) => {
      line = formatLine(new Date(0), "error", message, formatFields(fields ?? {}));
    },
    verbose: (message, fields) => {
      line = formatLine(new Date(0), "verbose", message, formatFields(fields ?? {}));
    },
    debug() {},
    with: () => log,
  };
  const report = newReport();
  report.networks.push({ name: "demo-bridge", ifName: "eth0", start: 0, milliseconds: 12.345 });
  report.networks.push({ name: "default/storage", ifName: "data.0", start: 0, milliseconds: 7 });
  const error = failed ? new CniError(7, "no") : undefined;
  logRequest(
    log,
    { command, containerId, netns: "", ifName: "eth0", args: "", path: "", config: new Uint8Array() },
    { exitCode: 0, stdout: new Uint8Array(), report, error },
    { queue: 0, total: 20, gone: false },
  );
  return line.trimEnd();
}

describe("addTimes", () => {
  it("reads what the daemon wrote about this container's ADDs", () => {
    const lines = ["ready", requestLine("ADD", "abc"), requestLine("DEL", "abc"), requestLine("ADD", "abcd")];
    expect(addTimes(lines, "abc")).toEqual([
      [
        { ifName: "eth0", milliseconds: 12.35 },
        { ifName: "data.0", milliseconds: 7 },
      ],
    ]);
  });

  it("does not count an ADD that failed", () => {
    expect(addTimes([requestLine("ADD", "abc", true)], "abc")).toEqual([]);
  });
});
