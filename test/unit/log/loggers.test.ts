import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { backupName, removeOldBackups } from "../../../src/log/backups.ts";
import type { LogLevel } from "../../../src/log/logger.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { type LogKeys, logSettings } from "../../../src/log/settings.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

let directory: ScratchDirectory;
let loggers: Loggers;
let stderr: string;
let logFile: string;

beforeEach(() => {
  directory = new ScratchDirectory("log");
  logFile = join(directory.path, "multus.log");
  stderr = "";
  loggers = new Loggers((text) => {
    stderr += text;
  });
});

afterEach(async () => {
  await loggers.close();
  directory[Symbol.dispose]();
});

const get = (keys: LogKeys) => loggers.get(logSettings(keys));
const file = () => readFileSync(logFile, "utf8");
const messages = (text: string) => text.split("\n").flatMap((line) => /\[\w+\] (.*)/.exec(line)?.[1] ?? []);

describe("a logger", () => {
  test.each<[LogLevel, string[]]>([
    ["panic", ["p"]],
    ["error", ["p", "e"]],
    ["verbose", ["p", "e", "v"]],
    ["debug", ["p", "e", "v", "d"]],
  ])("of level %s says what is that important or more", (logLevel, said) => {
    const log = get({ logLevel });
    log.panic("p");
    log.error("e");
    log.verbose("v");
    log.debug("d");
    expect(messages(stderr)).toEqual(said);
  });

  test("says to stderr and file what it is told to", async () => {
    get({ logLevel: "error", logFile }).error("both");
    get({ logLevel: "error", logFile, logToStderr: false }).error("file");
    get({ logLevel: "error", logToStderr: false }).error("nowhere");
    await loggers.close();
    expect(messages(stderr)).toEqual(["both"]);
    expect(messages(file())).toEqual(["both", "file"]);
    expect(statSync(logFile).mode & 0o777).toBe(0o600);
  });

  test("carries its fields on every line, before the line's own", () => {
    get({ logLevel: "error" }).with({ pod: "a/b" }).with({ container: "c" }).error("m", { x: 1 });
    expect(messages(stderr)).toEqual(["m pod=a/b container=c x=1"]);
  });

  test("is the same one for the same settings", () => {
    expect(get({ logFile })).toBe(get({ logFile, logLevel: "PANIC" }));
    expect(get({ logFile })).not.toBe(get({ logFile, logLevel: "debug" }));
  });

  test("opens its file with its first line and not before", async () => {
    const log = get({ logLevel: "error", logFile });
    log.verbose("not said");
    await loggers.close();
    expect(existsSync(logFile)).toBe(false);
    log.error("said");
    await loggers.close();
    log.error("said again");
    await loggers.close();
    expect(messages(file())).toEqual(["said", "said again"]);
  });

  test("has its last words in the file when panic returns", () => {
    get({ logLevel: "panic", logFile }).panic("the end");
    expect(messages(file())).toEqual(["the end"]);
    expect(messages(stderr)).toEqual(["the end"]);
  });

  test("makes the directory of its file", async () => {
    logFile = join(directory.path, "some", "where", "multus.log");
    get({ logLevel: "error", logFile }).error("here");
    await loggers.close();
    expect(messages(file())).toEqual(["here"]);
  });

  test("forgets the oldest of many settings, and loses no line by it", async () => {
    const files = Array.from({ length: 40 }, (_, index) => join(directory.path, `${index}.log`));
    for (const name of files) get({ logLevel: "error", logFile: name }).error(name);
    await loggers.close();
    await vi.waitFor(() => {
      for (const name of files) expect(messages(readFileSync(name, "utf8"))).toEqual([name]);
    }, patience);
  });
});

describe("a log file that fails", () => {
  test("is reported once, and lines are said again when it works", async () => {
    const blocked = join(directory.path, "blocked");
    writeFileSync(blocked, "no directory");
    logFile = join(blocked, "multus.log");
    const log = get({ logLevel: "error", logFile, logToStderr: false });
    vi.useFakeTimers({ toFake: ["Date"] });
    for (const message of ["one", "two"]) log.error(message);
    await vi.waitFor(() => expect(stderr).toMatch(/\[error\] log file \S+: (ENOTDIR|EEXIST)/), patience);
    for (const message of ["three", "four"]) log.error(message);
    vi.setSystemTime(Date.now() + 11_000);
    log.error("five");
    // It fails again, and that is all that there is to see of it: nothing.
    await sleep(100);
    expect(stderr.split("\n")).toHaveLength(2);
    rmSync(blocked);
    vi.setSystemTime(Date.now() + 11_000);
    log.error("six");
    vi.useRealTimers();
    await vi.waitFor(
      () => expect(messages(file())).toEqual(["six", "log lines were lost lines=5"]),
      patience,
    );
    expect(stderr.split("\n")).toHaveLength(2);
  });

  test("on a full disk is reported and harms nobody", async () => {
    const log = get({ logLevel: "error", logFile: "/dev/full", logToStderr: false });
    log.error("lost");
    log.panic("lost too");
    await vi.waitFor(() => expect(stderr).toMatch(/log file \/dev\/full: /), patience);
  });
});

describe("rotation", () => {
  const options = { maxAge: 5, maxSize: 1, maxBackups: 2, compress: true };
  const backups = () =>
    readdirSync(directory.path)
      .filter((name) => name !== "multus.log")
      .sort();
  const kilobyte = "x".repeat(1000);

  async function write(megabytes: number, compress: boolean): Promise<void> {
    const log = get({ logLevel: "error", logFile, logToStderr: false, logOptions: { ...options, compress } });
    for (let line = 0; line < megabytes * 1024; line++) {
      log.error(`${line}`, { text: kilobyte });
      if (line % 1024 === 0) await sleep(20);
    }
    await loggers.close();
  }

  test("by size: compressed backups with their time in the name, no line lost", async () => {
    await write(2.2, true);
    await vi.waitFor(() => expect(backups()).toHaveLength(2), patience);
    for (const name of backups()) {
      expect(name).toMatch(/^multus-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log\.gz$/);
      expect(statSync(join(directory.path, name)).mode & 0o777).toBe(0o600);
    }
    const all = backups()
      .map((name) => gunzipSync(readFileSync(join(directory.path, name))).toString())
      .concat(file());
    const numbers = messages(all.join("")).map((message) => Number(message.split(" ")[0]));
    expect(numbers).toEqual(Array.from({ length: Math.ceil(2.2 * 1024) }, (_, index) => index));
  });

  test("with maxSize 0 is at 100 MB, as for Go multus", async () => {
    const logOptions = { ...options, maxSize: 0, compress: false };
    const log = get({ logLevel: "error", logFile, logToStderr: false, logOptions });
    log.error("first", { text: kilobyte });
    await loggers.close();
    log.error("second");
    await loggers.close();
    expect(backups()).toEqual([]);
    expect(file().trimEnd().split("\n")).toHaveLength(2);
  });

  test("keeps as many backups as it may, uncompressed where told so", async () => {
    await write(4.5, false);
    await vi.waitFor(() => expect(backups()).toHaveLength(2), patience);
    for (const name of backups()) expect(name).toMatch(/\d\.log$/);
  });

  test("removes what is too old or too many, those of Go multus too, and nothing else", async () => {
    const now = new Date("2026-11-23T00:00:00.000Z");
    const day = 24 * 60 * 60 * 1000;
    const ages = [0.5, 1, 2, 4, 6, 30];
    const names = ages.map((age, index) =>
      backupName(logFile, new Date(now.getTime() - age * day), index % 2 === 0),
    );
    const others = [
      "multus.log",
      "multus-notes.log",
      "multus-2026-01-01T00-00-00.log",
      "other-2026-01-01T00-00-00.000.log",
    ];
    for (const path of [...names, ...others.map((name) => join(directory.path, name))])
      writeFileSync(path, "");
    const left = () => names.filter((name) => existsSync(name)).length;
    await removeOldBackups(logFile, { ...options, maxBackups: 0, maxAge: 0 }, now);
    expect(left()).toBe(6);
    await removeOldBackups(logFile, { ...options, maxBackups: 0 }, now);
    expect(left()).toBe(4);
    await removeOldBackups(logFile, { ...options, maxAge: 0, maxBackups: 3 }, now);
    expect(names.map((name) => existsSync(name))).toEqual([true, true, true, false, false, false]);
    for (const name of others) expect(existsSync(join(directory.path, name))).toBe(true);
  });

  test("with changed options goes on in the same file", async () => {
    get({ logLevel: "error", logFile, logOptions: options }).error("before");
    get({ logLevel: "error", logFile, logOptions: { ...options, maxSize: 2 } }).error("after");
    await loggers.close();
    await vi.waitFor(() => expect(messages(file()).sort()).toEqual(["after", "before"]), patience);
  });
});
