/** An etcd of one member on loopback ports, for one API server. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../command.ts";
import { mountsBelow } from "../session.ts";
import { freePort } from "./ports.ts";
import { ServerProcess } from "./server-process.ts";

/** Answer of etcd's JSON gateway to a range request, as much as is used. */
interface RangeAnswer {
  readonly header: { readonly revision: string };
}

export class Etcd implements AsyncDisposable {
  readonly url: string;
  readonly #process: ServerProcess;
  readonly #directory: string;

  private constructor(directory: string, clientPort: number, peerPort: number) {
    this.url = `http://127.0.0.1:${clientPort}`;
    this.#directory = directory;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    this.#process = new ServerProcess(
      [
        "etcd",
        "--name=default",
        `--data-dir=${join(directory, "data", "member")}`,
        `--listen-client-urls=${this.url}`,
        `--advertise-client-urls=${this.url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        "--logger=zap",
        "--log-level=warn",
      ],
      join(directory, "etcd.log"),
    );
  }

  /** Starts it with no data. @param directory is created @throws {Error} with the end of its log */
  static async start(directory: string): Promise<Etcd> {
    mkdirSync(join(directory, "data"), { recursive: true, mode: 0o700 });
    const etcd = new Etcd(directory, await freePort(), await freePort());
    // In memory: how long a disk takes is not what tests are about. Where it may not be mounted it works all the same.
    await runCommand(["mount", "-t", "tmpfs", "-o", "size=1g,mode=0700", "tmpfs", join(directory, "data")]);
    try {
      await etcd.restart();
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
    return etcd;
  }

  /** Stops it where it runs, and starts it with the data that it had. */
  async restart(): Promise<void> {
    await this.#process.stop();
    await this.#process.start(async () => (await fetch(`${this.url}/health`)).ok);
  }

  async #call<Answer>(method: string, request: unknown): Promise<Answer> {
    const answer = await fetch(`${this.url}/v3/${method}`, { method: "POST", body: JSON.stringify(request) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`etcd: ${method}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Forgets every revision but the last. @returns the last */
  async compact(): Promise<number> {
    const anyKey = Buffer.from("/").toString("base64");
    const { header } = await this.#call<RangeAnswer>("kv/range", { key: anyKey });
    await this.#call("kv/compaction", { revision: header.revision, physical: true });
    return Number(header.revision);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop("SIGKILL");
    for (const point of mountsBelow(this.#directory)) await runCommand(["umount", point]);
  }
}
