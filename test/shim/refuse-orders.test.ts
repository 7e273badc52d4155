/**
 * A forged daemon tries every order with every hostile value, on every call of a runtime and on an agent: each is refused, nothing is executed and
 * no file made.
 */

import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { session, sessionVariable } from "../support/session.ts";
import { endStayingBelow } from "../support/staying.ts";
import { spawnAgent } from "./support/agent.ts";
import { shims } from "./support/binaries.ts";
import { type Asker, attacks, goodExec, rawId, type Scene } from "./support/forged-orders.ts";
import { isRoot } from "./support/links.ts";
import { ShimDaemon } from "./support/shim-daemon.ts";
import type { ShimStream } from "./support/shim-stream.ts";
import { Spool } from "./support/spool.ts";

/** Orders that may have `after`, beside EXEC, which start-after.test.ts tries. */
const mayWait: readonly number[] = [FrameType.attachLinks, FrameType.detachLinks];

const askers: readonly Asker[] = ["ADD", "CHECK", "DEL", "GC", "STATUS", "replay", "agent"];

/** A pod's namespace, another one in which a process runs, and a directory with the shim's own file among the plugins. */
class Stage implements AsyncDisposable {
  readonly directory = new ScratchDirectory("forged");
  readonly binary = join(this.directory.path, "shim");
  readonly plugins = join(this.directory.path, "plugins");
  readonly cniDir = join(this.directory.path, "cni");
  readonly linkToNetns = join(this.cniDir, "netns");
  readonly ownNames = ["multus", "bridge2", "link"];
  readonly pod: Namespace;
  readonly other: Namespace;
  readonly #process: ChildProcess;

  private constructor(binary: string, pod: Namespace, other: Namespace) {
    this.pod = pod;
    this.other = other;
    copyFileSync(binary, this.binary);
    for (const path of [this.plugins, this.cniDir]) mkdirSync(path);
    for (const file of [
      join(this.plugins, "plugin"),
      join(this.cniDir, "planted"),
      join(this.plugins, "planted"),
    ]) {
      writeFileSync(file, `#!/bin/sh\ntouch ${this.executed}\n`);
      chmodSync(file, 0o755);
    }
    linkSync(this.binary, join(this.plugins, "multus"));
    linkSync(this.binary, join(this.plugins, "bridge2"));
    symlinkSync(this.binary, join(this.plugins, "link"));
    symlinkSync(pod.path, this.linkToNetns);
    this.#process = spawn("ip", ["netns", "exec", other.name, "sleep", "3600"], {
      stdio: "ignore",
      env: { ...process.env, [sessionVariable]: session },
    });
  }

  static async create(binary: string): Promise<Stage> {
    const stage = new Stage(binary, await Namespace.create("pod"), await Namespace.create("other"));
    // It is in the namespace once it runs what it was started for.
    const name = `/proc/${stage.#process.pid}/comm`;
    while (readFileSync(name, "utf8") !== "sleep\n") await new Promise(setImmediate);
    return stage;
  }

  /** A file that every plugin here makes. */
  get executed(): string {
    return join(this.directory.path, "executed");
  }

  /** All that is in the directory. */
  files(): readonly string[] {
    return readdirSync(this.directory.path, { recursive: true, encoding: "utf8" }).sort();
  }

  scene(asker: Asker): Scene {
    return {
      asker,
      plugins: this.plugins,
      containerId: "container1",
      netns: this.pod.path,
      validContainer: "valid1",
      foreignNetns: this.other.path,
      linkToNetns: this.linkToNetns,
      cniDir: this.cniDir,
      ownNames: this.ownNames,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await endStayingBelow(this.directory.path);
    await this.pod[Symbol.asyncDispose]();
    await this.other[Symbol.asyncDispose]();
    this.directory[Symbol.dispose]();
  }
}

/** A stream to a shim that carries out an asker's orders. */
async function connect(stage: Stage, daemon: ShimDaemon, asker: Asker): Promise<ShimStream> {
  if (asker === "agent") {
    const { stream } = spawnAgent([stage.binary, "agent", "--path", stage.plugins, "--fd", "3"], {});
    await stream.greet("agent");
    return stream;
  }
  if (asker === "replay") {
    new Spool(stage.cniDir).add(1);
    const env = { CNI_COMMAND: "STATUS", CNI_PATH: stage.plugins };
    const call = await daemon.connected({ env, config: daemon.config({ cniDir: stage.cniDir }) });
    call.stream.reply(0, "");
    const stream = await daemon.accept();
    await stream.greet("replay");
    return stream;
  }
  const isAboutAttachment = !["GC", "STATUS"].includes(asker);
  const { stream } = await daemon.connected({
    env: {
      CNI_COMMAND: asker,
      CNI_PATH: stage.plugins,
      CNI_NETNS: isAboutAttachment ? stage.pod.path : undefined,
      CNI_CONTAINERID: isAboutAttachment ? "container1" : undefined,
      CNI_IFNAME: isAboutAttachment ? "eth0" : undefined,
    },
    config: daemon.config({
      cniDir: stage.cniDir,
      ...(asker === "GC" ? { "cni.dev/valid-attachments": [{ containerID: "valid1", ifname: "eth0" }] } : {}),
    }),
  });
  return stream;
}

async function send(stream: ShimStream, order: readonly [number, FrameBody] | Buffer): Promise<FrameBody> {
  if (!Buffer.isBuffer(order)) return stream.order(...order);
  stream.sendBytes(order);
  const answer = await stream.next();
  expect(answer?.id).toBe(rawId);
  return answer?.body ?? {};
}

describe.runIf(isRoot).each(shims)("orders of a forged daemon, $name shim", ({ binary }) => {
  test.each(askers)("to a shim of %s: each is refused, and does nothing", async (asker) => {
    await using stage = await Stage.create(binary);
    await using daemon = await ShimDaemon.create(stage.binary);
    using stream = await connect(stage, daemon, asker);
    const scene = stage.scene(asker);
    const before = stage.files();
    for (const { about, orders } of attacks) {
      for (const { order, says } of orders(scene)) {
        const told = `${about}: ${Buffer.isBuffer(order) ? "raw" : JSON.stringify(order).slice(0, 1000)}`;
        const refused = { error: "refused", message: expect.stringMatching(says) };
        expect(await send(stream, order), told).toEqual(refused);
        // One that would wait for another order is refused as soon as it comes.
        if (Buffer.isBuffer(order) || !mayWait.includes(order[0])) continue;
        const waiting = [order[0], { after: stream.lastId, ...order[1] }] as const;
        expect(await send(stream, waiting), `after another one: ${told}`).toEqual(refused);
      }
    }
    expect(stage.files()).toEqual(before);
    // The refusals were for the hostile parts: a good order is carried out.
    const good = goodExec(scene);
    expect(await stream.order(16, good)).toMatchObject({ exitCode: 0 });
    expect(stage.files()).toEqual([...before, "executed"].sort());
  });

  test("of a GC name no container, where the runtime has not said which are valid", async () => {
    await using stage = await Stage.create(binary);
    await using daemon = await ShimDaemon.create(stage.binary);
    for (const list of [undefined, {}, [1], [{ ifname: "eth0" }], [{ containerID: 1 }], "valid1"]) {
      const config = daemon.config({ "cni.dev/valid-attachments": list });
      const { stream } = await daemon.connected({
        env: { CNI_COMMAND: "GC", CNI_PATH: stage.plugins },
        config,
      });
      expect(await stream.order(16, goodExec(stage.scene("GC")))).toEqual({
        error: "refused",
        message: expect.stringContaining("the runtime has not said which containers are valid"),
      });
    }
    expect(stage.files()).not.toContain("executed");
  });

  test("of a GC name any container, where the runtime counts none valid", async () => {
    await using stage = await Stage.create(binary);
    await using daemon = await ShimDaemon.create(stage.binary);
    for (const lists of [
      { "cni.dev/valid-attachments": [] },
      { "cni.dev/valid-attachments": null, "cni.dev/attachments": null },
    ]) {
      const { stream } = await daemon.connected({
        env: { CNI_COMMAND: "GC", CNI_PATH: stage.plugins },
        config: daemon.config(lists),
      });
      expect(await stream.order(16, goodExec(stage.scene("GC")))).toMatchObject({ exitCode: 0 });
    }
    // The list under the other key counts.
    const { stream } = await daemon.connected({
      env: { CNI_COMMAND: "GC", CNI_PATH: stage.plugins },
      config: daemon.config({
        "cni.dev/valid-attachments": null,
        "cni.dev/attachments": [{ containerID: "container1", ifname: "eth0" }],
      }),
    });
    expect(await stream.order(16, goodExec(stage.scene("GC")))).toMatchObject({ error: "refused" });
  });

  test("of a GC give a plugin no path at which no network namespace is any more", async () => {
    await using stage = await Stage.create(binary);
    await using daemon = await ShimDaemon.create(stage.binary);
    using stream = await connect(stage, daemon, "GC");
    writeFileSync(join(stage.plugins, "plugin"), '#!/bin/sh\necho "<$CNI_NETNS>"\n');
    const good = goodExec(stage.scene("GC"));
    for (const [netns, given] of [
      [stage.pod.path, stage.pod.path],
      ["/run/netns/mwt-gone", ""],
      [join(stage.cniDir, "planted"), ""],
    ]) {
      const done = await stream.order(16, { ...good, env: { ...good.env, CNI_NETNS: netns ?? "" } });
      expect(String(done.stdout)).toBe(`<${given}>\n`);
    }
  });
});
