/**
 * Has the engine compile the way of a pod's requests before the first pod comes: the daemon serves itself ADDs and DELs that it makes up, over a socket of its own, from a shim
 * that runs no plugin. All of it is apart from the daemon's real work (admission, caches, log, counters), but for the functions.
 */

import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FrameConnection } from "../agent/frame-connection.ts";
import { type Frame, FrameType, protocolVersion } from "../agent/frames.ts";
import type { CniRequest } from "../cni/request.ts";
import type { Kernels } from "../kernels/index.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { Loggers } from "../log/loggers.ts";
import type { LogKeys } from "../log/settings.ts";
import type { Clusters } from "../multus/cluster/cluster.ts";
import { Multus } from "../multus/multus.ts";
import type { DeviceInfoFiles } from "../multus/plan/devices.ts";
import type { Nad, NadSource } from "../multus/plan/nads.ts";
import { warmUpPrefix } from "../socket/directory.ts";
import { Admission } from "./admission.ts";
import { RequestLine } from "./request-line.ts";
import { RequestLoggers } from "./request-loggers.ts";
import { DaemonServer, type ServerServices } from "./server.ts";

/** Pods that wait for the daemon are served first. */
const beginMs = 250;
/** Pods that are attached and detached, with four networks each: each runs most of the functions several times. A real pod's first ADD is no quicker after more of them. */
const mostPods = 4;
/** Milliseconds of processor time, and from the beginning to the end, whatever the machine is like. */
const mostWorkMs = 500;
const mostTimeMs = 15_000;
/** After each pod the processor is the others' for so many times as long as it took. */
const restShare = 2;
/** A directory of a daemon that was killed meanwhile is older. */
const leftoverMs = 60_000;
/** Runtimes ask every few seconds, also where no pod is started for long. */
const harmlessCommand = "STATUS";

export interface WarmUpOptions {
  /** Of the daemon's socket: it can write there. Made-up sockets and files are in a directory below it, which is removed in the end. */
  readonly socketDir: string;
  /** The daemon's: what the engine has compiled of them belongs to the instance. */
  readonly kernels: Kernels;
  /** The daemon's keys for the log: lines are made as it makes them, and discarded. */
  readonly logKeys: LogKeys;
  /** Of the daemon: no request over HTTP is made up, so that none is started. */
  readonly agents: ServerServices["agents"];
  /** Told, for debugging, how it went. */
  readonly log: Logger;
}

export class WarmUp {
  readonly #options: WarmUpOptions;
  #isOver = false;
  /** Of the shim that is calling. */
  #hangUp: () => void = () => {};

  constructor(options: WarmUpOptions) {
    this.#options = options;
  }

  /** A real request has come: the daemon is for that from now on. @param command CNI_COMMAND */
  requested(command: string): void {
    if (command !== harmlessCommand) this.stop();
  }

  /** Ends it, for good. */
  stop(): void {
    this.#isOver = true;
    this.#hangUp();
  }

  /** Resolves when it is over, whichever way, and nothing of it is left. Never throws: a daemon that is not warm is a little slower, once. */
  async run(): Promise<void> {
    const { log } = this.#options;
    await sleep(beginMs, undefined, { ref: false });
    if (this.#isOver) return;
    const timer = setTimeout(() => this.stop(), mostTimeMs).unref();
    try {
      const begun = performance.now();
      const pods = await this.#serveItself();
      log.debug("multusd is warm", { pods, milliseconds: Math.round(performance.now() - begun) });
    } catch (error) {
      log.debug("multusd could not be warmed up", { error: errorText(error) });
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns pods that were attached and detached */
  async #serveItself(): Promise<number> {
    const { socketDir } = this.#options;
    removeLeftovers(socketDir);
    const directory = mkdtempSync(join(socketDir, warmUpPrefix));
    const remove = () => rmSync(directory, { recursive: true, force: true });
    process.once("exit", remove);
    // By its descriptor, as the path of a socket has room for a hundred characters.
    const opened = openSync(directory, "r");
    const server = this.#server();
    try {
      const socket = await server.listen(`/proc/self/fd/${opened}`);
      return await this.#callForPods(socket, directory);
    } finally {
      await server.stop(0);
      closeSync(opened);
      process.off("exit", remove);
      remove();
    }
  }

  #server(): DaemonServer {
    const { kernels, logKeys, agents } = this.#options;
    const loggers = new RequestLoggers(new Loggers(() => {}), { ...logKeys, logFile: "", logToStderr: true });
    const multus = new Multus({
      kernels,
      log: loggers.daemon,
      clusters: noClusters,
      nads: madeUpNads,
      deviceInfo: noDeviceInfo,
    });
    const line = new RequestLine({ admission: new Admission(1), loggers });
    return new DaemonServer(line, {
      handle: multus.handle,
      handleDelegate: multus.handleDelegate,
      agents,
      kernels,
    });
  }

  async #callForPods(socket: string, directory: string): Promise<number> {
    const before = process.cpuUsage();
    let pods = 0;
    while (!this.#isOver && pods < mostPods) {
      const begun = performance.now();
      await this.#call(socket, madeUpRequest("ADD", pods, directory));
      await this.#call(socket, madeUpRequest("DEL", pods, directory));
      pods += 1;
      const { user, system } = process.cpuUsage(before);
      if ((user + system) / 1000 > mostWorkMs) break;
      await sleep(restShare * (performance.now() - begun));
    }
    return pods;
  }

  /** One call of a shim. Resolves when its connection is closed, whatever the answer. */
  #call(path: string, request: CniRequest): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const connection: FrameConnection = new FrameConnection(connect(path), {
        frame: (frame) => carryOut(connection, frame),
        malformed: () => connection.destroy(),
        closed: () => resolve(),
      });
      this.#hangUp = () => connection.destroy();
      connection.send(FrameType.hello, 0, { protocol: protocolVersion, version: "", role: "plugin" });
      connection.send(FrameType.request, 0, { ...request, pluginDirectories: pluginDirectory });
    });
  }
}

/** As a shim does, with plugins that are done before they have begun. */
function carryOut(connection: FrameConnection, { type, id }: Frame): void {
  if (type === FrameType.reply) connection.end();
  else if (type === FrameType.exec) {
    connection.send(FrameType.done, id, { exitCode: 0, micros: 1_000, stdout: result });
  } else {
    const message = "nothing but plugins is made up";
    connection.send(FrameType.done, id, { error: "failed", message });
  }
}

/** Directories that a daemon has left which was killed while it warmed itself up. */
function removeLeftovers(socketDir: string): void {
  for (const name of readdirSync(socketDir)) {
    const path = join(socketDir, name);
    if (!name.startsWith(warmUpPrefix)) continue;
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && Date.now() - mtimeMs > leftoverMs) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

const pluginDirectory = "/opt/cni/bin";
const namespace = "default";

const encoder = new TextEncoder();
const text = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

const result = text({
  cniVersion: "1.0.0",
  interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/var/run/netns/made-up" }],
  ips: [{ address: "192.0.2.2/24", gateway: "192.0.2.1", interface: 0 }],
  routes: [{ dst: "198.51.100.0/24", gw: "192.0.2.1" }],
  dns: {},
});

const ipam = { type: "host-local", ranges: [[{ subnet: "192.0.2.0/24" }]] };

const madeUpNads: NadSource = {
  async get(_namespace, name): Promise<Nad> {
    const config = { cniVersion: "1.0.0", type: "macvlan", master: "eth0", mode: "bridge", ipam };
    return { namespace, name, config: text(config), annotations: {}, where: name };
  },
};

const noClusters: Clusters = { of: async () => undefined };

/** Plugins that leave no file. */
const noDeviceInfo: DeviceInfoFiles = {
  path: () => "",
  prepare() {},
  read: () => undefined,
  remove() {},
};

/** @param pod its number @param directory for the files of its networks */
function madeUpRequest(command: string, pod: number, directory: string): CniRequest {
  const containerId = pod.toString(16).padStart(64, "0");
  const config = text({
    cniVersion: "1.0.0",
    name: "made-up",
    type: "multus",
    capabilities: { "io.kubernetes.cri.pod-annotations": true },
    cniDir: directory,
    // Netconfs have more keys, or fewer.
    ...(pod % 2 === 0 ? {} : { binDir: pluginDirectory, logLevel: "error", namespaceIsolation: true }),
    delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "bridge", bridge: "cni0", ipam }],
    runtimeConfig: {
      "io.kubernetes.cri.pod-annotations": { "k8s.v1.cni.cncf.io/networks": "first,second,third" },
    },
  });
  const args = [
    "IgnoreUnknown=1",
    `K8S_POD_NAMESPACE=${namespace}`,
    `K8S_POD_NAME=made-up-${pod}`,
    `K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
    `K8S_POD_UID=00000000-0000-0000-0000-${String(pod).padStart(12, "0")}`,
  ].join(";");
  return {
    command,
    containerId,
    netns: "/var/run/netns/made-up",
    ifName: "eth0",
    args,
    path: pluginDirectory,
    config,
  };
}
