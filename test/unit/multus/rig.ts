/** Our handler on real files in a scratch directory, with plugins that a test makes up. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CniRequest } from "../../../src/cni/request.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { type Logger, silentLogger } from "../../../src/log/logger.ts";
import { netconfOverrides } from "../../../src/multus/input/netconf.ts";
import { Multus } from "../../../src/multus/multus.ts";
import type { Nad, NadSource } from "../../../src/multus/plan/nads.ts";
import type { Pause } from "../../../src/multus/request/pause.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import type { MultusOptions } from "../../../src/multus/services.ts";
import { type Json, PretendedPlugins } from "../../support/pretended-plugins.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

/** Parts of a request beyond those of every one. */
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
  addNad(
    name: string,
    config: Json | string | undefined,
    annotations: Readonly<Record<string, string>> = {},
  ): void {
    const [namespace = "", object = ""] = name.split("/");
    this.#nads.set(name, {
      namespace,
      name: object,
      config: config === undefined ? new Uint8Array() : Buffer.from(textOf(config)),
      annotations,
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

/** A configuration of macvlan with host-local in 10.`index`.0.0/24. */
export function macvlanNetwork(index: number, further: Json = {}): Json {
  const ipam = { type: "host-local", subnet: `10.${index}.0.0/24` };
  return { cniVersion: "1.0.0", type: "macvlan", master: "uplink0", ipam, ...further };
}
