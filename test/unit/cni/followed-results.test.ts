/** The index of a results directory finds whatever others do there, by themselves and while the daemon looks away. */

import { spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FollowedDirectory, FollowedResults } from "../../../src/cni/followed-results.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
let log: RecordingLogger;
let path: string;
let followed: FollowedDirectory;

beforeEach(() => {
  scratch = new ScratchDirectory();
  log = new RecordingLogger();
  path = join(scratch.path, "results");
  mkdirSync(path);
  followed = new FollowedDirectory(path, log);
});

afterEach(() => {
  followed.close();
  scratch[Symbol.dispose]();
});

const put = (name: string, directory = path) => writeFileSync(join(directory, name), "");

/** Watches of this process on a directory, as the kernel counts them. */
function watchesOn(directory: string): number {
  const { ino } = JSON.parse(
    spawnSync("stat", ["-c", '{"ino":%i}', directory], { encoding: "utf8" }).stdout,
  ) as { ino: number };
  const marks = readdirSync("/proc/self/fdinfo").flatMap((fd) => {
    try {
      return readFileSync(join("/proc/self/fdinfo", fd), "utf8").split("\n");
    } catch {
      return [];
    }
  });
  return marks.filter((line) => line.startsWith("inotify") && line.includes(` ino:${ino.toString(16)} `))
    .length;
}

/** More events than the kernel's queue holds, before the event loop can take one. */
function flood(directory: string): void {
  const limit = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
  const name = join(directory, "noise-x-eth0");
  for (let index = 0; index < limit; index++) {
    writeFileSync(name, "");
    unlinkSync(name);
  }
}

describe("changes by other processes", () => {
  test("before the first question is known", async () => {
    put("a-c1-eth0");
    put(".c1-net1");
    expect(await followed.namesOf("c1")).toEqual(["a-c1-eth0"]);
  });

  test("is known at once: files written, renamed, replaced, linked and removed", async () => {
    expect(await followed.namesOf("c1")).toEqual([]);
    put("b-c1-net1");
    expect(await followed.namesOf("c1")).toEqual(["b-c1-net1"]);
    put(".c1-eth0");
    renameSync(join(path, ".c1-eth0"), join(path, "a-c1-eth0"));
    expect(await followed.namesOf("c1")).toEqual(["a-c1-eth0", "b-c1-net1"]);
    renameSync(join(path, "b-c1-net1"), join(path, "b-c2-net1"));
    linkSync(join(path, "a-c1-eth0"), join(path, "x-c1-net9"));
    expect(await followed.namesOf("c1")).toEqual(expect.arrayContaining(["a-c1-eth0", "x-c1-net9"]));
    expect(await followed.namesOf("c2")).toEqual(["b-c2-net1"]);
  });

  test("is known at once where another process does it", async () => {
    expect(await followed.namesOf("c1")).toEqual([]);
    for (let index = 0; index < 20; index++) {
      spawnSync("touch", [join(path, `n-c${index}-eth0`)]);
      expect(await followed.namesOf(`c${index}`)).toEqual([`n-c${index}-eth0`]);
    }
  });

  test("is known where the directory had been still for long, whatever its stamp", async () => {
    put("a-c1-eth0");
    for (const stamp of [new Date(Date.now() - 3_600_000), new Date(1_700_000_000_000)]) {
      utimesSync(path, stamp, stamp);
      await followed.namesOf("c1");
      put("b-c1-net1");
      expect(await followed.namesOf("c1")).toEqual(["a-c1-eth0", "b-c1-net1"]);
      unlinkSync(join(path, "b-c1-net1"));
      await followed.namesOf("c1");
      await new Promise(setImmediate);
      expect(await followed.namesOf("c1")).toEqual(["a-c1-eth0"]);
    }
  });

  test("while the index is made is known", async () => {
    for (let index = 0; index < 3000; index++) put(`n-other${index}-eth0`);
    const first = followed.namesOf("c1");
    for (let index = 0; index < 30; index++) {
      put(`n${index}-c1-eth0`);
      await new Promise(setImmediate);
    }
    await first;
    expect(await followed.namesOf("c1")).toHaveLength(30);
  });

  test("forgets files that are gone", async () => {
    put("a-c1-eth0");
    put("b-c1-net1");
    await followed.namesOf("c1");
    unlinkSync(join(path, "a-c1-eth0"));
    // A name may stay until it has been looked at.
    await followed.namesOf("c1");
    await new Promise(setImmediate);
    expect(await followed.namesOf("c1")).toEqual(["b-c1-net1"]);
  });

  test("is known where more happens in one turn than the kernel's queue holds", async () => {
    await followed.namesOf("c1");
    flood(path);
    put("late-c1-net1");
    expect(await followed.namesOf("c1")).toEqual(["late-c1-net1"]);
    put("later-c1-net2");
    expect(await followed.namesOf("c1")).toEqual(["late-c1-net1", "later-c1-net2"]);
  });

  test("is known where its event was lost: the time stamp of the directory tells", async () => {
    put("a-c1-eth0");
    await followed.namesOf("c1");
    const other = join(scratch.path, "other");
    mkdirSync(other);
    const watcher = watch(other, { persistent: false }, () => {});
    // All watches of a process share a queue, and another one fills it.
    flood(other);
    put("lost-c1-net1");
    expect(await followed.namesOf("c1")).toEqual(["a-c1-eth0", "lost-c1-net1"]);
    watcher.close();
  });
});

describe("another directory of the same name is followed", () => {
  test("after the first was removed and made again", async () => {
    put("a-c1-eth0");
    await followed.namesOf("c1");
    for (let round = 0; round < 3; round++) {
      rmSync(path, { recursive: true });
      if (round > 0) expect(await followed.namesOf("c1")).toEqual([]);
      mkdirSync(path);
      put(`new${round}-c1-net1`);
      expect(await followed.namesOf("c1")).toEqual([`new${round}-c1-net1`]);
    }
  });

  test("after the first was renamed and another one took its place", async () => {
    await followed.namesOf("c1");
    const other = join(scratch.path, "other");
    mkdirSync(other);
    put("b-c1-net1", other);
    renameSync(path, join(scratch.path, "old"));
    renameSync(other, path);
    expect(await followed.namesOf("c1")).toEqual(["b-c1-net1"]);
    put("of-c1-old", join(scratch.path, "old"));
    put("c-c1-net2");
    expect(await followed.namesOf("c1")).toEqual(["b-c1-net1", "c-c1-net2"]);
  });

  test("where it is a symbolic link that is set to another one", async () => {
    const link = join(scratch.path, "link");
    const other = join(scratch.path, "other");
    mkdirSync(other);
    put("a-c1-eth0");
    put("b-c1-eth0", other);
    symlinkSync(path, link);
    using linked = {
      followed: new FollowedDirectory(link, log),
      [Symbol.dispose]: () => linked.followed.close(),
    };
    expect(await linked.followed.namesOf("c1")).toEqual(["a-c1-eth0"]);
    put("a-c1-net1");
    expect(await linked.followed.namesOf("c1")).toEqual(["a-c1-eth0", "a-c1-net1"]);
    symlinkSync(other, `${link}.new`);
    renameSync(`${link}.new`, link);
    expect(await linked.followed.namesOf("c1")).toEqual(["b-c1-eth0"]);
    put("b-c1-net1", other);
    expect(await linked.followed.namesOf("c1")).toEqual(["b-c1-eth0", "b-c1-net1"]);
  });

  test("where it was not there at first", async () => {
    rmSync(path, { recursive: true });
    expect(await followed.namesOf("c1")).toEqual([]);
    mkdirSync(path);
    put("a-c1-eth0");
    expect(await followed.namesOf("c1")).toEqual(["a-c1-eth0"]);
  });
});

test("a directory with more networks than the index keeps is listed for those containers", async () => {
  for (let index = 0; index < 300; index++) put(`net${index}-c1-eth0`);
  expect(await followed.namesOf("c1")).toHaveLength(300);
  put("more-c1-net1");
  expect(await followed.namesOf("c1")).toContain("more-c1-net1");
});

test("a path that is no directory is an error", async () => {
  const file = scratch.write("file", "");
  await expect(new FollowedDirectory(file, log).namesOf("c1")).rejects.toThrow(/ENOTDIR/);
});

test("no more than four directories are watched, the last that were used", async () => {
  const all = new FollowedResults(log);
  const paths = Array.from({ length: 8 }, (_, index) => join(scratch.path, `d${index}`));
  for (const each of paths) {
    mkdirSync(each);
    put("a-c1-eth0", each);
    expect(await all.of(each).namesOf("c1")).toEqual(["a-c1-eth0"]);
  }
  expect(paths.map(watchesOn)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  all.close();
  expect(paths.map(watchesOn)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});
