/** Starts an agent with a socket to it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { ShimStream } from "./shim-stream.ts";

export interface Agent {
  readonly child: ChildProcess;
  readonly stream: ShimStream;
  /** Exit code and stderr. */
  readonly end: Promise<{ readonly exitCode: unknown; readonly stderr: string }>;
}

/** @param argv the agent, with whatever it is run through. Node makes a pipe to a child's descriptor 3 a socket pair. @param env without it this process's own */
export function spawnAgent(argv: readonly string[], env?: NodeJS.ProcessEnv): Agent {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  const stream = child.stdio[3];
  if (!(stream instanceof Duplex)) throw new Error("the agent has no socket");
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const end = once(child, "close").then(([exitCode]) => ({ exitCode, stderr }));
  return { child, stream: new ShimStream(stream), end };
}
