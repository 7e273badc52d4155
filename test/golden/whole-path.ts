/** Replays a case on the whole path: plugin binary, daemon, and scripts under the delegates' names, in a real namespace. */

import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { Daemon } from "../support/daemon.ts";
import { Namespace } from "../support/namespace.ts";
import { type CniCommand, callPlugin } from "../support/plugin.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { endStayingBelow } from "../support/staying.ts";
import { expectation } from "./allowed-differences.ts";
import { type Call, type GoldenCase, isObject, type Json, type JsonObject, type Step } from "./cases.ts";
import { comparableCall, comparableFiles, type Expectation } from "./expectation.ts";
import { knownVersions } from "./replay-executor.ts";
import { jsonOrText, ScratchHost } from "./scratch-host.ts";
import type { Surroundings } from "./surroundings.ts";

const shim = join(import.meta.dirname, "..", "..", "build", "multus");
const script = join(import.meta.dirname, "recorded-delegate.sh");

/** The part visible on the host: network-status and events are in an API. */
export type SeenOnHost = Omit<Expectation, "networkStatus" | "events">;

/** Installs the delegates. */
export function installDelegates(golden: GoldenCase, host: ScratchHost): void {
  for (const plugin of golden.plugins) {
    copyFileSync(script, join(host.path("/opt/cni/bin"), plugin));
  }
}

/** Where a daemon for the host listens. */
export function socketDir(host: ScratchHost): string {
  return join(host.root, "run");
}

/** Did a delegate of the case make real links in the namespace? */
export function makesLinks({ steps }: GoldenCase): boolean {
  return steps.some(({ calls }) => calls.some(wantsLink));
}

function wantsLink({ stdin }: Call): boolean {
  return isObject(stdin.rec) && stdin.rec.link === true;
}

/** Makes the link of a delegate that made none, as its result says: CHECK looks at those of further networks. */
function resultLinkCommands({ stdout, env }: Call, namespace: Namespace): string {
  const ip = `ip -n ${namespace.name}`;
  const ifName = env.CNI_IFNAME;
  // A chain's plugins have one interface, and the first of its DELs takes it away.
  if (env.CNI_COMMAND === "DEL") return `${ip} link del ${ifName} 2>/dev/null || true\n`;
  const { interfaces, ips } = (stdout ?? {}) as {
    readonly interfaces?: readonly { readonly name: string; readonly mac?: string }[];
    readonly ips?: readonly { readonly address: string }[];
  };
  const mac = interfaces?.find(({ name }) => name === ifName)?.mac;
  return [
    `${ip} link show dev ${ifName} >/dev/null 2>&1 || ${ip} link add ${ifName} ${mac === undefined ? "" : `address ${mac}`} type veth peer name peer-${ifName}`,
    ...(ips ?? []).map(({ address }) => `${ip} addr replace ${address} dev ${ifName}`),
    "",
  ].join("\n");
}

/** Commands for the recording delegate's changes to a namespace where a real link was asked for. */
function linkCommands(call: Call, namespace: Namespace, isChecked: boolean): string {
  const { stdout, env, exit } = call;
  const ip = `ip -n ${namespace.name}`;
  const ifName = env.CNI_IFNAME;
  if (env.CNI_COMMAND === "CHECK" || exit !== 0 || (env.CNI_NETNS ?? "") === "") {
    return "";
  }
  if (!wantsLink(call)) return isChecked ? resultLinkCommands(call, namespace) : "";
  if (env.CNI_COMMAND === "DEL") {
    // The second DEL finds none, as a plugin must stand.
    return `${ip} link del ${ifName} 2>/dev/null || true\n`;
  }
  if (!isObject(stdout)) return "";
  const ips = (Array.isArray(stdout.ips) ? stdout.ips : []) as readonly {
    readonly address: string;
    readonly gateway?: string;
  }[];
  // One process for all of them.
  return [
    `${ip} -batch - <<end`,
    `link add ${ifName} type veth peer name peer-${ifName}`,
    `link set peer-${ifName} up`,
    `link set ${ifName} up`,
    ...ips.flatMap(({ address, gateway }) => [
      `addr add ${address} dev ${ifName}${address.includes(":") ? " nodad" : ""}`,
      ...(gateway === undefined ? [] : [`route append default via ${gateway} dev ${ifName} onlink`]),
    ]),
    "end\n",
  ].join("\n");
}

/** @param isChecked the case has a CHECK */
function writeAnswers(step: Step, directory: string, namespace: Namespace, isChecked: boolean): void {
  mkdirSync(directory);
  writeFileSync(
    join(directory, "versions"),
    JSON.stringify({ cniVersion: "1.1.0", supportedVersions: knownVersions }),
  );
  // A list may have a plugin twice.
  const times = new Map<string, number>();
  for (const call of step.calls) {
    const { plugin, env, exit, stdout } = call;
    const key = `${plugin}-${env.CNI_COMMAND}-${env.CNI_IFNAME}`;
    const time = times.get(key) ?? 0;
    times.set(key, time + 1);
    const answer = join(directory, `answer-${key}-${time}`);
    mkdirSync(answer);
    writeFileSync(join(answer, "exit"), `${exit}\n`);
    writeFileSync(join(answer, "stdout"), typeof stdout === "string" ? stdout : JSON.stringify(stdout));
    const links = linkCommands(call, namespace, isChecked);
    if (links !== "") {
      writeFileSync(join(answer, "links"), links);
    }
  }
}

function readCalls(directory: string, host: ScratchHost): Call[] {
  const numbers = readdirSync(directory)
    .flatMap((name) => /^call-(\d+)$/.exec(name)?.slice(1).map(Number) ?? [])
    .sort((left, right) => left - right);
  return numbers.map((number) => {
    const read = (name: string) => readFileSync(join(directory, `call-${number}-${name}`), "utf8");
    const lines = host
      .recorded(read("env"))
      .split("\n")
      .filter((line) => line.startsWith("CNI_"));
    const env = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    return {
      plugin: read("plugin"),
      env,
      stdin: JSON.parse(host.recorded(read("stdin"))),
      exit: 0,
      stdout: "",
    };
  });
}

/** The netconf of a step, as it reaches the plugin. */
function netconf(golden: GoldenCase, step: Step, host: ScratchHost, where: Surroundings): JsonObject {
  const podIsKnown = golden.pod.absent !== true && step.given.deletePod !== true;
  const { kubeconfig, ...others } = host.netconf(golden, step, podIsKnown && where !== "cluster");
  return {
    ...others,
    ...(kubeconfig === undefined || where === "files and runtime" ? {} : { kubeconfig }),
    daemonSocketDir: socketDir(host),
  };
}

/**
 * Asks whether an ADD could be served, as a runtime does before the first: a daemon that has no cluster of its own opens the netconf's.
 * @returns whether the plugin says yes
 */
export async function isReady(golden: GoldenCase, host: ScratchHost, where: Surroundings): Promise<boolean> {
  const [step] = golden.steps;
  if (step === undefined) throw new Error(`${golden.name} has no steps`);
  const answer = await callPlugin([shim], {
    command: "STATUS",
    containerId: "",
    netns: "",
    ifName: "",
    args: "",
    path: host.path(step.given.env.CNI_PATH ?? ""),
    config: { ...netconf(golden, step, host, where), cniVersion: "1.1.0" },
  });
  return answer.exitCode === 0;
}

/** Runs one step. @param number of the step, for the directory of its calls */
export async function runStep(
  golden: GoldenCase,
  step: Step,
  number: number,
  host: ScratchHost,
  namespace: Namespace,
  where: Surroundings,
): Promise<SeenOnHost> {
  host.prepare(step);
  const directory = join(host.root, `step-${number}`);
  const isChecked = golden.steps.some(({ command }) => command === "CHECK");
  writeAnswers(step, directory, namespace, isChecked);
  const { env } = step.given;
  const answer = await callPlugin(["env", `GOLDEN_STEP=${directory}`, shim], {
    command: env.CNI_COMMAND as CniCommand,
    containerId: env.CNI_CONTAINERID ?? "",
    netns: host.path(env.CNI_NETNS ?? ""),
    ifName: env.CNI_IFNAME ?? "",
    args: host.args(env.CNI_ARGS ?? ""),
    path: host.path(env.CNI_PATH ?? ""),
    config: netconf(golden, step, host, where),
  });
  const succeeds = answer.exitCode === 0;
  const stdout: Json = jsonOrText(host.recorded(answer.stdout));
  const routes = await Promise.all([namespace.routes(4), namespace.routes(6)]);
  const defaultRoutes = routes.flat().filter(({ dst }) => dst === "default");
  return {
    succeeds,
    stdout: succeeds ? stdout : undefined,
    calls: readCalls(directory, host).map((call) => comparableCall(call)),
    files: comparableFiles(host.readState(), (text) => host.recorded(text)),
    routes: defaultRoutes.map(({ gateway, dev }) => `default via ${gateway} dev ${dev}`).sort(),
  };
}

/** The daemon's log, as the message of a failed expectation. */
export function withDaemonLog(daemon: { readonly output: string }): string {
  return `the daemon said:\n${daemon.output}`;
}

/** Is it a DEL after one that failed, with another namespace or none? */
function isAnotherDel(before: Step | undefined, step: Step): boolean {
  const isDel = before?.command === "DEL" && step.command === "DEL";
  return isDel && before.exit !== 0 && before.given.env.CNI_NETNS !== step.given.env.CNI_NETNS;
}

/** Keys of a daemon's configuration: the recorded hosts had no kubelet. @param directory of the test */
export function withoutKubelet(directory: string) {
  return {
    podResourcesSocket: join(directory, "none.sock"),
    devicePluginsDir: join(directory, "none"),
    deviceInfoDir: join(directory, "devinfo"),
  };
}

/** One daemon for many cases, one after the other: to start one takes longer than most cases do. Each case has directories of its own, and finds nothing of the one before. */
export class DaemonForCases implements AsyncDisposable {
  readonly #scratch = new ScratchDirectory("golden-daemon");
  readonly #socketDir = join(this.#scratch.path, "run");
  readonly #nadDir = join(this.#scratch.path, "nads");
  readonly #daemon = new Daemon(this.#scratch.path, {
    socketDir: this.#socketDir,
    nadDir: this.#nadDir,
    ...withoutKubelet(this.#scratch.path),
    logLevel: "debug",
  });
  #saidBefore = 0;

  /** @throws {Error} with what it printed, if it does not start */
  start(): Promise<void> {
    return this.#daemon.start();
  }

  /** Lets it be the daemon of this host from now on: its socket where the host has it, and the host's NetworkAttachmentDefinitions where it looks for them. */
  serve(host: ScratchHost): void {
    rmSync(this.#nadDir, { force: true });
    symlinkSync(host.nadDir, this.#nadDir);
    symlinkSync(this.#socketDir, socketDir(host));
    this.#saidBefore = this.#daemon.output.length;
  }

  /** Its log since it serves the host. */
  get output(): string {
    return this.#daemon.output.slice(this.#saidBefore);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}

/** Ends the process that stays where a case has a DEL fail, which the shim records. */
export function endOfStaying(host: ScratchHost): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => endStayingBelow(host.root) };
}

/** Replays a case, with manifests in the API's place. @throws where ours does not do what is expected */
export async function replayOnWholePath(golden: GoldenCase, daemon: DaemonForCases): Promise<void> {
  await using namespace = await Namespace.create("golden");
  using host = new ScratchHost(golden, namespace.path);
  await using _staying = endOfStaying(host);
  installDelegates(golden, host);
  daemon.serve(host);
  for (const words of golden.netnsSetup ?? []) {
    await namespace.ip(...words);
  }
  for (const [index, step] of golden.steps.entries()) {
    // The shim has recorded the one that failed, and does it before this one: test/e2e/failing-dels.test.ts.
    if (isAnotherDel(golden.steps[index - 1], step)) break;
    const { networkStatus: _status, events: _events, ...expected } = expectation(golden, index);
    const done = await runStep(golden, step, index, host, namespace, "files and runtime");
    expect(done, `step ${index}, ${step.command}; ${withDaemonLog(daemon)}`).toEqual({
      ...expected,
      routes: expected.routes ?? done.routes,
    });
  }
}
