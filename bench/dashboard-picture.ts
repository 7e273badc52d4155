/**
 * Draws the picture of the dashboard from what Prometheus says of a real daemon: `node tools/run.mjs picture:dashboard` writes docs/images/dashboard.svg. Daemon, pods
 * and Prometheus are in a network namespace of their own for a minute, and end with it.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pictureFile } from "../src/ctl/bench/plot/svg.ts";
import { installDelegate } from "../test/support/delegates.ts";
import { session, sessionVariable } from "../test/support/session.ts";
import { type Pod, TestNode } from "../test/support/test-node.ts";
import {
  type DashboardPanel,
  drawnTitles,
  drawPanels,
  expressionOf,
  type FilledPanel,
  panelsOf,
  type Sampled,
  type Shown,
} from "./dashboard-panels.ts";
import { installPlugins } from "./plugins.ts";

type Json = Readonly<Record<string, unknown>>;

const root = join(import.meta.dirname, "..");
const metricsPort = 9091;
const prometheus = "http://127.0.0.1:9090";
/** Scraped every second, as a minute is all that there is: Grafana takes four scrapes, and here two more. */
const [scrapeInterval, rateInterval, step] = ["1s", "6s", 1];
const seconds = 60;
/** Name of the plugin that is out of order for a while. */
const faulty = "appliance";

const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.abort());

/** Prometheus in the node's network, with its data below the node's directory; it ends with what is returned. */
function startPrometheus(node: TestNode): AsyncDisposable {
  const configFile = join(node.directory, "prometheus.yml");
  const target = { targets: [`127.0.0.1:${metricsPort}`], labels: { instance: "node-1" } };
  const config = {
    global: { scrape_interval: scrapeInterval },
    scrape_configs: [{ job_name: "multus", static_configs: [target] }],
  };
  writeFileSync(configFile, JSON.stringify(config));
  const [command = "", ...args] = node.network.enter(
    "prometheus",
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(node.directory, "prometheus")}`,
    "--web.listen-address=127.0.0.1:9090",
    "--log.level=error",
  );
  const server = spawn(command, args, {
    env: { ...process.env, [sessionVariable]: session },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const closed = once(server, "close");
  return {
    async [Symbol.asyncDispose]() {
      server.kill("SIGTERM");
      await closed;
    },
  };
}

async function answerOf(node: TestNode, args: readonly string[]): Promise<Sampled[]> {
  const { exitCode, stdout, stderr } = await node.network.run(["promtool", "query", ...args]);
  if (exitCode !== 0) throw new Error(`promtool ${args.join(" ")}: ${stderr.trim()}`);
  return JSON.parse(stdout.toString());
}

/** Waits until Prometheus has scraped the daemon. @throws {Error} after 30 s */
async function untilScraped(node: TestNode): Promise<void> {
  const query = ["promtool", "query", "instant", "--format=json", prometheus, "multus_build_info"];
  for (const end = performance.now() + 30_000; ; await sleep(200, undefined, { signal: stopped.signal })) {
    const { exitCode, stdout, stderr } = await node.network.run(query);
    if (exitCode === 0 && JSON.parse(stdout.toString()).length > 0) return;
    if (performance.now() > end)
      throw new Error(`Prometheus has nothing of the daemon after 30 s: ${stderr}`);
  }
}

/** Attaches and detaches a pod, again and again, in a part of the time. @param from and @param to seconds after the start */
async function keepAttaching(
  node: TestNode,
  pod: Pod,
  netconf: Json,
  start: number,
  { from, to, pause }: { readonly from: number; readonly to: number; readonly pause: number },
): Promise<void> {
  const { signal } = stopped;
  await sleep(Math.max(0, start + from * 1000 - Date.now()), undefined, { signal });
  while (Date.now() < start + to * 1000) {
    await node.call("ADD", pod, netconf);
    await sleep(pause, undefined, { signal });
    // As runtimes do, whatever became of the ADD.
    await node.call("DEL", pod, netconf);
    await sleep(pause, undefined, { signal });
  }
}

/** The load on the node while Prometheus scrapes it. @param start milliseconds since 1970 */
async function busyNode(node: TestNode, start: number): Promise<void> {
  const executed = await node.bridgeNetconf("10.50.0.0/16");
  const native = { ...executed, nativeNetworks: "auto" };
  const outOfOrder = join(node.directory, "out-of-order");
  installDelegate(
    node,
    faulty,
    `cat > /dev/null\necho '{"cniVersion":"1.0.0"}'`,
    `cat > /dev/null
if [ -e '${outOfOrder}' ]; then
echo '{"cniVersion":"1.0.0","code":11,"msg":"the appliance does not answer"}'
exit 1
fi`,
  );
  const whole = { from: 0, to: seconds };
  const working: Promise<void>[] = [];
  const attach = async (
    name: string,
    networks: string,
    netconf: Json,
    when: { readonly from: number; readonly to: number; readonly pause: number },
  ) => {
    working.push(keepAttaching(node, await node.pod(name, networks), netconf, start, when));
  };
  await attach("executed", "storage,video", executed, { ...whole, pause: 400 });
  await attach("native-1", "storage,video", native, { ...whole, pause: 600 });
  // A deployment that grows.
  for (const index of [2, 3, 4]) {
    await attach(`native-${index}`, "storage,video", native, { from: 12, to: 44, pause: 300 });
  }
  await attach("with-appliance", "storage,appliance", executed, { ...whole, pause: 800 });
  await attach("without-network", "storage,not-there", executed, { from: 20, to: 34, pause: 900 });
  working.push(
    (async () => {
      await sleep(Math.max(0, start + 30_000 - Date.now()), undefined, { signal: stopped.signal });
      writeFileSync(outOfOrder, "");
      await sleep(12_000, undefined, { signal: stopped.signal });
      rmSync(outOfOrder);
    })(),
  );
  const failed = (await Promise.allSettled(working)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

async function fill(node: TestNode, panel: DashboardPanel, { start, end }: Shown): Promise<FilledPanel> {
  const answers: Sampled[][] = [];
  for (const { expr } of panel.targets ?? []) {
    const when = [`--start=${start}`, `--end=${end}`, `--step=${step}s`];
    const expression = expressionOf(expr, rateInterval);
    answers.push(await answerOf(node, ["range", "--format=json", ...when, prometheus, expression]));
  }
  return { panel, answers };
}

async function draw(): Promise<string> {
  const dashboard = JSON.parse(readFileSync(join(root, "deploy", "grafana", "dashboard.json"), "utf8"));
  const panels = panelsOf(dashboard.panels, drawnTitles);
  await using node = await TestNode.start({
    isDaemonInNetwork: true,
    daemonConfig: { metricsPort, metricsAddress: "127.0.0.1" },
  });
  await installPlugins(node.binDir);
  node.writeMacvlan("storage", "10.51.0.0/16");
  node.writeMacvlan("video", "10.52.0.0/16");
  node.writeNetwork(`default/${faulty}`, { cniVersion: "1.0.0", name: faulty, type: faulty });
  await using _server = startPrometheus(node);
  await untilScraped(node);
  const start = Math.ceil(Date.now() / 1000) + 2;
  await busyNode(node, start * 1000);
  const shown = { start, end: start + seconds, step };
  const filled: FilledPanel[] = [];
  for (const panel of panels) filled.push(await fill(node, panel, shown));
  return pictureFile(
    drawPanels(filled, shown),
    "Panels of deploy/grafana/dashboard.json, drawn from a minute of one daemon (not a picture of Grafana)",
  );
}

const out = join(root, "docs", "images", "dashboard.svg");
try {
  writeFileSync(out, await draw());
  process.stdout.write(`${out}\n`);
} catch (error) {
  if (!stopped.signal.aborted) throw error;
  process.exitCode = 130;
}
