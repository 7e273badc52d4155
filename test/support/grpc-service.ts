/** Calls and serves gRPC services on unix sockets by their .proto files: the container runtime's, the kubelet's, and those that a kubelet calls. */

import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

function isService(value: unknown): value is ServiceClientConstructor {
  return typeof value === "function" && "service" in value;
}

function isPackage(value: unknown): value is GrpcObject {
  return typeof value === "object" && value !== null;
}

/**
 * Reads a service out of a .proto file. Fields have camelCase names, int64 are numbers, and what a message leaves out has its default.
 * @param proto path
 * @param name with its package, `runtime.v1.RuntimeService`
 * @throws {Error} where the file has no such service
 */
export function grpcService(proto: string, name: string): ServiceClientConstructor {
  let found: unknown = loadPackageDefinition(loadSync(proto, { longs: Number, defaults: true }));
  for (const part of name.split(".")) found = isPackage(found) ? found[part] : undefined;
  if (!isService(found)) throw new Error(`${proto} has no service ${name}`);
  return found;
}

/** A client of one service on one socket. */
export class GrpcClient {
  readonly #client: Client;

  /** @param service of `grpcService` @param socket path */
  constructor(service: ServiceClientConstructor, socket: string) {
    this.#client = new service(`unix:${socket}`, credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 500,
    });
  }

  /** One call; it waits for a server that is not there, or not there again, yet. @throws {Error} gRPC's, with `code` and `details` */
  call<Answer>(method: string, request: unknown, timeoutMs = 120_000): Promise<Answer> {
    const invoke: unknown = Reflect.get(this.#client, method);
    if (typeof invoke !== "function") throw new Error(`the service has no method ${method}`);
    return new Promise((resolve, reject) => {
      Reflect.apply(invoke, this.#client, [
        request,
        new Metadata({ waitForReady: true }),
        { deadline: Date.now() + timeoutMs },
        (error: Error | null, answer: Answer) => (error === null ? resolve(answer) : reject(error)),
      ]);
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** A server of services on one socket, until it is disposed; calls that are under way are cut off then. */
export class GrpcServer implements Disposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param socket path; nothing may be there @throws {Error} where it cannot listen there */
  static async listen(
    socket: string,
    services: readonly (readonly [ServiceClientConstructor, UntypedServiceImplementation])[],
  ): Promise<GrpcServer> {
    const server = new Server();
    for (const [{ service }, implementation] of services) server.addService(service, implementation);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    return new GrpcServer(server);
  }

  [Symbol.dispose](): void {
    this.#server.forceShutdown();
  }
}
