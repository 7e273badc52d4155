/** Types of the package ws, as far as pod-exec.ts and its tests use it. */

declare module "ws" {
  import type { EventEmitter } from "node:events";
  import type { Agent, ClientRequest, IncomingMessage } from "node:http";
  import type { Duplex } from "node:stream";

  interface Options {
    readonly agent: Agent;
    readonly headers: Readonly<Record<string, string>>;
    /** Milliseconds. */
    readonly handshakeTimeout: number;
    /** Bytes of a message. */
    readonly maxPayload: number;
    readonly perMessageDeflate: false;
  }

  export default class WebSocket extends EventEmitter<{
    open: [];
    message: [data: Buffer, isBinary: boolean];
    close: [code: number, reason: Buffer];
    error: [error: Error];
    "unexpected-response": [request: ClientRequest, response: IncomingMessage];
  }> {
    constructor(address: string, protocols: readonly string[], options: Options);
    readonly protocol: string;
    send(data: Uint8Array): void;
    close(): void;
    terminate(): void;
  }

  export class WebSocketServer {
    constructor(options: {
      readonly noServer: true;
      readonly handleProtocols: (offered: Set<string>) => string;
    });
    handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      connected: (socket: WebSocket) => void,
    ): void;
  }
}
