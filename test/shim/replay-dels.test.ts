/** What is recorded is done by the next call that reaches a daemon: behind the runtime's back, in order, once, and before anything else is done with its container. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { FrameBody } from "../../src/agent/frames.ts";
import { runCommand, runOrThrow } from "../support/command.ts";
import { Namespace } from "../support/namespace.ts";
import { markedProcesses, session, sessionVariable } from "../support/session.ts";
import { shims } from "./support/binaries.ts";
import { exec } from "./support/exec-order.ts";
import { isRoot } from "./support/links.ts";
import { isRunning } from "./support/process-state.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";
import type { ShimStream } from "./support/shim-stream.ts";
import { encodeRecord, recordAround, recordBody, Spool } from "./support/spool.ts";

const status = { CNI_COMMAND: "STATUS" };
const patience = { timeout: 20_000, interval: 10 };

/** A shim's request, and the stream that its answer goes to. */
interface Arrival {
  readonly stream: ShimStream;
  readonly request: FrameBody;
}

async function arrival(daemon: ShimDaemon): Promise<Arrival> {
  const stream = await daemon.accept();
  return { stream, request: await stream.greet() };
}

/** Has the one DEL that is recorded replayed. @returns the network namespace that it names then */
async function netnsOfReplay(daemon: ShimDaemon): Promise<unknown> {
  const call = await daemon.connected({ env: status });
  call.stream.reply(0, "");
  const { request, stream } = await arrival(daemon);
  stream.reply(0, "");
  await noReplayer();
  return request.netns;
}

/** Answers whoever comes, each after `answer` says how. @returns what has come so far */
function answerAll(
  daemon: ShimDaemon,
  answer: (request: FrameBody) => number | Promise<number>,
): FrameBody[] {
  const requests: FrameBody[] = [];
  const serve = async (): Promise<void> => {
    for (;;) {
      const stream = await daemon.accept();
      void (async () => {
        const request = await stream.greet();
        requests.push(request);
        stream.reply(await answer(request), "{}");
      })();
    }
  };
  void serve();
  return requests;
}

const idsOf = (requests: readonly FrameBody[]) =>
  requests
    .filter(({ command }) => command === "DEL")
    .map(({ containerId, ifName }) => `${containerId} ${ifName}`);

/** Children of shims that are at it. */
function replayers(): number[] {
  return markedProcesses()
    .filter(({ session: owner, pid }) => owner === session && isRunning(pid))
    .map(({ pid }) => pid)
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "multus-spool");
}

const noReplayer = () => vi.waitFor(() => expect(replayers()).toEqual([]), patience);

describe.each(shims)("recorded DELs, $name shim", ({ name, binary }) => {
  test("are replayed by the next call, of whatever kind, once its answer is out: the runtime does not wait", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const recorded = recordBody({
      netns: "/run/netns/gone",
      ifName: "net1",
      args: "A=\u00e4",
      path: `/opt/cni/bin:${"/x".repeat(40_000)}`,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      config: Buffer.from('{"name":"as it was"}\n'),
    });
    for (const command of ["STATUS", "GC", "ADD", "CHECK", "DEL"]) {
      spool.add(1, recorded);
      const { outcome, stream } = await daemon.connected({ env: { CNI_COMMAND: command } });
      expect(spool.names()).toHaveLength(1);
      stream.reply(command === "CHECK" ? 1 : 0, `{"answer":"to ${command}"}`);
      const replayed = await arrival(daemon);
      // Its output has ended, though the child still waits for its answer.
      expect((await outcome).stdout.toString()).toBe(`{"answer":"to ${command}"}`);
      const { bootId, netnsDevice, netnsInode, netnsCookie, ...request } = recorded;
      // Its namespace is gone, and something else may be there by the time a plugin looks.
      // Plugins may be in the directories of the call that replays.
      const pluginDirectories = `${daemon.pluginDirectory}:/opt/cni/bin`;
      expect(replayed.request).toEqual({ ...request, netns: "", pluginDirectories, triesLeft: 79 });
      expect(spool.names()).toHaveLength(1);
      replayed.stream.reply(0, "");
      await noReplayer();
      expect(spool.names()).toEqual([]);
    }
  });

  test("are replayed by a child that has nothing of the call's", async () => {
    await using daemon = await ShimDaemon.create(binary);
    new Spool(daemon.cniDir).add(1);
    const shim = spawn(binary, [], {
      env: {
        CNI_COMMAND: "STATUS",
        CNI_PATH: daemon.pluginDirectory,
        PATH: process.env.PATH,
        MULTUS_TEST_SESSION: session,
      },
      // A further pipe that the runtime forgot to close.
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      cwd: daemon.pluginDirectory,
    });
    const closed = once(shim, "close");
    shim.stdout?.resume();
    shim.stderr?.resume();
    const forgotten = shim.stdio[3];
    if (forgotten === null || forgotten === undefined || !("resume" in forgotten)) throw new Error("no pipe");
    forgotten.resume();
    shim.stdin?.end(daemon.config());
    const call = await arrival(daemon);
    call.stream.reply(0, "");
    const replayed = await arrival(daemon);
    await closed;
    const [pid = 0, ...more] = replayers();
    expect(more).toEqual([]);
    const descriptors = [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(descriptors).toEqual(["/dev/null", "/dev/null", "/dev/null"]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    // proc(5): session, behind the state, parent and process group.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]).toBe(String(pid));
    replayed.stream.reply(0, "");
    await noReplayer();
  });

  test("go in their order, each when the one before is done", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    for (let time = 1; time <= 12; time++)
      spool.add(time, { containerId: `c${time % 3}`, ifName: `net${time}` });
    let underWay = 0;
    const requests = answerAll(daemon, async ({ command }) => {
      if (command === "DEL") expect(++underWay).toBe(1);
      await sleep(5);
      if (command === "DEL") underWay--;
      return 0;
    });
    expect((await daemon.run({ env: status }).outcome).exitCode).toBe(0);
    await vi.waitFor(() => expect(spool.names()).toEqual([]), patience);
    const expected = Array.from({ length: 12 }, (_, index) => `c${(index + 1) % 3} net${index + 1}`);
    expect(idsOf(requests)).toEqual(expected);
  });

  test("that were never tried go before those that failed: two that hang are not to use up the time of all", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const failed = spool.add(1, { containerId: "failed" }, 1);
    spool.add(2, { containerId: "failed", ifName: "net1" });
    spool.add(3, { containerId: "new" });
    spool.add(4, { containerId: "new", ifName: "net1" });
    const longAgo = Date.now() / 1000 - 3_600;
    utimesSync(spool.path(failed), longAgo, longAgo);
    const requests = answerAll(daemon, () => 0);
    expect((await daemon.run({ env: status }).outcome).exitCode).toBe(0);
    await vi.waitFor(() => expect(spool.names()).toEqual([]), patience);
    expect(idsOf(requests)).toEqual(["new eth0", "new net1", "failed eth0", "failed net1"]);
  });

  test("of a namespace whose DELs fail, however many and however long they take, let those of others have every second turn", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const longAgo = Date.now() / 1000 - 3_600;
    // The newest try of a namespace says when it last had its turn.
    const add = (time: number, containerId: string, namespace: string, agoSeconds: number | undefined) => {
      const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${containerId}`;
      const name = spool.add(time, { containerId, args }, agoSeconds === undefined ? 0 : 1);
      if (agoSeconds !== undefined) utimesSync(spool.path(name), longAgo, longAgo - agoSeconds);
    };
    for (let index = 1; index <= 6; index++)
      add(index, `evil${index}`, "evil", index === 1 ? undefined : index);
    add(10, "good1", "good", 100);
    add(11, "good2", "good", 101);
    add(12, "other1", "other", undefined);
    const requests = answerAll(daemon, ({ containerId }) => (String(containerId).startsWith("evil") ? 1 : 0));
    expect((await daemon.run({ env: status }).outcome).exitCode).toBe(0);
    await vi.waitFor(() => expect(spool.names()).toHaveLength(6), patience);
    await noReplayer();
    const order = idsOf(requests).map((text) => text.split(" ")[0]);
    expect(order).toEqual(["other1", "good1", "good2", "evil1", "evil2", "evil3", "evil4", "evil5", "evil6"]);
    // Those that fail go behind all that wait, and the next child begins with the others.
    for (const [index, name] of spool.names().entries())
      utimesSync(spool.path(name), longAgo, longAgo + index);
    add(20, "good3", "good", 200);
    add(21, "new1", "evil", undefined);
    const before = requests.length;
    expect((await daemon.run({ env: status }).outcome).exitCode).toBe(0);
    await noReplayer();
    const second = idsOf(requests.slice(before)).map((text) => text.split(" ")[0]);
    expect(second.slice(0, 3)).toEqual(["good3", "new1", "evil1"]);
  });

  test("two hundred, while ten calls come at once: each exactly once", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const count = name === "release" ? 200 : 60;
    for (let time = 1; time <= count; time++) spool.add(time, { containerId: `c${time}` });
    const requests = answerAll(daemon, () => 0);
    const calls = Array.from({ length: 10 }, () => daemon.run({ env: status }).outcome);
    for (const call of calls) expect((await call).exitCode).toBe(0);
    await vi.waitFor(() => expect(spool.names()).toEqual([]), patience);
    await noReplayer();
    expect(idsOf(requests)).toEqual(Array.from({ length: count }, (_, index) => `c${index + 1} eth0`));
  });

  test("new ones come while others are replayed, and none is lost", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    for (let time = 1; time <= 30; time++) spool.add(time, { containerId: `old${time}` });
    writeFileSync(daemon.path("no-directory"), "");
    const requests = answerAll(daemon, async () => {
      await sleep(10);
      return 0;
    });
    await daemon.run({ env: status }).outcome;
    const away = daemon.config({ daemonSocketDir: daemon.path("no-directory") });
    const names = Array.from({ length: 30 }, (_, index) => `new${index}`);
    const calls = names.map((id) =>
      daemon.run({ env: { CNI_COMMAND: "DEL", CNI_CONTAINERID: id }, config: away }),
    );
    for (const { outcome } of calls) expect((await outcome).exitCode).toBe(0);
    await daemon.run({ env: status }).outcome;
    await vi.waitFor(() => expect(spool.names()).toEqual([]), patience);
    const done = idsOf(requests).map((text) => text.split(" ")[0]);
    expect(done.slice().sort()).toEqual(
      [...names, ...Array.from({ length: 30 }, (_, i) => `old${i + 1}`)].sort(),
    );
  });

  test("one that fails stays with its tries and waits for its time; what is behind it of its container waits too", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1, { containerId: "bad" });
    spool.add(2, { containerId: "good" });
    spool.add(3, { containerId: "bad", ifName: "net1" });
    const requests = answerAll(daemon, ({ containerId }) => (containerId === "bad" ? 1 : 0));
    const call = async () => {
      await daemon.run({ env: status }).outcome;
      await noReplayer();
    };
    await call();
    expect(spool.names()).toEqual(["0000000000000001-01-bad", "0000000000000003-00-bad"]);
    await call();
    expect(idsOf(requests)).toEqual(["bad eth0", "good eth0"]);
    // Tries, and seconds since the last: before and after its time.
    for (const [tries, seconds] of [
      ["01", 10],
      ["02", 20],
      ["07", 640],
      ["08", 1200],
      ["78", 1200],
    ] as const) {
      const [first = ""] = spool.names();
      const due = `0000000000000001-${tries}-bad`;
      if (first !== due) await runOrThrow(["mv", spool.path(first), spool.path(due)]);
      const before = requests.length;
      const now = Date.now() / 1000;
      utimesSync(spool.path(due), now, now - seconds + 5);
      await call();
      expect(requests.slice(before).filter(({ command }) => command === "DEL")).toEqual([]);
      utimesSync(spool.path(due), now, now - seconds - 1);
      await call();
      expect(idsOf(requests.slice(before))[0]).toEqual("bad eth0");
      // The daemon says so when the last one fails.
      const replayed = requests.slice(before).find(({ command }) => command === "DEL");
      expect(replayed).toMatchObject({ triesLeft: 79 - Number(tries) });
    }
    // That was the last try. The next call goes on with what waited.
    expect(spool.names()).toContain("failed-0000000000000001-79-bad");
    await call();
    expect(idsOf(requests).at(-1)).toBe("bad net1");
    expect(spool.names()).toEqual(["0000000000000003-01-bad", "failed-0000000000000001-79-bad"]);
  });

  test("a daemon that goes away in the middle is a try and the end; one that is not there, or stops, is none", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1, { containerId: "first" });
    spool.add(2, { containerId: "second" });
    const one = await daemon.connected({ env: status });
    one.stream.reply(0, "");
    (await arrival(daemon)).stream.reply(1, '{"code":11,"msg":"stopping"}', { retry: true });
    await noReplayer();
    expect(spool.names()).toEqual(["0000000000000001-00-first", "0000000000000002-00-second"]);
    const two = await daemon.connected({ env: status });
    two.stream.reply(0, "");
    (await arrival(daemon)).stream.destroy();
    await noReplayer();
    expect(spool.names()).toEqual(["0000000000000001-01-first", "0000000000000002-00-second"]);
    // One that brings daemons down does not do so for a day.
    const often = spool.path("0000000000000001-15-first");
    await runOrThrow(["mv", spool.path("0000000000000001-01-first"), often]);
    utimesSync(often, 1, 1);
    // In a namespace that is not the other one's, so that it is its turn.
    await runOrThrow(["rm", spool.path("0000000000000002-00-second")]);
    const crash = await daemon.connected({ env: status });
    crash.stream.reply(0, "");
    (await arrival(daemon)).stream.destroy();
    await noReplayer();
    expect(spool.names()).toEqual(["failed-0000000000000001-16-first"]);
    spool.add(1, { containerId: "first" });
    const three = await daemon.connected({ env: status });
    daemon.stopListening();
    three.stream.reply(0, "");
    await three.outcome;
    await noReplayer();
    expect(spool.names()).toEqual(["0000000000000001-00-first", "failed-0000000000000001-16-first"]);
  });

  test("those of a container come before its own request, due or not", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    for (const command of ["ADD", "CHECK", "DEL"]) {
      spool.add(1, { containerId: "container1" }, 3);
      spool.add(2, { containerId: "container1", ifName: "net1" });
      const { outcome } = daemon.run({ env: { CNI_COMMAND: command } });
      for (const ifName of ["eth0", "net1"]) {
        const replayed = await arrival(daemon);
        expect(replayed.request).toMatchObject({
          command: "DEL",
          containerId: "container1",
          ifName,
          args: "A=b",
        });
        replayed.stream.reply(0, "");
      }
      const own = await arrival(daemon);
      expect(own.request).toMatchObject({ command, netns: "/run/netns/none" });
      expect(spool.names()).toEqual([]);
      own.stream.reply(0, "{}");
      expect((await outcome).exitCode).toBe(0);
    }
  });

  test("where they fail, an ADD of the container is not begun; a DEL goes on", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1, { containerId: "container1" });
    const requests = answerAll(daemon, ({ args }) => (args === "A=b" ? 1 : 0));
    const env = { CNI_ARGS: "OWN=call" };
    const refused = errorOf(await daemon.run({ env }).outcome);
    expect(refused).toMatchObject({ code: 11, msg: expect.stringContaining("a DEL of this container") });
    expect(requests).toMatchObject([{ command: "DEL" }]);
    expect(spool.names()).toEqual(["0000000000000001-01-container1"]);
    expect((await daemon.run({ env: { ...env, CNI_COMMAND: "DEL" } }).outcome).exitCode).toBe(0);
    expect(requests.map(({ command, args }) => [command, args])).toEqual([
      ["DEL", "A=b"],
      ["DEL", "A=b"],
      ["DEL", "OWN=call"],
    ]);
    // It was tried before its time, as often as the runtime asks: that uses up no try.
    expect(spool.names()).toEqual(["0000000000000001-01-container1"]);
    expect(requests[1]).toMatchObject({ triesLeft: 79 });
  });

  test("one that another process is just doing is waited for, and not done again", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1, { containerId: "container1" });
    const other = await daemon.connected({ env: status });
    other.stream.reply(0, "");
    const replayed = await arrival(daemon);
    const { outcome } = daemon.run();
    await sleep(300);
    replayed.stream.reply(0, "");
    const own = await arrival(daemon);
    expect(own.request).toMatchObject({ command: "ADD" });
    expect(spool.names()).toEqual([]);
    own.stream.reply(0, "{}");
    expect((await outcome).exitCode).toBe(0);
  });

  test("run plugins from the directories of the call that replays, and from no others", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const evil = daemon.path("evil");
    const ran = daemon.path("ran");
    daemon.addPlugin("plugin", `echo "$CNI_CONTAINERID" >> ${ran}`);
    await runOrThrow(["cp", "-r", daemon.pluginDirectory, evil]);
    const spool = new Spool(daemon.cniDir);
    spool.add(1, { path: evil, config: Buffer.from(JSON.stringify({ binDir: evil })) });
    const call = await daemon.connected({ env: status });
    call.stream.reply(0, "");
    const { stream } = await arrival(daemon);
    expect(await exec(daemon, stream, "plugin", { path: evil })).toMatchObject({ error: "refused" });
    const env = { CNI_COMMAND: "DEL", CNI_CONTAINERID: "recorded" };
    expect(await exec(daemon, stream, "plugin", { env })).toMatchObject({ exitCode: 0 });
    stream.reply(0, "");
    expect(readFileSync(ran, "utf8")).toBe("recorded\n");
    await noReplayer();
  });

  test("what is no record is set aside, and stops neither a call nor the others", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const whole = encodeRecord(recordBody({ containerId: "torn" }));
    const broken: Readonly<Record<string, string | Uint8Array>> = {
      "0000000000000001-00-torn": whole.subarray(0, -1),
      "0000000000000002-00-empty": "",
      "0000000000000003-00-longer": Buffer.concat([whole, Buffer.from("x")]),
      "0000000000000004-00-other": encodeRecord(recordBody({ containerId: "another" })),
      "0000000000000005-00-add": encodeRecord(recordBody({ containerId: "add", command: "ADD" })),
      "0000000000000006-00-body": recordAround(Buffer.from("not MessagePack")),
      "0000000000000007-00-version": Buffer.from(whole.toString("latin1").replace("1", "2"), "latin1"),
      "not a record's name": "",
    };
    for (const [file, content] of Object.entries(broken)) spool.write(file, content);
    await runOrThrow(["mkfifo", spool.path("0000000000000008-00-fifo")]);
    await runOrThrow(["mkdir", spool.path("0000000000000009-00-directory")]);
    await runOrThrow(["ln", "-s", "/etc/passwd", spool.path("0000000000000010-00-link")]);
    await runOrThrow(["truncate", "-s", "1G", spool.path("0000000000000011-00-large")]);
    spool.add(12, { containerId: "good" });
    const requests = answerAll(daemon, () => 0);
    const { exitCode, stderr } = await daemon.run({ env: status }).outcome;
    expect(exitCode).toBe(0);
    expect(stderr).toContain("is set aside as broken-not a record's name");
    await noReplayer();
    expect(idsOf(requests)).toEqual(["good eth0"]);
    const names = [
      ...Object.keys(broken),
      "0000000000000008-00-fifo",
      "0000000000000009-00-directory",
      "0000000000000010-00-link",
      "0000000000000011-00-large",
    ];
    expect(spool.names()).toEqual(names.map((file) => `broken-${file}`).sort());
    await daemon.run({ env: status }).outcome;
    await noReplayer();
    expect(idsOf(requests)).toEqual(["good eth0"]);
  });

  test("what cannot even be set aside is left at once, and said", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.write("0000000000000001-00-torn", "");
    await runOrThrow(["mkdir", spool.path("broken-0000000000000001-00-torn")]);
    spool.add(2, { containerId: "good" });
    const requests = answerAll(daemon, () => 0);
    expect((await daemon.run({ env: status }).outcome).exitCode).toBe(0);
    await noReplayer();
    expect(idsOf(requests)).toEqual(["good eth0"]);
    expect(spool.names()).toContain("0000000000000001-00-torn");
    // It may be a DEL that is only written in another way: no ADD over it.
    const outcome = await daemon.run({ env: { CNI_CONTAINERID: "torn" } }).outcome;
    expect(errorOf(outcome)).toMatchObject({
      code: 11,
      msg: expect.stringContaining("a DEL of this container"),
    });
    expect(outcome.stderr).toContain("cannot be set aside: 0000000000000001-00-torn: Is a directory");
  });

  test("names that leave no room for the prefix are set aside too, each under one of its own, and said once", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const long = "n".repeat(254);
    spool.write(`${long}1`, "first");
    spool.write(`${long}2`, "second");
    // One that would be a record's if it were shorter.
    spool.write(`0000000000000001-00-${"c".repeat(229)}`, "third");
    answerAll(daemon, () => 0);
    const { stderr } = await daemon.run({ env: status }).outcome;
    expect(stderr.match(/is set aside as broken-/g)).toHaveLength(3);
    expect((await daemon.run({ env: status }).outcome).stderr).toBe("");
    const names = spool.names();
    expect(names).toEqual([
      expect.stringMatching(/^broken-0000000000000001-00-c{219}-[0-9a-f]{8}$/),
      expect.stringMatching(/^broken-n{239}-[0-9a-f]{8}$/),
      expect.stringMatching(/^broken-n{239}-[0-9a-f]{8}$/),
    ]);
    const contents = names.map((file) => readFileSync(spool.path(file), "utf8"));
    expect(contents.sort()).toEqual(["first", "second", "third"]);
  });

  test.skipIf(!isRoot)(
    "from which nothing can be removed are not carried out, time and again, and no call says so that is not about them",
    async () => {
      await using daemon = await ShimDaemon.create(binary);
      const spool = new Spool(daemon.cniDir);
      mkdirSync(daemon.cniDir);
      await runOrThrow(["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", daemon.cniDir]);
      try {
        spool.add(1, { containerId: "done" });
        spool.write("not a record's name", "");
        await runOrThrow(["mkdir", spool.path("not a file")]);
        await runOrThrow(["mount", "-o", "remount,ro", daemon.cniDir]);
        const requests = answerAll(daemon, () => 0);
        for (let call = 0; call < 3; call++) {
          expect(await daemon.run({ env: status }).outcome).toMatchObject({ exitCode: 0, stderr: "" });
          await noReplayer();
        }
        const add = await daemon.run({ env: { CNI_CONTAINERID: "done" } }).outcome;
        expect(errorOf(add)).toMatchObject({
          code: 11,
          msg: expect.stringContaining("a DEL of this container"),
        });
        expect(add.stderr).toContain("could not be removed afterwards");
        expect(add.stderr).toContain("0000000000000001-00-done: Read-only file system");
        expect(idsOf(requests)).toEqual([]);
        await runOrThrow(["mount", "-o", "remount,rw", daemon.cniDir]);
        await daemon.run({ env: status }).outcome;
        await noReplayer();
        expect(idsOf(requests)).toEqual(["done eth0"]);
        expect(spool.names()).toEqual(["broken-not a file", "broken-not a record's name"]);
      } finally {
        await runCommand(["umount", "--lazy", daemon.cniDir]);
      }
    },
  );

  test("whatever a record's bytes have become, it is replayed as it was or set aside", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const requests = answerAll(daemon, () => 0);
    const body = recordBody({ args: "A=b;C=d", config: Buffer.from('{"name":"x"}') });
    const original = encodeRecord(body);
    const change = fc.tuple(fc.nat({ max: original.length - 1 }), fc.nat({ max: 255 }));
    const changes = fc.array(change, { maxLength: 3 });
    const file = fc.oneof(
      // As it lies there, torn or with other bytes; and with a checksum that fits, as from another version.
      fc.tuple(changes, fc.nat({ max: original.length })).map(([bytes, length]) => {
        const torn = Buffer.from(original);
        for (const [at, byte] of bytes) torn[at] = byte;
        return torn.subarray(0, length === 0 ? torn.length : length);
      }),
      changes.map((bytes) => {
        const other = Buffer.from(original.subarray(16));
        for (const [at, byte] of bytes) other[at % other.length] = byte;
        return recordAround(other);
      }),
    );
    await fc.assert(
      fc.asyncProperty(file, async (content) => {
        spool.write("0000000000000001-00-recorded", content);
        const before = idsOf(requests).length;
        const outcome = await daemon.run({ env: status }).outcome;
        expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
        await vi.waitFor(() => {
          expect(existsSync(spool.path("0000000000000001-00-recorded"))).toBe(false);
        }, patience);
        const replayed = idsOf(requests).slice(before);
        const aside = existsSync(spool.path("broken-0000000000000001-00-recorded"));
        expect(replayed.length).toBe(aside ? 0 : 1);
        if (content.equals(original)) expect(aside).toBe(false);
        // The checksum tells every change of so few bytes.
        if (!aside && !content.equals(original))
          expect(content.equals(recordAround(content.subarray(16)))).toBe(true);
        await runOrThrow(["rm", "-f", spool.path("broken-0000000000000001-00-recorded")]);
      }),
      { numRuns: name === "release" ? 120 : 40 },
    );
  });

  test.skipIf(!isRoot)("keep their namespace only as long as its path leads to the same one", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    await using pod = await Namespace.create("pod");
    await using other = await Namespace.create("other");
    writeFileSync(daemon.path("no-directory"), "");
    const away = daemon.config({ daemonSocketDir: daemon.path("no-directory") });
    const place = daemon.path("netns");
    writeFileSync(place, "");
    const record = () => daemon.run({ env: { CNI_COMMAND: "DEL", CNI_NETNS: place }, config: away }).outcome;
    await runOrThrow(["mount", "--bind", pod.path, place]);
    try {
      await record();
      const [recorded = {}] = spool.records();
      const { bootId, netnsInode, netnsCookie } = recorded;
      expect(bootId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
      expect(netnsInode).toBeGreaterThan(0);
      expect(netnsCookie).toBeGreaterThan(0);
      expect(await netnsOfReplay(daemon)).toBe(place);
      // The same namespace, but a boot that is over: the numbers mean nothing.
      spool.add(1, { ...recorded, bootId: "00000000-0000-0000-0000-000000000000" });
      expect(await netnsOfReplay(daemon)).toBe("");
      await record();
      await runOrThrow(["umount", place]);
      await runOrThrow(["mount", "--bind", other.path, place]);
      expect(await netnsOfReplay(daemon)).toBe("");
      await record();
      await runOrThrow(["umount", place]);
      // What a runtime leaves where a namespace was: an ordinary file.
      expect(await netnsOfReplay(daemon)).toBe("");
    } finally {
      await runCommand(["umount", "--lazy", place]);
    }
  });

  test.skipIf(!isRoot)("give up a namespace in which processes run, or that a link leads to", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    await using pod = await Namespace.create("pod");
    writeFileSync(daemon.path("no-directory"), "");
    const away = daemon.config({ daemonSocketDir: daemon.path("no-directory") });
    const link = daemon.path("link");
    symlinkSync(pod.path, link);
    const replayedNetns = async (netns: string) => {
      await daemon.run({ env: { CNI_COMMAND: "DEL", CNI_NETNS: netns }, config: away }).outcome;
      // It is recorded as what it is: who wrote the record is not known when it is replayed.
      expect(spool.records()).toMatchObject([{ netns, netnsInode: statSync(pod.path).ino }]);
      return netnsOfReplay(daemon);
    };
    expect(await replayedNetns(pod.path)).toBe(pod.path);
    expect(await replayedNetns(link)).toBe("");
    const running = spawn("ip", ["netns", "exec", pod.name, "sh", "-c", "echo; exec sleep 3600"], {
      env: { ...process.env, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await once(running.stdout, "data");
      expect(await replayedNetns(pod.path)).toBe("");
      expect(await replayedNetns(`/proc/${running.pid}/ns/net`)).toBe("");
    } finally {
      running.kill("SIGKILL");
    }
    await once(running, "close");
    expect(await replayedNetns(pod.path)).toBe(pod.path);
  });
});

describe("a kernel that has no cookies of namespaces", () => {
  const [{ binary } = { binary: "" }] = shims;

  test.skipIf(!isRoot)("knows an inode that is used again from no other: the replay's is none", async () => {
    await using daemon = await ShimDaemon.create(binary);
    await using pod = await Namespace.create("pod");
    const { ino, dev } = statSync(pod.path);
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    new Spool(daemon.cniDir).add(1, { netns: pod.path, bootId, netnsDevice: dev, netnsInode: ino });
    const fault = ["-e", "inject=getsockopt:error=ENOPROTOOPT"];
    const call = runCommand(["strace", "-f", "-qq", "-o", daemon.path("trace"), ...fault, binary], {
      env: { ...status, CNI_PATH: daemon.pluginDirectory, PATH: process.env.PATH },
      stdin: daemon.config(),
    });
    (await arrival(daemon)).stream.reply(0, "");
    const { request, stream } = await arrival(daemon);
    stream.reply(0, "");
    await call;
    expect(request).toMatchObject({ command: "DEL", netns: "" });
  });
});

describe("a child that is killed", () => {
  const [{ binary } = { binary: "" }] = shims;

  test("between the answer and the removal: that DEL is done once more, the others once", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    for (let time = 1; time <= 3; time++) spool.add(time, { containerId: `c${time}` });
    const requests = answerAll(daemon, () => 0);
    const trace = [
      "strace",
      "-f",
      "-qq",
      "-o",
      daemon.path("trace"),
      "-e",
      // Before each record it is asked for whether it could be removed.
      "inject=unlinkat:signal=KILL:when=4",
    ];
    const killed = runCommand([...trace, binary], {
      env: { ...status, CNI_PATH: daemon.pluginDirectory, PATH: process.env.PATH },
      stdin: daemon.config(),
    });
    expect((await killed).stdout.toString()).toBe("{}");
    expect(idsOf(requests)).toEqual(["c1 eth0", "c2 eth0"]);
    expect(spool.names()).toEqual(["0000000000000002-00-c2", "0000000000000003-00-c3"]);
    await noReplayer();
    await daemon.run({ env: status }).outcome;
    await noReplayer();
    expect(idsOf(requests)).toEqual(["c1 eth0", "c2 eth0", "c2 eth0", "c3 eth0"]);
    expect(spool.names()).toEqual([]);
  });

  test("or cannot remove it, against all that the kernel has said: the DEL counts as tried, and is done again later", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    const requests = answerAll(daemon, () => 0);
    const trace = ["strace", "-f", "-qq", "-o", daemon.path("trace")];
    await runCommand([...trace, "-e", "inject=unlinkat:error=EIO:when=2", binary], {
      env: { ...status, CNI_PATH: daemon.pluginDirectory, PATH: process.env.PATH },
      stdin: daemon.config(),
    });
    expect(spool.names()).toEqual(["0000000000000001-01-recorded"]);
    await daemon.run({ env: status }).outcome;
    await noReplayer();
    expect(idsOf(requests)).toEqual(["recorded eth0"]);
  });

  test("at any moment: the next call does all that is left, and the plugins of the killed one are gone", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    daemon.addPlugin("slow", "echo $$; exec sleep 60");
    for (let time = 1; time <= 3; time++) spool.add(time, { containerId: `c${time}` });
    const call = await daemon.connected({ env: status });
    call.stream.reply(0, "");
    const { stream } = await arrival(daemon);
    void exec(daemon, stream, "slow", { timeoutMs: 60_000 });
    const sleeping = () =>
      markedProcesses().filter(({ command, session: owner }) => owner === session && command === "sleep 60");
    await vi.waitFor(() => expect(sleeping()).toHaveLength(1), patience);
    const [pid = 0] = replayers();
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(sleeping()).toEqual([]), patience);
    expect(spool.names()).toHaveLength(3);
    const requests = answerAll(daemon, () => 0);
    await daemon.run({ env: status }).outcome;
    await vi.waitFor(() => expect(spool.names()).toEqual([]), patience);
    expect(idsOf(requests)).toEqual(["c1 eth0", "c2 eth0", "c3 eth0"]);
  });

  test("SIGTERM, as a runtime's service that stops sends it: it ends in order, and leaves all", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    const call = await daemon.connected({ env: status });
    call.stream.reply(0, "");
    await arrival(daemon);
    const [pid = 0] = replayers();
    process.kill(pid, "SIGTERM");
    await noReplayer();
    expect(spool.names()).toEqual(["0000000000000001-00-recorded"]);
  });
});
