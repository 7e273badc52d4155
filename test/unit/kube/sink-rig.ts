/** A status sink with its server, for tests of what it delivers. */

import { expect } from "vitest";
import { ClusterStatusSink, type ClusterStatusSinkOptions } from "../../../src/kube/cluster-status-sink.ts";
import type { PodReference } from "../../../src/multus/input/pod.ts";
import { PretendedApiServer } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connectTo } from "./connection.ts";

/** For what will happen: a machine can be slow. */
export const patienceMs = 20_000;

export interface SinkRig extends AsyncDisposable {
  readonly server: PretendedApiServer;
  readonly sink: ClusterStatusSink;
  readonly log: RecordingLogger;
}

/** Pauses are short: what is tested is order and number. */
export async function sinkRig(options: Partial<ClusterStatusSinkOptions> = {}): Promise<SinkRig> {
  const server = await new PretendedApiServer().start();
  const api = connectTo(server.url);
  const log = new RecordingLogger();
  const sink = new ClusterStatusSink({
    api,
    nodeName: "node-1",
    log,
    pauses: { first: 5, most: 40 },
    ...options,
  });
  return {
    server,
    sink,
    log,
    async [Symbol.asyncDispose]() {
      sink.close();
      api.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** @param name of a pod in namespace default; its uid is `uid-<name>` unless given */
export function podNamed(
  name: string,
  { uid = `uid-${name}`, sandboxId = `sandbox-${name}` } = {},
): PodReference {
  return { namespace: "default", name, uid, sandboxId };
}

/** A network-status that can be told from others. */
export function statusOf(name: string): Uint8Array {
  return Buffer.from(laidOut(name));
}

/** The same as the annotation has it. */
export function laidOut(name: string): string {
  return `[{\n    "name": "${name}",\n    "dns": {}\n}]`;
}

/** Waits until all is delivered. */
export async function delivered(rig: SinkRig): Promise<void> {
  expect(await rig.sink.flush(patienceMs)).toBe(0);
}
