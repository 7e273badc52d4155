/** Calls a CNI plugin as a container runtime does: environment and stdin in, exit code and one JSON object out. */

import { runCommand } from "./command.ts";

export type CniCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

export interface PluginCall {
  readonly command: CniCommand;
  readonly containerId: string;
  /** Path, "" for none. */
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS as text. */
  readonly args: string;
  /** CNI_PATH */
  readonly path: string;
  /** stdin; an object is sent as JSON. */
  readonly config: string | Uint8Array | Readonly<Record<string, unknown>>;
  /** Further variables of the runtime. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface CniErrorObject {
  readonly cniVersion?: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** A result of spec 0.3.0 or later. */
export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly sandbox?: string;
  }[];
  readonly ips?: readonly {
    readonly version?: string;
    readonly address: string;
    readonly gateway?: string;
    readonly interface?: number;
  }[];
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
}

export class PluginAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;

  constructor(exitCode: number, stdout: string, stderr: string, milliseconds: number) {
    this.exitCode = exitCode;
    this.stdout = stdout;
    this.stderr = stderr;
    this.milliseconds = milliseconds;
  }

  #explain(expected: string): Error {
    return new Error(
      `expected ${expected}; exit code ${this.exitCode}\nstdout: ${this.stdout}\nstderr: ${this.stderr}`,
    );
  }

  /** The result of an ADD that succeeded. @throws {Error} if it did not */
  get result(): CniResult {
    if (this.exitCode !== 0) throw this.#explain("success");
    return JSON.parse(this.stdout);
  }

  /** The error object: stdout must be exactly one JSON object with code and msg. @throws {Error} if there is none */
  get error(): CniErrorObject {
    if (this.exitCode === 0) throw this.#explain("an error");
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.stdout);
    } catch {
      throw this.#explain("one JSON error object on stdout");
    }
    if (!isErrorObject(parsed)) throw this.#explain("an error object with code and msg on stdout");
    return parsed;
  }

  /** For DEL and CHECK. @throws {Error} with everything that was said, if it failed */
  expectSuccess(): this {
    if (this.exitCode !== 0) throw this.#explain("success");
    return this;
  }
}

function isErrorObject(value: unknown): value is CniErrorObject {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "number" &&
    "msg" in value &&
    typeof value.msg === "string"
  );
}

/** CNI_ARGS as a kubelet's runtime writes it. */
export function podArgs(pod: { namespace: string; name: string; containerId: string; uid: string }): string {
  return [
    "IgnoreUnknown=1",
    `K8S_POD_NAMESPACE=${pod.namespace}`,
    `K8S_POD_NAME=${pod.name}`,
    `K8S_POD_INFRA_CONTAINER_ID=${pod.containerId}`,
    `K8S_POD_UID=${pod.uid}`,
  ].join(";");
}

/** Environment that a runtime gives its plugin. */
export function environmentOf(call: PluginCall): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId,
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.ifName,
    CNI_ARGS: call.args,
    CNI_PATH: call.path,
    ...call.env,
  };
}

/** @param argv the plugin, with whatever it is run through (nsenter …) */
export async function callPlugin(
  argv: readonly string[],
  call: PluginCall,
  timeoutMs = 60_000,
): Promise<PluginAnswer> {
  const { config } = call;
  const outcome = await runCommand(argv, {
    env: environmentOf(call),
    stdin: typeof config === "string" || config instanceof Uint8Array ? config : JSON.stringify(config),
    timeoutMs,
  });
  return new PluginAnswer(outcome.exitCode, outcome.stdout.toString(), outcome.stderr, outcome.milliseconds);
}
