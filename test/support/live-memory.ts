/** The memory that a daemon really keeps, apart from what its engine holds in reserve: its heap right after a collection, asked of it as a debugger does. */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "./daemon.ts";

/** Environment for a daemon that is to be asked: its debugger listens on a port of its own, once it is told to. */
export const debuggable = { NODE_OPTIONS: "--inspect-port=127.0.0.1:0" };

async function debuggerOf(daemon: Daemon): Promise<string> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const address = /Debugger listening on (ws:\S+)/.exec(daemon.output)?.[1];
    if (address !== undefined) return address;
    if (Date.now() > deadline) throw new Error(`no debugger listens:\n${daemon.output.slice(-2_000)}`);
    process.kill(daemon.pid, "SIGUSR1");
    await sleep(200);
  }
}

/** Collects what nobody needs and measures the rest. The daemon's debugger stays open. @returns bytes of heap and of buffers @throws {Error} */
export async function liveMemory(daemon: Daemon): Promise<number> {
  const socket = new WebSocket(await debuggerOf(daemon));
  try {
    await once(socket, "open");
    const ask = async (id: number, method: string) => {
      const answered = once(socket, "message");
      socket.send(JSON.stringify({ id, method }));
      const [{ data }] = await answered;
      return JSON.parse(data).result;
    };
    await ask(1, "HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await ask(2, "Runtime.getHeapUsage");
    return usedSize + backingStorageSize;
  } finally {
    socket.close();
  }
}
