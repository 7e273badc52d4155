/** The other end of the wire in a test: sends and reads frames, and decides itself when. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FrameReader } from "../../src/agent/frame-reader.ts";
import { decodeFrame, encodeFrame, type Frame, type FrameBody, FrameType } from "../../src/agent/frames.ts";
import type { CniRequest } from "../../src/cni/request.ts";

export class WirePeer {
  readonly socket: Socket;
  readonly #frames: Frame[] = [];
  #wake: () => void = () => {};
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader((payload) => this.#frames.push(decodeFrame(payload)));
    socket.on("data", (chunk) => {
      reader.push(chunk);
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async connect(path: string): Promise<WirePeer> {
    const socket = connect(path);
    await once(socket, "connect");
    return new WirePeer(socket);
  }

  send(type: number, id: number, body: FrameBody): void {
    this.socket.write(encodeFrame(type, id, body));
  }

  /** HELLO and REQUEST in one write, as the shim does. @param hello more fields of HELLO */
  request(request: Partial<CniRequest>, protocol = 1, hello: FrameBody = {}): void {
    this.#greet("plugin", requestBody(request), protocol, hello);
  }

  /** The same of a shim that stays for recorded DELs. @param more fields of REQUEST */
  replay(cniDir: string, more: FrameBody = {}): void {
    this.#greet("replay", { cniDir, path: "/opt/cni/bin", pluginDirectories: "/opt/cni/bin", ...more }, 1);
  }

  #greet(role: string, body: FrameBody, protocol: number, more: FrameBody = {}): void {
    const hello = encodeFrame(FrameType.hello, 0, { protocol, version: "0.0.0-test", role, ...more });
    this.socket.write(Buffer.concat([hello, encodeFrame(FrameType.request, 0, body)]));
  }

  /** The next frame that came or comes; undefined when the stream has ended. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  /** The REPLY that must come next: exit code and stdout. */
  async reply(): Promise<{ exitCode: unknown; stdout: string }> {
    const frame = await this.next();
    if (frame?.type !== FrameType.reply) throw new Error(`no REPLY but ${JSON.stringify(frame)}`);
    return { exitCode: frame.body.exitCode, stdout: String(frame.body.stdout) };
  }

  close(): void {
    this.socket.destroy();
  }
}

function requestBody(request: Partial<CniRequest>): FrameBody {
  return {
    command: "ADD",
    containerId: "c1",
    netns: "/run/netns/c1",
    ifName: "eth0",
    args: "",
    path: "/opt/cni/bin",
    config: Buffer.from("{}"),
    ...request,
  };
}
