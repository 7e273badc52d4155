/** Our handler on real files in a scratch directory, with plugins that a test makes up. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Executor,
  ExecutorError,
  type ExpectedLink,
  type LinkState,
  type NetnsIdentity,
  type PluginOutcome,
  type PluginRun,
} from "../../../src/agent/executor.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { type Logger, silentLogger } from "../../../src/log/logger.ts";
import { netconfOverrides } from "../../../src/multus/input/netconf.ts";
import { Multus } from "../../../src/multus/multus.ts";
import type { Nad, NadSource } from "../../../src/multus/plan/nads.ts";
import type { Pause } from "../../../src/multus/request/pause.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import type { MultusOptions } from "../../../src/multus/services.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

export type Json = Readonly<Record<string, unknown>>;

/** One run of a plugin as a test sees it. */
export interface PluginCall {
  readonly plugin: string;
  readonly command: string;
  readonly ifName: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Json;
  /** As it came: keys repeat, and numbers say more than a double holds. */
  readonly stdinText: string;
  readonly path: string;
  readonly timeoutMs: number;
  /** Of a recorded DEL. */
  readonly leftNetns?: NetnsIdentity;
}

/** What a plugin does: its stdout as a value or text, its exit code; nothing: it goes well. */
export type Behaviour = (
  call: PluginCall,
) => { readonly exitCode?: number; readonly stdout?: unknown } | undefined;

/** The result that a plugin prints if the test says nothing else: one interface, one address. */
function usualResult({ ifName, env, stdin }: PluginCall): Json {
  return {
    cniVersion: stdin.cniVersion,
    interfaces: [{ name: ifName, mac: "02:00:00:00:00:01", sandbox: env.CNI_NETNS }],
    ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }],
  };
}

/** Runs no process: asks the test. */
export class PretendedPlugins implements Executor {
  readonly calls: PluginCall[] = [];
  /** Plugins that were asked which versions they know: those runs are not among the calls. */
  readonly asked: string[] = [];
  /** What they answer to that, by type; those that are not here know all versions. */
  readonly versions = new Map<string, readonly string[] | Partial<PluginOutcome> | ExecutorError>();
  /** States of the plugins' files, by type. */
  readonly fileStates = new Map<string, string>();
  /** Orders about default routes: interface, families, gateways. */
  readonly routes: (readonly [string, readonly (4 | 6)[], readonly string[]])[] = [];
  /** Links in the namespace. */
  readonly links = new Set<string>();
  behaviour: Behaviour = () => undefined;
  /** Orders to look at links. */
  readonly looks: { readonly netns: string; readonly links: readonly ExpectedLink[] }[] = [];
  /** What links are like: as the usual results say, if a test says nothing else. */
  look = (links: readonly ExpectedLink[]): readonly LinkState[] =>
    links.map(() => ({ exists: true, mac: Buffer.from("020000000001", "hex"), absent: [] }));

  async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    if (run.absentLink !== undefined && this.links.has(run.absentLink.ifName)) {
      throw new ExecutorError("link-exists", `${run.absentLink.ifName} is there already`);
    }
    const { plugin, env, path, timeoutMs, leftNetns } = run;
    if (env.CNI_COMMAND === "VERSION") return this.#versionsOf(run);
    const stdinText = Buffer.from(run.stdin).toString("utf8");
    const call = {
      plugin,
      command: env.CNI_COMMAND ?? "",
      ifName: env.CNI_IFNAME ?? "",
      env,
      stdin: JSON.parse(stdinText) as Json,
      stdinText,
      path,
      timeoutMs,
      ...(leftNetns === undefined ? {} : { leftNetns }),
    };
    this.calls.push(call);
    const answer = this.behaviour(call);
    const stdout = answer?.stdout ?? (call.command === "ADD" ? usualResult(call) : "");
    const text = typeof stdout === "string" ? stdout : JSON.stringify(stdout);
    return {
      exitCode: answer?.exitCode ?? 0,
      stdout: Buffer.from(text),
      stderrTail: "",
      milliseconds: 0,
    };
  }

  #versionsOf({ plugin, fileState }: PluginRun): PluginOutcome {
    const outcome = {
      exitCode: 0,
      stdout: new Uint8Array(),
      stderrTail: "",
      milliseconds: 0,
      fileState: this.fileStates.get(plugin),
    };
    if (fileState !== undefined && fileState !== "" && fileState === outcome.fileState) return outcome;
    this.asked.push(plugin);
    const known = this.versions.get(plugin) ?? supportedVersions;
    if (known instanceof ExecutorError) throw known;
    if (!isVersions(known)) return { ...outcome, ...known };
    const answer = { cniVersion: known.at(-1), supportedVersions: known };
    return { ...outcome, stdout: Buffer.from(JSON.stringify(answer)) };
  }

  async linkExists(_netns: string, ifName: string): Promise<boolean> {
    return this.links.has(ifName);
  }

  async linkStates(netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]> {
    this.looks.push({ netns, links });
    return this.look(links);
  }

  async setDefaultRoutes(
    _netns: string,
    ifName: string,
    clear: readonly (4 | 6)[],
    gateways: readonly string[],
  ): Promise<void> {
    this.routes.push([ifName, clear, gateways]);
  }

  /** `COMMAND plugin ifName` of each call. */
  get trace(): string[] {
    return this.calls.map(({ command, plugin, ifName }) => `${command} ${plugin} ${ifName}`);
  }
}

function isVersions(known: readonly string[] | Partial<PluginOutcome>): known is readonly string[] {
  return Array.isArray(known);
}

/** What a request says beyond what every one does. */
export interface RequestOptions {
  readonly netconf?: Json;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly runtimeConfig?: Json;
  readonly request?: Partial<CniRequest>;
  readonly log?: Logger;
  readonly pause?: Pause;
  readonly arrived?: number;
}

export const containerId = "c0ffee0123456789";

const usualRequest: CniRequest = {
  command: "",
  containerId,
  netns: "/run/netns/pod",
  ifName: "eth0",
  args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=${containerId};K8S_POD_UID=u-1`,
  path: "/usr/lib/cni",
  config: new Uint8Array(),
};

export class Rig implements Disposable {
  readonly plugins = new PretendedPlugins();
  readonly confDir: string;
  readonly cniDir: string;
  readonly #options: MultusOptions;
  #multus: Multus;
  readonly #scratch = new ScratchDirectory("rig");
  readonly #nads = new Map<string, Nad>();

  constructor(kernels: Kernels, options: Partial<MultusOptions> = {}) {
    this.confDir = this.path("net.d");
    this.cniDir = this.path("cni");
    mkdirSync(this.confDir);
    // Where requests without a netconf have it from.
    const overrides = netconfOverrides(Buffer.from(JSON.stringify({ cniDir: this.cniDir })), "daemon");
    const nads: NadSource = { get: async (namespace, name) => this.#nads.get(`${namespace}/${name}`) };
    this.#options = { kernels, log: silentLogger, nads, overrides, ...options };
    this.#multus = new Multus(this.#options);
  }

  get multus(): Multus {
    return this.#multus;
  }

  /** A daemon that has seen nothing of what is on disk. */
  restart(): void {
    this.#multus = new Multus(this.#options);
  }

  path(...parts: string[]): string {
    return join(this.#scratch.path, ...parts);
  }

  /** @param name `namespace/name` @param config spec.config, a value or its text; undefined: none */
  addNad(name: string, config: Json | string | undefined): void {
    const [namespace = "", object = ""] = name.split("/");
    this.#nads.set(name, {
      namespace,
      name: object,
      config: config === undefined ? new Uint8Array() : Buffer.from(textOf(config)),
      annotations: {},
      where: `NAD ${name}`,
    });
  }

  removeNad(name: string): void {
    this.#nads.delete(name);
  }

  /** Writes a file below the scratch directory. */
  writeFile(path: string, content: unknown): string {
    const file = this.path(path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, textOf(content));
    return file;
  }

  run(command: string, options: RequestOptions = {}): Promise<HandledRequest> {
    const { annotations, runtimeConfig, netconf } = options;
    const config = {
      cniVersion: "1.0.0",
      name: "multus",
      type: "multus",
      binDir: "/opt/cni/bin",
      confDir: this.confDir,
      cniDir: this.cniDir,
      delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "bridge" }],
      ...netconf,
      runtimeConfig: {
        ...runtimeConfig,
        ...(annotations === undefined ? {} : { "io.kubernetes.cri.pod-annotations": annotations }),
      },
    };
    const request = { ...usualRequest, command, config: Buffer.from(JSON.stringify(config)) };
    const { request: changes, log = silentLogger, pause, arrived } = options;
    return this.multus.handle({ ...request, ...changes }, this.plugins, log, pause, arrived);
  }

  /** A request about one network that is plugged into the pod. @param attributes of the interface */
  delegate(
    command: string,
    ifName: string,
    network: Json,
    attributes?: Json,
    request: Partial<CniRequest> = {},
  ): Promise<HandledRequest> {
    const body = {
      ...usualRequest,
      command,
      ifName,
      path: "",
      config: Buffer.from(JSON.stringify(network)),
      attributes: attributes && Buffer.from(JSON.stringify(attributes)),
      ...request,
    };
    return this.multus.handleDelegate(body, this.plugins, silentLogger);
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

function textOf(content: unknown): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

/** Networks annotation. */
export function selecting(value: string | readonly Json[]): Readonly<Record<string, string>> {
  return {
    "k8s.v1.cni.cncf.io/networks": typeof value === "string" ? value : JSON.stringify(value),
  };
}

/** The reply's JSON. */
export function answerOf(handled: HandledRequest): Json {
  return JSON.parse(Buffer.from(handled.stdout).toString("utf8")) as Json;
}
