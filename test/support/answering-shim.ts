/** The shim's side of the wire, with plugins that succeed at once: what is left of a request's time is the daemon's. */

import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import type { CniRequest } from "../../src/cni/request.ts";
import { WirePeer } from "./wire-peer.ts";

const result = JSON.stringify({
  cniVersion: "1.1.0",
  interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/run/netns/x" }],
  ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 }],
});

/** Outcome of a request. */
export interface AnsweredRequest {
  readonly exitCode: unknown;
  readonly stdout: string;
  /** `COMMAND plugin ifName` of each run that was ordered. */
  readonly runs: readonly string[];
  /** From the first byte of the request to the last of the reply. */
  readonly milliseconds: number;
}

/** @param socket path of the daemon's */
export async function requestOf(socket: string, request: Partial<CniRequest>): Promise<AnsweredRequest> {
  const peer = await WirePeer.connect(socket);
  const runs: string[] = [];
  const start = performance.now();
  try {
    peer.request(request);
    for (;;) {
      const frame = await peer.next();
      if (frame === undefined) throw new Error("the daemon ended the stream without a reply");
      if (frame.type === FrameType.hello) continue;
      if (frame.type === FrameType.reply) {
        const { exitCode, stdout } = frame.body;
        return { exitCode, stdout: String(stdout), runs, milliseconds: performance.now() - start };
      }
      peer.send(FrameType.done, frame.id, answerTo(frame.body, runs));
    }
  } finally {
    peer.close();
  }
}

function answerTo(order: FrameBody, runs: string[]): FrameBody {
  const env = order.env as Readonly<Record<string, string>> | undefined;
  if (env === undefined) return { exists: false };
  runs.push(`${env.CNI_COMMAND} ${String(order.plugin)} ${env.CNI_IFNAME ?? ""}`);
  const stdout = Buffer.from(env.CNI_COMMAND === "ADD" ? result : "");
  return { exitCode: 0, stdout, micros: 1 };
}
