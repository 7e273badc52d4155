/** Replay of recorded DELs: in order, once, at its time, and none of it lost, whatever happens to the daemon, the shim and the files. */

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CniRequest } from "../../../../src/cni/request.ts";
import type { DelEnd, RecordedRequest } from "../../../../src/multus/spool/attempt.ts";
import { Replay } from "../../../../src/multus/spool/replay.ts";
import { encodeRecord, recordAround, recordBody, Spool } from "../../../shim/support/spool.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const isRoot = process.geteuid?.() === 0;
const bootId = "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e";
const second = 1_000;

let scratch: ScratchDirectory;
let spool: Spool;
let log: RecordingLogger;
/** Milliseconds since 1970. */
let now: number;
/** The DELs that were carried out, in order. */
let requests: CniRequest[];
let goesOn: boolean;

beforeEach(() => {
  scratch = new ScratchDirectory("replay");
  spool = new Spool(scratch.path);
  log = new RecordingLogger();
  now = Date.now();
  requests = [];
  goesOn = true;
});

afterEach(() => scratch[Symbol.dispose]());

type Answer = (request: CniRequest, recorded: RecordedRequest) => DelEnd | Promise<DelEnd>;

const succeed: Answer = () => "succeeded";

/** A session of its own. @returns milliseconds until there is something to do again */
function replay(answer: Answer = succeed): Promise<number | undefined> {
  return new Replay({
    cniDir: scratch.path,
    log,
    now: () => now,
    goesOn: () => goesOn,
    carryOut: async (recorded) => {
      if (!recorded.begin()) return "not begun";
      requests.push(recorded.request);
      return answer(recorded.request, recorded);
    },
  }).run();
}

const fails =
  (...containers: string[]): Answer =>
  ({ containerId }) =>
    containers.includes(containerId) ? "failed" : "succeeded";

const done = () => requests.map(({ containerId, ifName }) => `${containerId} ${ifName}`);
const containers = () => requests.map(({ containerId }) => containerId);

/** Puts the last try of a record so many seconds back. */
function tried(name: string, secondsAgo: number): void {
  utimesSync(spool.path(name), now / second - secondsAgo, now / second - secondsAgo);
}

describe("recorded DELs", () => {
  test("are carried out as they were recorded, and removed", async () => {
    const recorded = recordBody({
      netns: "/run/netns/gone",
      ifName: "net1",
      args: "A=\u00e4",
      path: `/opt/cni/bin:${"/x".repeat(40_000)}`,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      config: Buffer.from('{"name":"as it was"}\n'),
    });
    spool.add(1, recorded);
    expect(
      await replay(() => {
        expect(spool.names()).toHaveLength(1);
        return "succeeded";
      }),
    ).toBeUndefined();
    const { bootId: _, netnsDevice, netnsInode, netnsCookie, ...request } = recorded;
    // Nobody can say any more whether its namespace is still the same one.
    expect(requests).toEqual([{ ...request, netns: "", triesLeft: 79 }]);
    expect(spool.names()).toEqual([]);
  });

  test("name their namespace as long as a shim can tell whether it is still that one, and only to a DEL", async () => {
    spool.add(1, { netns: "/run/netns/pod", bootId, netnsDevice: 4, netnsInode: 5, netnsCookie: 6 });
    const runs: unknown[] = [];
    await replay(async ({ netns }, { executorOver }): Promise<DelEnd> => {
      expect(netns).toBe("/run/netns/pod");
      const unused = async () => {
        throw new Error("no order of a DEL");
      };
      const executor = executorOver({
        async runPlugin({ leftNetns, timeoutMs }) {
          runs.push({ leftNetns, timeoutMs });
          return { exitCode: 0, stdout: Buffer.alloc(0), stderrTail: "", milliseconds: 0 };
        },
        linkExists: unused,
        linkStates: unused,
        setDefaultRoutes: unused,
        attachLinks: unused,
        detachLinks: unused,
      });
      const run = { plugin: "p", path: "/opt/cni/bin", stdin: Buffer.alloc(0), timeoutMs: 90_000 };
      await executor.runPlugin({ ...run, env: { CNI_COMMAND: "DEL", CNI_NETNS: netns } });
      await executor.runPlugin({ ...run, env: { CNI_COMMAND: "DEL", CNI_NETNS: "" } });
      await executor.runPlugin({ ...run, env: { CNI_COMMAND: "VERSION" } });
      return "succeeded";
    });
    const leftNetns = { bootId, device: 4n, inode: 5n, cookie: 6n };
    const timeoutMs = 90_000;
    expect(runs).toEqual([
      { leftNetns, timeoutMs },
      { leftNetns: undefined, timeoutMs },
      { leftNetns: undefined, timeoutMs },
    ]);
  });

  test("go in their order, each when the one before is done", async () => {
    for (let time = 1; time <= 12; time++) {
      spool.add(time, { containerId: `c${time % 3}`, ifName: `net${time}` });
    }
    let underWay = 0;
    await replay(async (): Promise<DelEnd> => {
      expect(++underWay).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      return "succeeded";
    });
    expect(done()).toEqual(Array.from({ length: 12 }, (_, index) => `c${(index + 1) % 3} net${index + 1}`));
    expect(spool.names()).toEqual([]);
  });

  test("that were never tried go before those that failed: two that hang are not to use up the time of all", async () => {
    const failed = spool.add(1, { containerId: "failed" }, 1);
    spool.add(2, { containerId: "failed", ifName: "net1" });
    spool.add(3, { containerId: "new" });
    spool.add(4, { containerId: "new", ifName: "net1" });
    tried(failed, 3_600);
    await replay();
    expect(done()).toEqual(["new eth0", "new net1", "failed eth0", "failed net1"]);
  });

  test("of a namespace whose DELs fail, however many, let those of others have every second turn", async () => {
    // The newest try of a namespace says when it last had its turn.
    const add = (time: number, containerId: string, namespace: string, agoSeconds: number | undefined) => {
      const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${containerId}`;
      const name = spool.add(time, { containerId, args }, agoSeconds === undefined ? 0 : 1);
      if (agoSeconds !== undefined) tried(name, 3_600 + agoSeconds);
    };
    for (let index = 1; index <= 6; index++)
      add(index, `evil${index}`, "evil", index === 1 ? undefined : index);
    add(10, "good1", "good", 100);
    add(11, "good2", "good", 101);
    add(12, "other1", "other", undefined);
    const evil: Answer = ({ containerId }) => (containerId.startsWith("evil") ? "failed" : "succeeded");
    await replay(evil);
    expect(spool.names()).toHaveLength(6);
    expect(containers()).toEqual([
      "other1",
      "good1",
      "good2",
      "evil1",
      "evil2",
      "evil3",
      "evil4",
      "evil5",
      "evil6",
    ]);
    // Those that fail go behind all that wait, and the next session begins with the others.
    for (const [index, name] of spool.names().entries()) tried(name, 3_600 - index);
    add(20, "good3", "good", 200);
    add(21, "new1", "evil", undefined);
    requests = [];
    await replay(evil);
    expect(containers().slice(0, 3)).toEqual(["good3", "new1", "evil1"]);
  });

  test("two hundred are done each exactly once", async () => {
    for (let time = 1; time <= 200; time++) spool.add(time, { containerId: `c${time}` });
    expect(await replay()).toBeUndefined();
    expect(containers()).toEqual(Array.from({ length: 200 }, (_, index) => `c${index + 1}`));
    expect(spool.names()).toEqual([]);
  });

  test("new ones come while others are replayed, and none is lost", async () => {
    for (let time = 1; time <= 30; time++) spool.add(time, { containerId: `old${time}` });
    let added = 0;
    await replay(() => {
      if (added < 30) spool.add(100 + added, { containerId: `new${added}` });
      added++;
      return "succeeded";
    });
    expect(containers().toSorted()).toEqual(
      [
        ...Array.from({ length: 30 }, (_, index) => `new${index}`),
        ...Array.from({ length: 30 }, (_, index) => `old${index + 1}`),
      ].sort(),
    );
  });

  test("one that fails stays with its tries and waits for its time; what is behind it of its container waits too", async () => {
    spool.add(1, { containerId: "bad" });
    spool.add(2, { containerId: "good" });
    spool.add(3, { containerId: "bad", ifName: "net1" });
    expect(await replay(fails("bad"))).toBe(10 * second);
    expect(spool.names()).toEqual(["0000000000000001-01-bad", "0000000000000003-00-bad"]);
    await replay(fails("bad"));
    expect(done()).toEqual(["bad eth0", "good eth0"]);
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
      renameSync(spool.path(first), spool.path(due));
      requests = [];
      tried(due, seconds - 5);
      expect(await replay(fails("bad"))).toBe(5 * second);
      expect(requests).toEqual([]);
      tried(due, seconds + 1);
      await replay(fails("bad"));
      expect(done()[0]).toBe("bad eth0");
      // The daemon says so when the last one fails.
      expect(requests[0]).toMatchObject({ triesLeft: 79 - Number(tries) });
    }
    // That was the last try. It goes on with what waited.
    expect(done()).toEqual(["bad eth0", "bad net1"]);
    expect(spool.names()).toEqual(["0000000000000003-01-bad", "failed-0000000000000001-79-bad"]);
    expect(log.errors).toContain("a recorded DEL has failed too often and is set aside");
  });

  test("one that a person brings back after it was set aside is tried once", async () => {
    spool.add(1, {}, 79);
    tried("0000000000000001-79-recorded", 3_600);
    await replay(fails("recorded"));
    expect(requests).toMatchObject([{ triesLeft: 1 }]);
    expect(spool.names()).toEqual(["failed-0000000000000001-79-recorded"]);
  });

  test("a clock that was set back holds none up", async () => {
    spool.add(1, {}, 3);
    tried("0000000000000001-03-recorded", -3_600);
    await replay();
    expect(done()).toEqual(["recorded eth0"]);
  });

  test("a plugin that never ends counts as one that fails: after two minutes nothing more is begun", async () => {
    spool.add(1);
    const timeouts: number[] = [];
    const began = performance.now();
    await replay(async (_request, { executorOver }): Promise<DelEnd> => {
      const unused = async () => {
        throw new Error("no order of a DEL");
      };
      const executor = executorOver({
        async runPlugin({ timeoutMs }) {
          timeouts.push(timeoutMs);
          return { exitCode: 0, stdout: Buffer.alloc(0), stderrTail: "", milliseconds: 0 };
        },
        linkExists: unused,
        linkStates: unused,
        setDefaultRoutes: unused,
        attachLinks: unused,
        detachLinks: unused,
      });
      const run = { plugin: "p", path: "/", env: { CNI_COMMAND: "DEL" }, stdin: Buffer.alloc(0) };
      await executor.runPlugin({ ...run, timeoutMs: 0 });
      const clock = performance.now;
      performance.now = () => clock.call(performance) + 120_000;
      try {
        await expect(executor.runPlugin({ ...run, timeoutMs: 1 })).rejects.toMatchObject({ code: "timeout" });
      } finally {
        performance.now = clock;
      }
      return "failed";
    });
    const [left = 0, ...more] = timeouts;
    expect(more).toEqual([]);
    expect(left).toBeLessThanOrEqual(120_000);
    expect(left).toBeGreaterThan(120_000 - (performance.now() - began) - 1);
    expect(spool.names()).toEqual(["0000000000000001-01-recorded"]);
  });
});

describe("a try", () => {
  test("counts beforehand as five, so that a record which brings the daemon down is tried 16 times at most", async () => {
    spool.add(1, { containerId: "fatal" });
    spool.add(2, { containerId: "behind" });
    let crashes = 0;
    for (; spool.names().some((name) => /^\d+-\d\d-fatal$/.test(name)); crashes++) {
      expect(crashes).toBeLessThan(20);
      const before = requests.length;
      const crash = new Promise<void>((resolve) => {
        // The daemon is gone in the middle: what it would have done afterwards never happens.
        void replay(({ containerId }) => {
          if (containerId !== "fatal") return "succeeded";
          resolve();
          return new Promise<never>(() => {});
        }).then(() => resolve());
      });
      await crash;
      if (requests.length === before) break;
      now += 3_600 * second;
    }
    expect(requests.filter(({ containerId }) => containerId === "fatal")).toHaveLength(16);
    expect(spool.names()).toEqual(["failed-0000000000000001-79-fatal"]);
    expect(log.errors).toContain(
      "a recorded DEL is set aside: the daemon ended too often while it was carried out",
    );
  });

  test("that ended the daemon has its pause like one that failed", async () => {
    spool.add(1);
    await new Promise<void>((resolve) => {
      void replay(() => {
        resolve();
        return new Promise<never>(() => {});
      });
    });
    expect(spool.names()).toEqual(["0000000000000001-05-recorded"]);
    expect(await replay()).toBe(160 * second);
    expect(requests).toHaveLength(1);
  });

  test("that fails after long counts from its end: the pause is from then on", async () => {
    spool.add(1);
    const pause = await replay(() => {
      now += 90 * second;
      return "failed";
    });
    expect(pause).toBe(10 * second);
    expect(requests).toHaveLength(1);
  });

  test("that is broken off leaves the record as it was, and ends the session", async () => {
    const name = spool.add(1, { containerId: "first" }, 2);
    spool.add(2, { containerId: "second" }, 1);
    tried(name, 3_600);
    tried("0000000000000002-01-second", 1_800);
    const before = statSync(spool.path(name)).mtimeMs;
    expect(await replay(() => "broken off")).toBe(second);
    expect(containers()).toEqual(["first"]);
    expect(spool.names()).toEqual([name, "0000000000000002-01-second"]);
    expect(statSync(spool.path(name)).mtimeMs).toBeCloseTo(before, 0);
  });

  test("is not begun while the daemon stops, nor where it has no turn", async () => {
    spool.add(1);
    goesOn = false;
    expect(await replay()).toBe(second);
    expect(requests).toEqual([]);
    goesOn = true;
    const refused = new Replay({
      cniDir: scratch.path,
      log,
      now: () => now,
      goesOn: () => true,
      carryOut: async () => "not begun",
    });
    expect(await refused.run()).toBe(second);
    expect(spool.names()).toEqual(["0000000000000001-00-recorded"]);
  });

  test("is not made of one that somebody else has done meanwhile", async () => {
    const [first, second] = [spool.add(1, { containerId: "first" }), spool.add(2, { containerId: "second" })];
    await replay(() => {
      rmSync(spool.path(second), { force: true });
      return "succeeded";
    });
    expect(first).toContain("first");
    expect(containers()).toEqual(["first"]);
    expect(log.errors).toEqual([]);
  });

  test("whose record cannot be removed, against all that the kernel has said, counts, and is made again later", async () => {
    const name = spool.add(1);
    const inWork = spool.path("0000000000000001-05-recorded");
    expect(
      await replay(() => {
        // No file any more: a directory cannot be unlinked.
        renameSync(inWork, spool.path(".kept"));
        mkdirSync(inWork);
        now = Date.now();
        return "succeeded";
      }),
    ).toBe(10 * second);
    expect(spool.names()).toEqual([".kept", "0000000000000001-01-recorded"]);
    expect(log.errors).toContain("a recorded DEL that is done cannot be removed");
    expect(name).toBe("0000000000000001-00-recorded");
  });
});

describe("files that are no records", () => {
  test("is set aside, and stops none of the others", async () => {
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
    execFileSync("mkfifo", [spool.path("0000000000000008-00-fifo")]);
    mkdirSync(spool.path("0000000000000009-00-directory"));
    symlinkSync("/etc/passwd", spool.path("0000000000000010-00-link"));
    spool.write("0000000000000011-00-large", "");
    truncateSync(spool.path("0000000000000011-00-large"), 2 ** 30);
    spool.add(12, { containerId: "good" });
    spool.write(".recording", "half of it");
    expect(await replay()).toBeUndefined();
    expect(done()).toEqual(["good eth0"]);
    const others = ["8-00-fifo", "9-00-directory", "10-00-link", "11-00-large"].map((end) => {
      const [time = "", ...more] = end.split("-");
      return [time.padStart(16, "0"), ...more].join("-");
    });
    const names = [...Object.keys(broken), ...others].map((file) => `broken-${file}`);
    expect(spool.names()).toEqual([".recording", ...names].sort());
    expect(log.errors).toEqual(
      names.map(() => "a file among the recorded DELs is no record, and is set aside"),
    );
    await replay();
    expect(done()).toEqual(["good eth0"]);
  });

  test("is left where it cannot even be set aside, said once, and looked at again much later", async () => {
    spool.write("0000000000000001-00-torn", "");
    mkdirSync(spool.path("broken-0000000000000001-00-torn"));
    spool.add(2, { containerId: "good" });
    spool.add(3, { containerId: "torn" });
    expect(await replay()).toBe(1_200 * second);
    // It may be a DEL that is only written in another way: those of its container wait.
    expect(done()).toEqual(["good eth0"]);
    expect(spool.names()).toContain("0000000000000001-00-torn");
    expect(log.errors).toEqual(["a file among the recorded DELs cannot be set aside"]);
  });

  test("is set aside under a name of its own where its own leaves no room for the prefix", async () => {
    const long = "n".repeat(254);
    spool.write(`${long}1`, "first");
    spool.write(`${long}2`, "second");
    // One that would be a record's if it were shorter.
    spool.write(`0000000000000001-00-${"c".repeat(229)}`, "third");
    expect(await replay()).toBeUndefined();
    expect(log.errors).toHaveLength(3);
    await replay();
    expect(log.errors).toHaveLength(3);
    const names = spool.names();
    expect(names).toEqual([
      expect.stringMatching(/^broken-0000000000000001-00-c{219}-[0-9a-f]{8}$/),
      expect.stringMatching(/^broken-n{239}-[0-9a-f]{8}$/),
      expect.stringMatching(/^broken-n{239}-[0-9a-f]{8}$/),
    ]);
    const contents = names.map((file) => readFileSync(spool.path(file), "utf8"));
    expect(contents.sort()).toEqual(["first", "second", "third"]);
  });

  test("may have a name that is no text", async () => {
    const bytes = Buffer.concat([Buffer.from(`${spool.directory}/`), Buffer.of(0xff, 0xfe)]);
    spool.write("placeholder", "");
    writeFileSync(bytes, "");
    expect(await replay()).toBeUndefined();
    expect(existsSync(bytes)).toBe(false);
    expect(spool.names()).toHaveLength(2);
  });
});

describe("a directory", () => {
  test.skipIf(!isRoot)(
    "from which nothing can be removed: nothing is carried out, time and again, and nothing said",
    async () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "mode=700", "tmpfs", scratch.path]);
      try {
        spool.add(1, { containerId: "done" });
        spool.write("not a record's name", "");
        mkdirSync(spool.path("not a file"));
        execFileSync("mount", ["-o", "remount,ro", scratch.path]);
        for (let session = 0; session < 3; session++) expect(await replay()).toBe(1_200 * second);
        expect(requests).toEqual([]);
        expect(log.errors).toEqual([]);
        execFileSync("mount", ["-o", "remount,rw", scratch.path]);
        expect(await replay()).toBeUndefined();
        expect(done()).toEqual(["done eth0"]);
        expect(spool.names()).toEqual(["broken-not a file", "broken-not a record's name"]);
      } finally {
        execFileSync("umount", ["--lazy", scratch.path]);
      }
    },
  );

  test("that is not there, or is a link, is an error", async () => {
    expect(() => replay()).toThrow(/ENOENT/);
    const elsewhere = new Spool(scratch.write("elsewhere/x", "").replace(/\/x$/, ""));
    elsewhere.add(1);
    symlinkSync(elsewhere.directory, spool.directory);
    expect(() => replay()).toThrow("is no directory");
  });

  test("with nothing but what is set aside has nothing that waits", async () => {
    spool.write("failed-0000000000000001-79-c", "");
    spool.write("broken-x", "");
    spool.write(".recording", "");
    expect(await replay()).toBeUndefined();
  });
});

describe("the pause until the next replay", () => {
  test("is that until the first record is due, but a second at least", async () => {
    spool.add(1, { containerId: "late" }, 8);
    tried("0000000000000001-08-late", 0);
    expect(await replay()).toBe(1_200 * second);
    spool.add(2, { containerId: "sooner" }, 2);
    tried("0000000000000002-02-sooner", 5);
    expect(await replay()).toBe(15 * second);
    tried("0000000000000002-02-sooner", 19.9);
    expect(await replay()).toBe(second);
  });

  test("does not count what waits for another of its container", async () => {
    spool.add(1, { containerId: "late" }, 8);
    tried("0000000000000001-08-late", 0);
    spool.add(2, { containerId: "late", ifName: "net1" });
    expect(await replay()).toBe(1_200 * second);
    expect(requests).toEqual([]);
  });
});
