/** The verdict of Prometheus' own tool on metrics, dashboard and alerts; and whether the alerts fire when they should, and not else. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stringify } from "yaml";
import { CniError } from "../../src/cni/errors.ts";
import { createMetrics } from "../../src/daemon/metrics/registry.ts";
import { newReport } from "../../src/multus/request/report.ts";
import { runCommand } from "../support/command.ts";
import { busyState } from "../support/daemon-state.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const alerts = join(import.meta.dirname, "../../deploy/grafana/alerts.yaml");
const dashboard = join(import.meta.dirname, "../../deploy/grafana/dashboard.json");

let directory: ScratchDirectory;

beforeEach(() => {
  directory = new ScratchDirectory("promtool");
});

afterEach(() => directory[Symbol.dispose]());

async function promtool(args: readonly string[], stdin = ""): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(["promtool", ...args], { env: process.env, stdin });
  const said = `${stdout}${stderr}`;
  expect([exitCode, said]).toEqual([0, expect.any(String)]);
  return said;
}

function write(name: string, content: unknown): string {
  const file = join(directory.path, name);
  writeFileSync(file, stringify(content));
  return file;
}

test("the metrics keep to Prometheus' conventions", async () => {
  const { observer, text } = createMetrics({ version: "1.2.3", protocol: 1 }, () => busyState);
  const report = newReport();
  report.phases.set("plan", 1);
  const error = new CniError(7, "no");
  observer.answered("ADD", { exitCode: 1, stdout: Buffer.of(), report, error }, { queue: 1, total: 2 });
  const run = {
    command: "ADD",
    ifName: "eth0",
    start: 0,
    end: 1,
    outcome: "ok",
    processMilliseconds: 1,
    spanId: "",
  } as const;
  observer.delegateRan({ ...run, plugin: 'odd "name"\n\\' });
  expect(await promtool(["check", "metrics"], await text())).toBe("");
});

test("the alerts are rules", async () => {
  expect(await promtool(["check", "rules", alerts])).toContain("SUCCESS: 17 rules found");
});

test("the queries of the dashboard are valid PromQL", async () => {
  const { panels } = JSON.parse(readFileSync(dashboard, "utf8")) as {
    panels: { targets?: { expr: string }[] }[];
  };
  const rules = panels
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"),
    }));
  expect(rules.length).toBeGreaterThan(30);
  const file = write("panels.yaml", { groups: [{ name: "panels", rules }] });
  expect(await promtool(["check", "rules", file])).toContain(`SUCCESS: ${rules.length} rules found`);
});

/** A daemon that is well for two hours, in Prometheus' notation of series, one sample a minute. */
const well: Readonly<Record<string, string>> = {
  up: "1x120",
  'multus_build_info{version="1"}': "1x120",
  multus_ready: "1x120",
  process_start_time_seconds: "1000x120",
  process_resident_memory_bytes: "60000000x120",
  'multus_requests_total{command="ADD",code="0"}': "0+60x120",
  'multus_requests_total{command="ADD",code="11"}': "0+1x120",
  'multus_requests_total{command="DEL",code="7"}': "0+60x120",
  'multus_request_duration_seconds_bucket{command="ADD",le="5"}': "0+60x120",
  'multus_request_duration_seconds_bucket{command="ADD",le="60"}': "0+60x120",
  'multus_request_duration_seconds_bucket{command="ADD",le="+Inf"}': "0+60x120",
  'multus_lane_requests{lane="add",state="waiting"}': "0x120",
  'multus_lane_requests{lane="add",state="running"}': "16x120",
  'multus_lane_slots{lane="add",of="one"}': "16x120",
  // Behind their containers' earlier requests.
  'multus_lane_requests{lane="del",state="waiting"}': "4x120",
  'multus_lane_requests{lane="del",state="running"}': "3x120",
  'multus_lane_slots{lane="del",of="one"}': "16x120",
  'multus_watch_connected{resource="pods",server="s"}': "1x120",
  'multus_watch_last_heard_timestamp_seconds{resource="pods",server="s"}': "0+60x120",
  'multus_spool_records{state="waiting"}': "0x120",
  'multus_spool_records{state="failed"}': "0x120",
  'multus_spool_records{state="broken"}': "0x120",
  // One that fails for some minutes is no news.
  'multus_failed_dels{state="failing"}': "0x20 2x5 0x95",
  'multus_failed_dels{state="recorded"}': "0x120",
  'multus_deliveries_pending{kind="status",server="s"}': "0 5 0 3 0x116",
  'multus_deliveries_total{kind="status",outcome="given-up",server="s"}': "0x120",
  'multus_trace_spans_total{outcome="exported"}': "0+10x120",
  'multus_trace_spans_total{outcome="dropped"}': "0x120",
};

/** Which alerts there are after an hour and a half. @param ill series that are other than well */
async function firing(ill: Readonly<Record<string, string>>): Promise<string[]> {
  const series = { ...well, ...ill };
  const rules = readFileSync(alerts, "utf8");
  const names = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name = ""]) => name);
  // The tool compares with what is expected, which is nothing, and names what it finds against that.
  const file = write("test.yaml", {
    rule_files: [alerts],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: Object.entries(series).map(([name, values]) => ({
          series: name.includes("{")
            ? name.replace("}", ',job="j",instance="node-1:9091"}')
            : `${name}{job="j",instance="node-1:9091"}`,
          values,
        })),
        alert_rule_test: names.map((alertname) => ({ eval_time: "90m", alertname, exp_alerts: [] })),
      },
    ],
  });
  const { exitCode, stdout, stderr } = await runCommand(["promtool", "test", "rules", file], {
    env: process.env,
  });
  const found = Array.from(
    `${stdout}${stderr}`.matchAll(/alertname: (\w+), time:/g),
    ([, name = ""]) => name,
  );
  expect(exitCode === 0).toBe(found.length === 0);
  return found;
}

test("no alert fires for a daemon that is well", async () => {
  expect(await firing({})).toEqual([]);
});

test("no alert fires for one ADD on a quiet node that had to be tried again", async () => {
  const quiet = {
    'multus_requests_total{command="ADD",code="0"}': "0x80 1x40",
    'multus_requests_total{command="ADD",code="11"}': "0x80 1x40",
  };
  expect(await firing(quiet)).toEqual([]);
});

test.each([
  ["MultusDaemonDown", { up: "1x80 0x40", 'multus_build_info{version="1"}': "1x80 stale" }],
  ["MultusNotReady", { multus_ready: "1x70 0x50" }],
  ["MultusRestarts", { process_start_time_seconds: "1000x60 2000x5 3000x5 4000x5 5000x45" }],
  ["MultusAddsFail", { 'multus_requests_total{command="ADD",code="11"}': "0+10x120" }],
  ["MultusAddSlow", { 'multus_request_duration_seconds_bucket{command="ADD",le="5"}': "0+50x120" }],
  ["MultusQueueFull", { 'multus_lane_requests{lane="add",state="waiting"}': "0x70 4x50" }],
  ["MultusWatchDisconnected", { 'multus_watch_connected{resource="pods",server="s"}': "1x70 0x50" }],
  [
    "MultusWatchSilent",
    { 'multus_watch_last_heard_timestamp_seconds{resource="pods",server="s"}': "0+60x70 4200x50" },
  ],
  ["MultusSpoolNotEmpty", { 'multus_spool_records{state="waiting"}': "0x70 1x50" }],
  ["MultusDeletesFail", { 'multus_failed_dels{state="recorded"}': "0x70 1x50" }],
  ["MultusSpoolFailed", { 'multus_spool_records{state="broken"}': "0x89 1x31" }],
  ["MultusStatusesUndelivered", { 'multus_deliveries_pending{kind="status",server="s"}': "0x70 2x50" }],
  [
    "MultusStatusesGivenUp",
    { 'multus_deliveries_total{kind="status",outcome="given-up",server="s"}': "0x80 1x40" },
  ],
  ["MultusObjectsLeftOut", { 'multus_watch_left_out{resource="pods",server="s"}': "0x70 3x50" }],
  ["MultusMemory", { process_resident_memory_bytes: "60000000x60 200000000x60" }],
  ["MultusSpansLost", { 'multus_trace_spans_total{outcome="dropped"}': "0x60 1+1x60" }],
])("%s fires for what it is about, and no other one", async (alert, ill) => {
  expect(await firing(ill)).toEqual([alert]);
});
