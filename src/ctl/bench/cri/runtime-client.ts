/** A container runtime's CRI, as far as a benchmark needs it: pod sandboxes. The gRPC client is loaded when the first one is made. */

import type { Client, ServiceClientConstructor } from "@grpc/grpc-js";
import { UserError } from "../../command/user-error.ts";

/** Milliseconds for an answer that needs no work, and for one that starts or stops a pod. */
const shortDeadline = 10_000;
const longDeadline = 120_000;
/** Bytes of an answer: the sandboxes of a full node are far below that. */
const longestAnswer = 16 << 20;

const serviceName = "runtime.v1.RuntimeService";

/** PodSandboxConfig, as far as it is set. */
export interface SandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: { readonly cgroupParent: string };
}

/** An item of ListPodSandbox. */
export interface Sandbox {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its first process runs. */
  readonly isReady: boolean;
}

export interface RuntimeVersion {
  /** `containerd 2.1.4` */
  readonly program: string;
}

/** A condition that is not as it should be. */
export interface RuntimeProblem {
  /** `RuntimeReady`, `NetworkReady` */
  readonly type: string;
  readonly message: string;
}

/** gRPC's codes that say what to do (grpc's statuscodes.md). */
const grpcCode = { deadlineExceeded: 4, permissionDenied: 7, unimplemented: 12, unavailable: 14 } as const;

export class RuntimeClient {
  readonly #socket: string;
  readonly #client: Client;

  /** @param socket absolute path */
  static async open(socket: string): Promise<RuntimeClient> {
    const { credentials, makeClientConstructor } = await import("@grpc/grpc-js");
    const { default: services } = await import("../../../../build/protos/cri.proto.mjs");
    const definition = services[serviceName];
    if (definition === undefined) throw new Error(`cri.proto has no ${serviceName}`);
    const RuntimeService: ServiceClientConstructor = makeClientConstructor(definition, serviceName);
    const options = {
      "grpc.max_receive_message_length": longestAnswer,
      // A socket's path is no name that a server's certificate or a proxy would know.
      "grpc.default_authority": "localhost",
      "grpc.enable_http_proxy": 0,
    };
    return new RuntimeClient(
      socket,
      new RuntimeService(`unix:${socket}`, credentials.createInsecure(), options),
    );
  }

  private constructor(socket: string, client: Client) {
    this.#socket = socket;
    this.#client = client;
  }

  close(): void {
    this.#client.close();
  }

  /** @throws {UserError} */
  async version(): Promise<RuntimeVersion> {
    const answer = await this.#call("Version", { version: "v1" }, shortDeadline);
    return { program: `${textOf(answer, "runtimeName")} ${textOf(answer, "runtimeVersion")}`.trim() };
  }

  /** The reason why the runtime cannot start pods. @throws {UserError} */
  async problems(): Promise<RuntimeProblem[]> {
    const answer = await this.#call("Status", {}, shortDeadline);
    const status = memberOf(answer, "status");
    // Runtimes have further conditions, such as warnings.
    return itemsOf(status, "conditions")
      .filter((condition) => ["RuntimeReady", "NetworkReady"].includes(textOf(condition, "type")))
      .filter((condition) => memberOf(condition, "status") !== true)
      .map((condition) => ({ type: textOf(condition, "type"), message: textOf(condition, "message") }));
  }

  /** @param handler name of a runtime handler; "" for the default @returns the sandbox's id @throws {UserError} with the runtime's message */
  async runPodSandbox(config: SandboxConfig, handler: string): Promise<string> {
    const request = { config, runtimeHandler: handler };
    const id = textOf(await this.#call("RunPodSandbox", request, longDeadline), "podSandboxId");
    if (id === "") throw new UserError(`RunPodSandbox: the runtime at ${this.#socket} answers without an id`);
    return id;
  }

  /** @throws {UserError} with the runtime's message */
  async stopPodSandbox(id: string): Promise<void> {
    await this.#call("StopPodSandbox", { podSandboxId: id }, longDeadline);
  }

  /** @throws {UserError} with the runtime's message */
  async removePodSandbox(id: string): Promise<void> {
    await this.#call("RemovePodSandbox", { podSandboxId: id }, longDeadline);
  }

  /** Sandboxes with these labels, stopped ones too. @throws {UserError} */
  async listPodSandboxes(labels: Readonly<Record<string, string>>): Promise<Sandbox[]> {
    const answer = await this.#call("ListPodSandbox", { filter: { labelSelector: labels } }, shortDeadline);
    return itemsOf(answer, "items").map((item) => ({
      id: textOf(item, "id"),
      labels: textsOf(memberOf(item, "labels")),
      isReady: memberOf(item, "state") === 0,
    }));
  }

  #call(method: string, request: unknown, within: number): Promise<unknown> {
    const invoke: unknown = Reflect.get(this.#client, method);
    if (typeof invoke !== "function") throw new Error(`cri.proto has no method ${method}`);
    return new Promise((resolve, reject) => {
      Reflect.apply(invoke, this.#client, [
        request,
        { deadline: Date.now() + within },
        (error: unknown, answer: unknown) => {
          if (error === null || error === undefined) resolve(answer);
          else reject(callFailure(method, this.#socket, error));
        },
      ]);
    });
  }
}

/** gRPC's error as one for the user. */
function callFailure(method: string, socket: string, error: unknown): UserError {
  const code = memberOf(error, "code");
  const details = textOf(error, "details") || String(error);
  const fail = (message: string, advice: string) => new UserError(message, advice, { cause: error });
  if (code === grpcCode.unavailable) {
    return fail(
      `${method}: no container runtime answers on ${socket}: ${details}`,
      "name the socket of containerd or CRI-O with --runtime-endpoint; is the runtime running, and is this user root?",
    );
  }
  if (code === grpcCode.unimplemented) {
    return fail(
      `${method}: ${socket} serves no CRI v1: ${details}`,
      "containerd serves it unless its configuration disables the plugin cri; dockerd itself does not",
    );
  }
  if (code === grpcCode.deadlineExceeded) {
    return fail(`${method}: the runtime at ${socket} does not answer in time`, "look at the runtime's log");
  }
  if (/sandbox.image|pause|failed to (?:get|pull) .*image/i.test(details)) {
    return fail(
      `${method}: ${details}`,
      "the runtime lacks the image of pods' first container (its setting sandbox_image, pinned_images.sandbox or pause_image)",
    );
  }
  if (/cgroupsPath|cgroup/i.test(details)) {
    return fail(`${method}: ${details}`, "name a cgroup of the runtime's kind with --cgroup-parent");
  }
  return fail(`${method}: ${details}`, "");
}

/** A member of an object that the runtime sent. */
function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function textOf(value: unknown, name: string): string {
  const member = memberOf(value, name);
  return typeof member === "string" ? member : "";
}

function itemsOf(value: unknown, name: string): readonly unknown[] {
  const member = memberOf(value, name);
  return Array.isArray(member) ? member : [];
}

function textsOf(value: unknown): Record<string, string> {
  return typeof value !== "object" || value === null
    ? {}
    : Object.fromEntries(
        Object.entries(value).flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : [])),
      );
}
