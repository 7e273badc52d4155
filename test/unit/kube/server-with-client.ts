/** A server with a client of its own, and what is opened on it: tests that have one each run side by side, as many wait for seconds. */

import type { ApiClient } from "../../../src/kube/api-client.ts";
import { PretendedApiServer } from "../../support/pretended-api-server.ts";
import { connectTo } from "./connection.ts";

export class ServerWithClient implements AsyncDisposable {
  readonly server: PretendedApiServer;
  readonly api: ApiClient;
  /** Closed before server and client are. */
  readonly opened = new DisposableStack();

  private constructor(server: PretendedApiServer, api: ApiClient) {
    this.server = server;
    this.api = api;
  }

  static async start(): Promise<ServerWithClient> {
    const server = await new PretendedApiServer().start();
    return new ServerWithClient(server, connectTo(server.url));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.opened.dispose();
    this.api.close();
    await this.server[Symbol.asyncDispose]();
  }
}
