/** A kubelet's pod-resources socket: a real gRPC server on a unix socket, which answers what a test says and keeps account of the questions. */

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import {
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export interface DevicesOfContainer {
  readonly resource_name: string;
  readonly device_ids: readonly string[];
  readonly topology?: { readonly nodes: readonly { readonly ID: number }[] };
}

export interface PodOfKubelet {
  readonly name: string;
  readonly namespace: string;
  readonly containers: readonly {
    readonly name: string;
    readonly devices?: readonly DevicesOfContainer[];
    readonly cpu_ids?: readonly number[];
    readonly memory?: readonly object[];
    readonly dynamic_resources?: readonly object[];
  }[];
}

type Method = "Get" | "List" | "GetAllocatableResources";

/** The end of a call as the server says it; `hang`: no answer comes. */
export type Refusal = { readonly code: status; readonly details: string } | "hang";

function serviceOfProto(): ServiceDefinition {
  const definition = loadSync(join(import.meta.dirname, "pod-resources.proto"), { keepCase: true });
  const service = definition["v1.PodResourcesLister"];
  if (service === undefined || !("Get" in service)) throw new Error("pod-resources.proto has no service");
  return service as ServiceDefinition;
}

/** The methods as the published .proto has them. */
export const podResourcesMethods = serviceOfProto() as Record<Method, MethodDefinition<unknown, unknown>>;

export class PodResourcesServer implements AsyncDisposable {
  pods: PodOfKubelet[] = [];
  /** Of device plugins. */
  allocatable: DevicesOfContainer[] = [];
  /** Asked before each answer; undefined: it is answered. */
  refuse: (method: Method, count: number) => Refusal | undefined = () => undefined;
  /** Called before each answer, which waits for it. */
  onCall: (method: Method) => Promise<void> | void = () => {};
  /** The questions in order: `Get default/web`, `List`. */
  readonly calls: string[] = [];
  readonly #server = new Server({ "grpc.max_send_message_length": -1, "grpc.enable_channelz": 0 });
  readonly #relay = createServer();
  readonly #sockets = new Set<Socket>();
  /** Path of the socket. */
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
    this.#server.addService(podResourcesMethods, {
      Get: this.#method<{ pod_name: string; pod_namespace: string }>("Get", (request) => {
        const pod = this.pods.find(
          ({ name, namespace }) => name === request.pod_name && namespace === request.pod_namespace,
        );
        if (pod === undefined)
          throw new Error(`pod ${request.pod_name} in namespace ${request.pod_namespace} not found`);
        return { pod_resources: pod };
      }),
      List: this.#method("List", () => ({ pod_resources: this.pods })),
      GetAllocatableResources: this.#method("GetAllocatableResources", () => ({
        devices: this.allocatable,
        cpu_ids: [0, 1],
      })),
    });
  }

  /** Behind a relay, as gRPC's server has no way to break its connections. */
  async listen(): Promise<this> {
    const inner = `${this.socket}.grpc`;
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix:${inner}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#relay.on("connection", (outside) => {
      const inside = connect(inner);
      for (const [from, to] of [[outside, inside] as const, [inside, outside] as const]) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    this.#relay.listen(this.socket);
    await once(this.#relay, "listening");
    return this;
  }

  #method<Request>(method: Method, answer: (request: Request) => unknown): handleUnaryCall<Request, unknown> {
    return ({ request }, callback) => {
      const asked = request as { pod_name?: string; pod_namespace?: string };
      this.calls.push(method === "Get" ? `Get ${asked.pod_namespace}/${asked.pod_name}` : method);
      const refusal = this.refuse(method, this.calls.length);
      if (refusal === "hang") return;
      if (refusal !== undefined) {
        callback(refusal);
        return;
      }
      void (async () => {
        await this.onCall(method);
        try {
          callback(null, answer(request));
        } catch (error) {
          callback({ code: status.UNKNOWN, details: (error as Error).message });
        }
      })();
    };
  }

  /** Ends it and every connection, as a kubelet that is killed; the socket's file is removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#relay.listening) return;
    this.#relay.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.forceShutdown();
    await once(this.#relay, "close");
  }
}
