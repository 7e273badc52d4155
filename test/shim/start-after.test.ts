/** EXEC's `after`: a plugin is started when the one of an earlier order has succeeded, and not otherwise. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { Namespace } from "../support/namespace.ts";
import { spawnAgent } from "./support/agent.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { addLink, isRoot } from "./support/links.ts";
import { fileState } from "./support/native-node.ts";
import { untilPolling } from "./support/process-state.ts";
import { errorOf, ShimDaemon, type ShimOptions, type ShimProcess } from "./support/shim-daemon.ts";
import { frameWith, type ShimStream } from "./support/shim-stream.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;
/** More than plugins run at once, and successes are remembered. */
const mostPlugins = 64;

const notStarted = (id: number) => ({
  error: "not-started",
  message: `order ${id}, after which this one would be carried out, has not succeeded`,
});

/** A shim whose plugins write into one file what they do. */
class Scene implements AsyncDisposable {
  readonly daemon: ShimDaemon;
  readonly shim: ShimProcess & { readonly stream: ShimStream };
  readonly stream: ShimStream;
  /** DONEs in the order in which they came, by names that the test gives. */
  readonly answered: string[] = [];

  private constructor(daemon: ShimDaemon, shim: ShimProcess & { readonly stream: ShimStream }) {
    this.daemon = daemon;
    this.shim = shim;
    this.stream = shim.stream;
    // Writes that it began, waits for the test, then does what `end` says.
    for (const [name, end] of [
      ["gated", "exit 0"],
      ["fails", "exit 3"],
      ["dies", "kill -SEGV $$"],
      ["floods", "head -c 9000000 /dev/zero; sleep 60"],
      ["hangs", "sleep 60"],
    ] as const) {
      const wait = `while [ ! -e ${this.gate} ]; do sleep 0.01; done`;
      daemon.addPlugin(
        name,
        `echo "begin $CNI_IFNAME" >> ${this.#log}; ${wait}; echo "end $CNI_IFNAME" >> ${this.#log}; ${end}`,
      );
    }
    daemon.addPlugin("plugin", `echo "$CNI_IFNAME" >> ${this.#log}; cat`);
  }

  static async create(binary: string, options: ShimOptions = {}): Promise<Scene> {
    const daemon = await ShimDaemon.create(binary);
    return new Scene(daemon, await daemon.connected(options));
  }

  get gate(): string {
    return this.daemon.path("gate");
  }

  get #log(): string {
    return this.daemon.path("log");
  }

  /** Lines that plugins wrote so far. */
  get log(): readonly string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, "utf8").trim().split("\n") : [];
  }

  openGate(): void {
    writeFileSync(this.gate, "");
  }

  /** @returns its id, and its DONE */
  exec(
    plugin: string,
    ifName: string,
    over: FrameBody = {},
  ): { readonly id: number; readonly done: Promise<FrameBody> } {
    const done = exec(this.daemon, this.stream, plugin, {
      env: { CNI_COMMAND: "ADD", CNI_IFNAME: ifName },
      ...over,
    }).then((body) => {
      this.answered.push(ifName);
      return body;
    });
    return { id: this.stream.lastId, done };
  }

  async untilBegun(ifName: string): Promise<void> {
    await vi.waitFor(() => expect(this.log).toContain(`begin ${ifName}`), patience);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.daemon[Symbol.asyncDispose]();
  }
}

describe.concurrent.each(shims)("EXEC with after, $name shim", ({ binary }) => {
  test("starts when that order has succeeded, and not before; a chain in its order", async () => {
    await using scene = await Scene.create(binary);
    const first = scene.exec("gated", "net0");
    const others: Promise<FrameBody>[] = [];
    for (let place = 1; place < 20; place++) {
      others.push(
        scene.exec("plugin", `net${place}`, { after: scene.stream.lastId, stdin: Buffer.from(`${place}`) })
          .done,
      );
    }
    await scene.untilBegun("net0");
    // It was read after the others, and is answered while they wait.
    expect(await scene.exec("plugin", "beside").done).toMatchObject({ exitCode: 0 });
    expect(scene.log).toEqual(["begin net0", "beside"]);
    scene.openGate();
    expect(await first.done).toMatchObject({ exitCode: 0 });
    expect((await Promise.all(others)).map(stdoutOf)).toEqual(others.map((_, index) => `${index + 1}`));
    const inOrder = others.map((_, index) => `net${index + 1}`);
    expect(scene.log).toEqual(["begin net0", "beside", "end net0", ...inOrder]);
    expect(scene.answered).toEqual(["beside", "net0", ...inOrder]);
  });

  test("several may wait for one", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0");
    const others = ["net1", "net2", "net3"].map((ifName) => scene.exec("plugin", ifName, { after: id }).done);
    await scene.untilBegun("net0");
    scene.openGate();
    for (const done of await Promise.all(others)) expect(done).toMatchObject({ exitCode: 0 });
    expect(scene.log.slice(0, 2)).toEqual(["begin net0", "end net0"]);
    expect(scene.log.slice(2).sort()).toEqual(["net1", "net2", "net3"]);
  });

  test("starts at once where that order has succeeded before", async () => {
    await using scene = await Scene.create(binary);
    const first = scene.exec("plugin", "net0");
    await first.done;
    const second = scene.exec("plugin", "net1", { after: first.id, stdin: Buffer.from("in") });
    expect(stdoutOf(await second.done)).toBe("in");
    // So it is where a plugin was not started as its file is known.
    const asked = scene.exec("plugin", "net2", { fileState: "" });
    const { fileState } = await asked.done;
    const known = scene.exec("plugin", "net2", { fileState: fileState ?? "" });
    await known.done;
    expect(await scene.exec("plugin", "net3", { after: known.id }).done).toMatchObject({ exitCode: 0 });
  });

  test("carries a stdin larger than any pipe", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0");
    scene.daemon.addPlugin("counts", "wc -c");
    const second = scene.exec("counts", "net1", { after: id, stdin: Buffer.alloc(5_000_000, " ") });
    scene.openGate();
    expect(stdoutOf(await second.done).trim()).toBe("5000000");
  });

  test.each([
    ["fails", {}, { exitCode: 3 }],
    ["dies", {}, { exitCode: 139, signal: 11 }],
    ["floods", {}, { error: "too-large" }],
    ["hangs", { timeoutMs: 500 }, { error: "timeout" }],
  ])("is not started where the plugin of that order %s", async (plugin, over, says) => {
    await using scene = await Scene.create(binary);
    const first = scene.exec(plugin, "net0", over);
    const second = scene.exec("plugin", "net1", { after: first.id });
    const third = scene.exec("plugin", "net2", { after: second.id });
    scene.openGate();
    expect(await first.done).toMatchObject(says);
    expect(await second.done).toEqual(notStarted(first.id));
    expect(await third.done).toEqual(notStarted(second.id));
    expect(scene.answered).toEqual(["net0", "net1", "net2"]);
    expect(await scene.exec("plugin", "net3").done).toMatchObject({ exitCode: 0 });
    expect(scene.log).toEqual(["begin net0", "end net0", "net3"]);
  });

  test("is not started after an order that was not carried out", async () => {
    await using scene = await Scene.create(binary);
    writeFileSync(`${scene.daemon.pluginDirectory}/broken`, "\x7fELF but not really", { mode: 0o755 });
    for (const [plugin, over, error] of [
      ["absent", {}, "not-found"],
      ["a/b", {}, "refused"],
      ["plugin", { env: { CNI_COMMAND: "GC" } }, "refused"],
      ["broken", {}, "spawn"],
    ] as const) {
      const { id } = scene.exec("gated", "net0");
      const first = scene.exec(plugin, "net1", { ...over, after: id });
      const second = scene.exec("plugin", "net2", { after: first.id });
      scene.openGate();
      expect(await first.done).toMatchObject({ error });
      expect(await second.done).toEqual(notStarted(first.id));
    }
    expect(scene.log).not.toContain("net2");
  });

  test("is not started after an order that never was, or comes later, or is itself, or no EXEC", async () => {
    await using scene = await Scene.create(binary);
    const look = { netns: "/run/netns/none", ifName: "net0" };
    await scene.stream.order(FrameType.linkExists, look);
    for (const after of [0, 1, scene.stream.lastId + 2, 2 ** 32 - 1]) {
      expect(await scene.exec("plugin", "net1", { after }).done).toEqual(notStarted(after));
    }
    const itself = scene.stream.lastId + 1;
    expect(await scene.exec("plugin", "net1", { after: itself }).done).toEqual(notStarted(itself));
    expect(scene.log).toEqual([]);
  });

  test("is not started after a success that the shim no longer remembers", async () => {
    await using scene = await Scene.create(binary);
    const [first] = await Promise.all(
      Array.from({ length: mostPlugins + 1 }, async () => {
        const { id, done } = scene.exec("plugin", "net0");
        await done;
        return id;
      }),
    );
    // The order in which they ended is not that of their ids: one of the two is the one that was forgotten.
    const remembered = await Promise.all(
      Array.from(
        { length: mostPlugins + 1 },
        (_, index) => scene.exec("absent", "net1", { after: (first ?? 0) + index }).done,
      ),
    );
    expect(remembered.filter(({ error }) => error === "not-started")).toHaveLength(1);
    expect(remembered.filter(({ error }) => error === "not-found")).toHaveLength(mostPlugins);
  });

  test("has its permissions checked when it comes", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0");
    await scene.untilBegun("net0");
    for (const [over, says] of [
      [{ env: { CNI_COMMAND: "CHECK" } }, /sets CNI_COMMAND to "CHECK"/],
      [{ env: { CNI_COMMAND: "ADD", LD_PRELOAD: "/x" } }, /sets "LD_PRELOAD"/],
      [{ env: { CNI_COMMAND: "ADD", CNI_NETNS: "/proc/1/ns/net" } }, /sets CNI_NETNS/],
      [{ absentLink: { netns: "/proc/1/ns/net", ifName: "net1" } }, /absentLink/],
    ] as const) {
      const done = await scene.exec("plugin", "net1", { ...over, after: id }).done;
      expect(done).toEqual({ error: "refused", message: expect.stringMatching(says) });
    }
    for (const after of ["1", -1, 1.5, 2n ** 32n, [1], true]) {
      const done = await scene.exec("plugin", "net1", { after }).done;
      expect(done).toEqual({ error: "refused", message: expect.stringContaining("`after`") });
    }
    scene.openGate();
    expect(await scene.exec("plugin", "net2", { after: id }).done).toMatchObject({ exitCode: 0 });
    expect(scene.log).not.toContain("net1");
  });

  test("counts among the plugins that run at once", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "first");
    const waiting = Array.from({ length: mostPlugins - 1 }, (_, index) =>
      scene.exec("plugin", `net${index}`, { after: id }),
    );
    const look = scene.stream.order(FrameType.linkExists, { netns: "/run/netns/other", ifName: "net0" });
    void look.then(() => scene.answered.push("look"));
    await scene.untilBegun("first");
    await untilPolling(scene.shim.child.pid);
    scene.openGate();
    await look;
    expect(scene.answered[0]).toBe("first");
    for (const { done } of waiting) expect(await done).toMatchObject({ exitCode: 0 });
  });

  test("orders behind those that are not started are taken at once", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("fails", "first");
    const waiting = Array.from({ length: 2 * mostPlugins }, (_, index) =>
      scene.exec("plugin", `net${index}`, { after: id }),
    );
    const last = scene.exec("plugin", "last");
    scene.openGate();
    for (const { done } of waiting) expect(await done).toEqual(notStarted(id));
    expect(await last.done).toMatchObject({ exitCode: 0 });
    expect(scene.log).toEqual(["begin first", "end first", "last"]);
  });

  test("has its time from its start on", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0", { timeoutMs: 0 });
    const second = scene.exec("plugin", "net1", { after: id, timeoutMs: 2_000 });
    const third = scene.exec("hangs", "net2", { after: second.id, timeoutMs: 300 });
    await scene.untilBegun("net0");
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(scene.answered).toEqual([]);
    scene.openGate();
    expect(await second.done).toMatchObject({ exitCode: 0 });
    expect(await third.done).toMatchObject({ error: "timeout" });
  });

  test("is not started when the daemon has gone, and that of the order before it may end", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0");
    void scene.exec("plugin", "net1", { after: id });
    await scene.untilBegun("net0");
    scene.stream.destroy();
    await untilPolling(scene.shim.child.pid);
    scene.openGate();
    expect(errorOf(await scene.shim.outcome)).toMatchObject({ code: 11 });
    expect(scene.log).toEqual(["begin net0", "end net0"]);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("is not started after %s", async (signal) => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0");
    void scene.exec("plugin", "net1", { after: id });
    // An order that is answered was read behind it.
    await scene.exec("plugin", "beside").done;
    await scene.untilBegun("net0");
    scene.shim.child.kill(signal);
    // Orders after the signal get no refusal: they are left unread.
    await untilPolling(scene.shim.child.pid);
    scene.openGate();
    expect(errorOf(await scene.shim.outcome)).toMatchObject({ code: 11 });
    expect(scene.log).not.toContain("net1");
  });

  test("is not started after a REPLY", async () => {
    await using scene = await Scene.create(binary);
    const { id } = scene.exec("gated", "net0");
    void scene.exec("plugin", "net1", { after: id });
    await scene.untilBegun("net0");
    scene.stream.reply(0, "answer");
    const { exitCode, stdout } = await scene.shim.outcome;
    expect([exitCode, stdout.toString()]).toEqual([0, "answer"]);
    scene.openGate();
    expect(scene.log).toEqual(["begin net0"]);
  });

  test.runIf(isRoot)("looks for absentLink when it is started", async () => {
    await using namespace = await Namespace.create("after");
    await using scene = await Scene.create(binary, { env: { CNI_NETNS: namespace.path } });
    const { id } = scene.exec("gated", "net0");
    const attach = (ifName: string) =>
      scene.exec("plugin", ifName, { after: id, absentLink: { netns: namespace.path, ifName } }).done;
    const [there, absent] = [attach("net1"), attach("net2")];
    await scene.untilBegun("net0");
    await untilPolling(scene.shim.child.pid);
    await addLink(namespace, "net1");
    scene.openGate();
    expect(await there).toMatchObject({ error: "link-exists" });
    expect(await absent).toMatchObject({ exitCode: 0 });
    expect(scene.log).not.toContain("net1");
  });

  describe.runIf(isRoot)("links", () => {
    const detachOf = (netns: string, ...names: readonly string[]) => ({
      netns,
      links: names.map((ifName) => ({ ifName, kind: "bridge" })),
    });

    /** A scene of a DEL in a namespace that has the links net1 and net2. */
    async function deleting() {
      const namespace = await Namespace.create("after");
      for (const ifName of ["net1", "net2"]) await addLink(namespace, ifName);
      const scene = await Scene.create(binary, {
        env: { CNI_COMMAND: "DEL", CNI_NETNS: namespace.path },
      });
      const names = async () =>
        (await namespace.links()).map(({ ifname }) => ifname).filter((name) => /^net/.test(name));
      return {
        namespace,
        scene,
        names,
        /** @returns its id, and its DONE */
        detach(ifName: string, after?: number) {
          const body = detachOf(namespace.path, ifName);
          const done = scene.stream.order(
            FrameType.detachLinks,
            after === undefined ? body : { ...body, after },
          );
          return { id: scene.stream.lastId, done };
        },
        exec: (plugin: string, ifName: string, over: FrameBody = {}) =>
          scene.exec(plugin, ifName, { env: { CNI_COMMAND: "DEL", CNI_IFNAME: ifName }, ...over }),
        async [Symbol.asyncDispose]() {
          await scene[Symbol.asyncDispose]();
          await namespace[Symbol.asyncDispose]();
        },
      };
    }

    test("are removed when the plugin before them has succeeded, and a plugin starts when they are removed", async () => {
      await using pod = await deleting();
      const { scene } = pod;
      const first = pod.exec("gated", "net3");
      const links = pod.detach("net2", first.id);
      const others = pod.detach("net1", links.id);
      const last = pod.exec("plugin", "eth0", { after: others.id });
      await scene.untilBegun("net3");
      // It was read behind the others.
      expect(await pod.exec("plugin", "beside").done).toMatchObject({ exitCode: 0 });
      expect(await pod.names()).toEqual(["net1", "net2"]);
      scene.openGate();
      expect(await links.done).toEqual({});
      expect(await others.done).toEqual({});
      expect(await last.done).toMatchObject({ exitCode: 0 });
      expect(await pod.names()).toEqual([]);
      expect(scene.log).toEqual(["begin net3", "beside", "end net3", "eth0"]);
    });

    test("stay where the plugin before them has failed, and a plugin is not started after links that stay", async () => {
      await using pod = await deleting();
      const { scene } = pod;
      const first = pod.exec("fails", "net3");
      const links = pod.detach("net2", first.id);
      scene.openGate();
      expect(await links.done).toEqual(notStarted(first.id));
      await pod.namespace.ip("link", "add", "net4", "type", "bridge");
      const unsuited = pod.detach("net4");
      const last = pod.exec("plugin", "eth0", { after: unsuited.id });
      expect(await unsuited.done).toMatchObject({ error: "unsuited" });
      expect(await last.done).toEqual(notStarted(unsuited.id));
      expect(await pod.names()).toEqual(["net1", "net2", "net4"]);
      // A success that came before is remembered.
      const removed = pod.detach("net1");
      expect(await removed.done).toEqual({});
      expect(await pod.detach("net2", removed.id).done).toEqual({});
      expect(await pod.exec("plugin", "eth0", { after: removed.id }).done).toMatchObject({ exitCode: 0 });
      expect(await pod.names()).toEqual(["net4"]);
    });

    test.each(["signal", "end of the daemon", "REPLY"] as const)("stay after a %s", async (what) => {
      await using pod = await deleting();
      const { scene } = pod;
      const { id } = pod.exec("gated", "net3");
      void pod.detach("net2", id).done;
      await pod.exec("plugin", "beside").done;
      await scene.untilBegun("net3");
      if (what === "signal") scene.shim.child.kill("SIGTERM");
      else if (what === "REPLY") scene.stream.reply(0, "");
      else scene.stream.destroy();
      if (what !== "REPLY") await untilPolling(scene.shim.child.pid);
      scene.openGate();
      await scene.shim.outcome;
      expect(await pod.names()).toEqual(["net1", "net2"]);
    });

    test("are looked at when their turn comes: by plugin files, and by whether they are there", async () => {
      await using namespace = await Namespace.create("after");
      await using scene = await Scene.create(binary, { env: { CNI_NETNS: namespace.path } });
      const { pluginDirectory: path } = scene.daemon;
      scene.daemon.addPlugin("macvlan", "true");
      // A file that has changed within the last moment has no state.
      await sleep(200);
      const { id } = scene.exec("gated", "net0");
      const attach = (fileState: string) =>
        scene.stream.order(FrameType.attachLinks, {
          netns: namespace.path,
          plugins: [{ plugin: "macvlan", path, fileState }],
          links: [
            {
              ifName: "net1",
              kind: "macvlan",
              mode: 4,
              parent: "absent0",
              sets: [],
              addresses: [],
              routes: [],
            },
          ],
          after: id,
        });
      const [changed, unsuited] = [attach("of another file"), attach(fileState(join(path, "macvlan")))];
      await scene.untilBegun("net0");
      await untilPolling(scene.shim.child.pid);
      scene.openGate();
      expect(await changed).toMatchObject({
        error: "unsuited",
        message: expect.stringContaining("has changed"),
      });
      expect(await unsuited).toMatchObject({
        error: "unsuited",
        message: expect.stringContaining("absent0"),
      });
    });
  });

  test("many orders of two chains, written as one piece", async () => {
    await using scene = await Scene.create(binary);
    const order = (id: number, plugin: string, ifName: string, after?: number) =>
      frameWith(FrameType.exec, id, {
        plugin,
        path: scene.daemon.pluginDirectory,
        env: { CNI_COMMAND: "ADD", CNI_IFNAME: ifName },
        stdin: Buffer.from("{}"),
        timeoutMs: 0,
        ...(after === undefined ? {} : { after }),
      });
    scene.openGate();
    const frames = [order(1000, "gated", "a0"), order(2000, "fails", "b0")];
    for (let place = 1; place <= 40; place++) {
      frames.push(order(1000 + place, "plugin", `a${place}`, 999 + place));
      frames.push(order(2000 + place, "plugin", `b${place}`, 1999 + place));
    }
    scene.stream.sendBytes(Buffer.concat(frames));
    const answers = new Map<number, FrameBody>();
    while (answers.size < 82) {
      const frame = await scene.stream.next();
      answers.set(frame?.id ?? 0, frame?.body ?? {});
    }
    for (let place = 1; place <= 40; place++) {
      expect(answers.get(1000 + place)).toMatchObject({ exitCode: 0 });
      expect(answers.get(2000 + place)).toEqual(notStarted(1999 + place));
    }
    const ofFirst = scene.log.filter((line) => line.startsWith("a"));
    expect(ofFirst).toEqual(Array.from({ length: 40 }, (_, index) => `a${index + 1}`));
  });

  test("an agent knows it too, and has permissions checked once more when it is started", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "cat");
    const netns = daemon.path("netns");
    daemon.addPlugin("makes-file", `touch ${netns}`);
    const { stream } = spawnAgent([binary, "agent", "--path", daemon.pluginDirectory, "--fd", "3"], {});
    using _ = stream;
    expect(await stream.greet("agent")).toMatchObject({ after: true });
    const first = exec(daemon, stream, "plugin");
    const second = exec(daemon, stream, "plugin", { after: stream.lastId, stdin: Buffer.from("2") });
    expect(await first).toMatchObject({ exitCode: 0 });
    expect(stdoutOf(await second)).toBe("2");
    // As long as nothing is there the plugin is to say so; a file that is no namespace is refused.
    const env = { CNI_COMMAND: "ADD", CNI_NETNS: netns };
    expect(await exec(daemon, stream, "plugin", { env })).toMatchObject({ exitCode: 0 });
    const third = exec(daemon, stream, "makes-file");
    const fourth = exec(daemon, stream, "plugin", { after: stream.lastId, env });
    expect(await third).toMatchObject({ exitCode: 0 });
    expect(await fourth).toMatchObject({
      error: "refused",
      message: expect.stringContaining("is no network namespace"),
    });
  });
});
