/** The file that a runtime reads, kept in real directories: as the kernel tells of changes, and with a clock and a watch of the test's own where time counts. */

import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { LogFields } from "../../../src/log/logger.ts";
import { type KeeperOptions, RuntimeConfigKeeper } from "../../../src/runtime-config/keeper.ts";
import { ClusterNetworkSource, CopiedFileSource } from "../../../src/runtime-config/sources.ts";
import type { WatchDirectory } from "../../../src/runtime-config/watch.ts";
import { generatorOptions } from "../../support/generator-options.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { cniRefusal } from "../../support/refusal.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const kernels = loadKernels();

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = { timeout: 30_000, interval: 10 };

class Log extends RecordingLogger {
  /** Field `because` of what was written, in order. */
  readonly writes: string[] = [];
  readonly waits: string[] = [];
  removals = 0;
  /** Field `because` of what was left. */
  readonly stays: string[] = [];

  override verbose(message?: string, fields: LogFields = {}): void {
    if (message === "runtime configuration written") this.writes.push(String(fields.because));
    if (message === "runtime configuration waits") this.waits.push(String(fields.for));
    if (message === "runtime configuration removed") this.removals += 1;
    if (message?.startsWith("runtime configuration stays")) this.stays.push(String(fields.because));
  }
}

let scratch: ScratchDirectory;
let log: Log;
const keepers: RuntimeConfigKeeper[] = [];

beforeEach(() => {
  scratch = new ScratchDirectory("runtime-config");
  mkdirSync(path("net.d"));
  log = new Log();
});

afterEach(() => {
  vi.useRealTimers();
  for (const keeper of keepers.splice(0)) keeper.freeze();
  scratch[Symbol.dispose]();
});

const toGo = { isWanted: true, because: "a test" };
const path = (name: string) => join(scratch.path, name);
const target = () => path("net.d/00-multus.conf");
const read = () => JSON.parse(readFileSync(target(), "utf8"));
const clusterNetworkOf = () => (existsSync(target()) ? read().clusterNetwork : undefined);
const capabilitiesOf = () => Object.keys(existsSync(target()) ? read().capabilities : {}).slice(1);

/** Writes a cluster network's file under a temporary name first, as careful installers do. */
function install(name: string, ...capabilities: string[]): string {
  const file = path(`net.d/${name}`);
  writeFileSync(`${file}.new`, network(...capabilities));
  renameSync(`${file}.new`, file);
  return file;
}

/** Another program's network. */
const bridgeOfPodman = '{"cniVersion":"1.0.0","name":"podman","plugins":[{"type":"bridge"}]}';

function network(...capabilities: string[]): string {
  const flags = Object.fromEntries(capabilities.map((capability) => [capability, true]));
  const plugins = [{ type: "bridge", capabilities: flags }];
  return JSON.stringify({ cniVersion: "1.0.0", name: "cluster", plugins });
}

function keeper(options: Partial<KeeperOptions> = {}, clusterNetwork = ""): RuntimeConfigKeeper {
  const directory = path("net.d");
  const source = new ClusterNetworkSource({ directory, name: clusterNetwork }, generatorOptions, kernels);
  const made = new RuntimeConfigKeeper({
    directory,
    source,
    readinessIndicatorFile: "",
    log,
    ...options,
  });
  keepers.push(made);
  return made;
}

function started(options: Partial<KeeperOptions> = {}, clusterNetwork = ""): RuntimeConfigKeeper {
  const made = keeper(options, clusterNetwork);
  made.start();
  return made;
}

/** A watch that tells what the test tells it to, and a clock that the test moves. */
function ownTime(): { readonly watch: WatchDirectory; changed(): void } {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const listeners = new Set<() => void>();
  return {
    watch: (_directory, onChange) => {
      listeners.add(onChange);
      return { close: () => listeners.delete(onChange) };
    },
    changed: () => {
      for (const listener of listeners) listener();
    },
  };
}

/** Names in the directory besides these. */
const others = (...names: string[]) => readdirSync(path("net.d")).filter((name) => !names.includes(name));

describe("the cluster network's file", () => {
  test("is waited for, and then named in a file that only its owner reads", async () => {
    const kept = started();
    expect(kept.notInPlace).toMatch(/^no runtime configuration in \S+net\.d: waiting for a cluster network/);
    expect(log.waits).toEqual([expect.stringContaining("a .conf or .conflist in ")]);
    const file = install("10-cluster.conflist", "portMappings");
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(file), patience);
    expect(kept.notInPlace).toBeUndefined();
    expect(statSync(target()).mode & 0o777).toBe(0o600);
    expect(capabilitiesOf()).toEqual(["portMappings"]);
    expect(others("10-cluster.conflist", "00-multus.conf")).toEqual([]);
  });

  test("is there at once where its source is", () => {
    install("10-cluster.conflist");
    started();
    expect(clusterNetworkOf()).toBe(path("net.d/10-cluster.conflist"));
  });

  test("is followed when it changes, by rename or in place", async () => {
    const file = install("10-cluster.conflist", "mac");
    started();
    install("10-cluster.conflist", "mac", "ips");
    await vi.waitFor(() => expect(capabilitiesOf()).toEqual(["mac", "ips"]), patience);
    writeFileSync(file, network("bandwidth"));
    await vi.waitFor(() => expect(capabilitiesOf()).toEqual(["bandwidth"]), patience);
    expect(log.errors).toEqual([]);
  });

  test("is followed to another name, and to one that comes before it", async () => {
    const file = install("50-cluster.conflist");
    started();
    renameSync(file, path("net.d/60-cluster.conflist"));
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(path("net.d/60-cluster.conflist")), patience);
    const earlier = install("05-other.conflist", "mac");
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(earlier), patience);
    rmSync(earlier);
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(path("net.d/60-cluster.conflist")), patience);
  });

  test("that goes away is not replaced by another network's that was beside it, but by its own of another name, and by one that comes", async () => {
    const { watch, changed } = ownTime();
    const looked = () => {
      changed();
      vi.advanceTimersByTime(100);
      return clusterNetworkOf();
    };
    const file = install("50-cluster.conflist");
    writeFileSync(path("net.d/87-podman.conflist"), bridgeOfPodman);
    const kept = started({ watch });
    rmSync(file);
    expect(looked()).toBe(file);
    expect(log.waits).toEqual([
      expect.stringMatching(
        /^a file of the cluster network cluster, as .*\/50-cluster\.conflist was: 87-podman/,
      ),
    ]);
    vi.advanceTimersByTime(120_000);
    expect(log.errors).toEqual(["runtime configuration still waits"]);
    expect(kept.notInPlace).toBeUndefined();

    const renamed = install("95-cluster.conflist");
    expect(looked()).toBe(renamed);
    rmSync(renamed);
    expect(looked()).toBe(renamed);
    // Another one comes: somebody has changed the node's network. That is taken back by bringing the former one anew.
    const other = path("net.d/60-other.conflist");
    writeFileSync(other, bridgeOfPodman.replace("podman", "other"));
    expect(looked()).toBe(other);
    install("95-cluster.conflist");
    expect(looked()).toBe(other);
    rmSync(other);
    expect(looked()).toBe(other);
    rmSync(renamed);
    expect(looked()).toBe(other);
    install("95-cluster.conflist");
    expect(looked()).toBe(renamed);
    expect(existsSync(path("net.d/87-podman.conflist"))).toBe(true);
  });

  test("that is broken from the start makes way for the next one", () => {
    const { watch, changed } = ownTime();
    writeFileSync(path("net.d/10-broken.conflist"), "{");
    const next = install("20-cluster.conflist");
    expect(started({ watch }).notInPlace).toMatch(/10-broken/);
    rmSync(path("net.d/10-broken.conflist"));
    changed();
    vi.advanceTimersByTime(100);
    expect(clusterNetworkOf()).toBe(next);
  });

  test("is followed behind a link, as ConfigMaps have them", async () => {
    mkdirSync(path("net.d/..1"));
    mkdirSync(path("net.d/..2"));
    writeFileSync(path("net.d/..1/10-cluster.conflist"), network("mac"));
    writeFileSync(path("net.d/..2/10-cluster.conflist"), network("ips"));
    symlinkSync("..1", path("net.d/..data"));
    symlinkSync("..data/10-cluster.conflist", path("net.d/10-cluster.conflist"));
    started();
    expect(capabilitiesOf()).toEqual(["mac"]);
    symlinkSync("..2", path("net.d/..data_tmp"));
    renameSync(path("net.d/..data_tmp"), path("net.d/..data"));
    await vi.waitFor(() => expect(capabilitiesOf()).toEqual(["ips"]), patience);
  });

  test("is the one that was named, whatever comes before it", async () => {
    install("10-other.conflist");
    const kept = started({}, "50-cluster.conflist");
    expect(kept.notInPlace).toContain("50-cluster.conflist (multusMasterCNI)");
    const file = install("50-cluster.conflist");
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(file), patience);
  });

  test("is never one of Multus's own", () => {
    install("00-multus-old.conflist");
    expect(started().notInPlace).toContain("waiting for a cluster network");
    expect(cniRefusal(() => keeper({}, "00-multus.conf")).message).toContain(
      "multusMasterCNI 00-multus.conf: files that begin with 00-multus are Multus's own",
    );
  });

  test("that goes away leaves the runtime's where it is: pods can go", async () => {
    const file = install("10-cluster.conflist");
    const kept = started();
    rmSync(file);
    await vi.waitFor(() => expect(log.waits).toHaveLength(1), patience);
    expect(clusterNetworkOf()).toBe(file);
    expect(kept.notInPlace).toBeUndefined();
    install("10-cluster.conflist", "mac");
    await vi.waitFor(() => expect(capabilitiesOf()).toEqual(["mac"]), patience);
  });

  test("may be in a directory that is not there yet, or is made anew", () => {
    const { watch } = ownTime();
    const directory = path("later");
    const source = new ClusterNetworkSource({ directory, name: "" }, generatorOptions, kernels);
    started({ source, watch, directory: path("runtime/net.d") });
    mkdirSync(directory);
    writeFileSync(join(directory, "10-a.conflist"), network("mac"));
    vi.advanceTimersByTime(5_000);
    const written = path("runtime/net.d/00-multus.conf");
    expect(readFileSync(written, "utf8")).toContain(join(directory, "10-a.conflist"));
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    writeFileSync(join(directory, "20-b.conflist"), network("mac"));
    vi.advanceTimersByTime(5_000);
    expect(readFileSync(written, "utf8")).toContain(join(directory, "20-b.conflist"));
  });

  test("is watched again where its directory is another one of the same name", async () => {
    const directory = path("source");
    const source = new ClusterNetworkSource({ directory, name: "" }, generatorOptions, kernels);
    mkdirSync(directory);
    started({ source });
    renameSync(directory, path("moved"));
    mkdirSync(directory);
    writeFileSync(join(directory, "20-b.conflist"), network());
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(join(directory, "20-b.conflist")), patience);
    writeFileSync(join(directory, "10-a.conflist"), network());
    await vi.waitFor(() => expect(clusterNetworkOf()).toBe(join(directory, "10-a.conflist")), patience);
  });

  test("that is broken is reported once, changes nothing, and is taken when it is whole again", () => {
    const { watch, changed } = ownTime();
    const file = install("10-cluster.conflist", "mac");
    install("20-other.conflist", "ips");
    started({ watch });
    writeFileSync(file, '{"cniVersion": "1.0.0",');
    changed();
    vi.advanceTimersByTime(100);
    expect(log.errors).toEqual([]);
    vi.advanceTimersByTime(60_000);
    expect(log.errors).toEqual(["cannot update the runtime configuration"]);
    expect(log.causes).toEqual([expect.stringMatching(/10-cluster\.conflist: .*line 1, column 24/)]);
    expect(capabilitiesOf()).toEqual(["mac"]);
    writeFileSync(file, network("bandwidth"));
    changed();
    vi.advanceTimersByTime(100);
    expect(capabilitiesOf()).toEqual(["bandwidth"]);
    expect(log.errors).toHaveLength(1);
  });

  test("that is broken for a moment only, as it is being written, is no news", () => {
    const { watch, changed } = ownTime();
    const file = install("10-cluster.conflist", "mac");
    started({ watch });
    writeFileSync(file, "");
    changed();
    vi.advanceTimersByTime(500);
    writeFileSync(file, network("ips"));
    changed();
    vi.advanceTimersByTime(60_000);
    expect(log.errors).toEqual([]);
    expect(capabilitiesOf()).toEqual(["ips"]);
  });

  test("of a version that is not supported is why there is nothing", () => {
    const { watch } = ownTime();
    writeFileSync(path("net.d/10-new.conf"), '{"cniVersion":"9.0.0","name":"new","type":"bridge"}');
    const options = { ...generatorOptions, cniVersion: "1.0.0" };
    const source = new ClusterNetworkSource({ directory: path("net.d"), name: "" }, options, kernels);
    const kept = started({ source, watch });
    expect(kept.notInPlace).toMatch(/10-new\.conf: .*"9\.0\.0" is not supported/);
    vi.advanceTimersByTime(1_000);
    expect(log.causes).toEqual([expect.stringContaining('"9.0.0" is not supported')]);
    expect(existsSync(target())).toBe(false);
  });

  test("may change as often as it likes at once: what counts is the last", async () => {
    const { watch, changed } = ownTime();
    install("10-cluster.conflist", "c0");
    started({ watch });
    for (let index = 1; index <= 200; index++) {
      install("10-cluster.conflist", `c${index}`);
      changed();
    }
    vi.advanceTimersByTime(100);
    expect(capabilitiesOf()).toEqual(["c200"]);
    expect(log.writes).toHaveLength(2);
  });

  test("is missed for as long as it takes; the log says so after two minutes, once", () => {
    const { watch } = ownTime();
    started({ watch });
    vi.advanceTimersByTime(119_000);
    expect(log.errors).toEqual([]);
    vi.advanceTimersByTime(600_000);
    expect(log.errors).toEqual(["runtime configuration still waits"]);
    install("10-cluster.conflist");
    vi.advanceTimersByTime(5_000);
    expect(existsSync(target())).toBe(true);
  });

  test("is seen without a watch, and that there is none is said once", () => {
    const { watch: told } = ownTime();
    let refused = 0;
    const watch: WatchDirectory = (directory, onChange, onLost) => {
      if (refused++ < 3) throw new Error("ENOSPC: no space left on device, watch");
      return told(directory, onChange, onLost);
    };
    install("10-cluster.conflist", "mac");
    started({ watch });
    install("10-cluster.conflist", "ips");
    vi.advanceTimersByTime(5_000);
    expect(capabilitiesOf()).toEqual(["ips"]);
    vi.advanceTimersByTime(20_000);
    expect(refused).toBe(4);
  });
});

describe("the readiness indicator", () => {
  const indicator = () => path("run/ready");

  test("is waited for, and the runtime's file is away while it is", async () => {
    install("10-cluster.conflist", "mac");
    mkdirSync(path("run"));
    // Left of a daemon that was killed.
    writeFileSync(target(), "{}");
    const kept = started({ readinessIndicatorFile: indicator() });
    expect(existsSync(target())).toBe(false);
    expect(kept.notInPlace).toContain(`${indicator()} (readinessindicatorfile)`);
    for (let times = 0; times < 3; times++) {
      writeFileSync(indicator(), "");
      await vi.waitFor(() => expect(capabilitiesOf()).toEqual(["mac"]), patience);
      expect(kept.notInPlace).toBeUndefined();
      rmSync(indicator());
      await vi.waitFor(() => expect(existsSync(target())).toBe(false), patience);
      expect(kept.notInPlace).toBeDefined();
    }
    expect(log.errors).toEqual([]);
  });

  test("may be the cluster network's file itself, renamed away", async () => {
    const file = install("80-cluster.conflist");
    started({ readinessIndicatorFile: file });
    expect(clusterNetworkOf()).toBe(file);
    renameSync(file, path("net.d/81-cluster.conflist"));
    await vi.waitFor(() => expect(existsSync(target())).toBe(false), patience);
  });
});

describe("changes of the runtime's file by other programs", () => {
  test("is undone: removed, changed, opened to others", async () => {
    install("10-cluster.conflist", "mac");
    started();
    const content = readFileSync(target(), "utf8");
    rmSync(target());
    await vi.waitFor(() => expect(readFileSync(target(), "utf8")).toBe(content), patience);
    expect(log.writes.at(-1)).toBe("it was removed");
  });

  test("is told each time that it had to be written, and not where it is as it should be", () => {
    const { watch, changed } = ownTime();
    install("10-cluster.conflist", "mac");
    let written = 0;
    const onWritten = () => {
      // It is there by then.
      expect(existsSync(target())).toBe(true);
      written += 1;
    };
    started({ watch, onWritten });
    expect(written).toBe(1);
    changed();
    vi.advanceTimersByTime(100);
    expect(written).toBe(1);
    rmSync(target());
    changed();
    vi.advanceTimersByTime(100);
    expect(written).toBe(2);
  });

  test.each<[string, (file: string) => void]>([
    ["changed", (file) => writeFileSync(file, "{}")],
    ["torn", (file) => writeFileSync(file, readFileSync(file).subarray(0, 40))],
    ["opened to others", (file) => chmodSync(file, 0o644)],
    [
      "made a link",
      (file) => {
        renameSync(file, `${file}.bak`);
        symlinkSync(`${file}.bak`, file);
      },
    ],
  ])("is undone where it was %s", (_what, change) => {
    const { watch, changed } = ownTime();
    install("10-cluster.conflist", "mac");
    started({ watch });
    const content = readFileSync(target(), "utf8");
    change(target());
    changed();
    vi.advanceTimersByTime(100);
    expect(readFileSync(target(), "utf8")).toBe(content);
    expect(statSync(target()).mode & 0o777).toBe(0o600);
    expect(log.writes.at(-1)).toBe("it was changed");
  });

  test("is undone every few seconds only, where it is done again and again", () => {
    const { watch, changed } = ownTime();
    install("10-cluster.conflist", "mac");
    const kept = started({ watch });
    for (let times = 0; times < 100; times++) {
      rmSync(target(), { force: true });
      changed();
      vi.advanceTimersByTime(100);
    }
    expect(log.writes.length).toBeLessThanOrEqual(4);
    expect(log.errors).toEqual([expect.stringContaining("another program keeps changing")]);
    expect(kept.notInPlace).toMatch(/: 00-multus\.conf: it was removed, again and again$/);
    vi.advanceTimersByTime(5_000);
    expect(capabilitiesOf()).toEqual(["mac"]);
    expect(kept.notInPlace).toBeUndefined();
  });

  test("a list of an earlier release, or of a thin installer, does not stay beside it", async () => {
    install("10-cluster.conflist");
    writeFileSync(path("net.d/00-multus.conflist"), network());
    started();
    expect(others("10-cluster.conflist")).toEqual(["00-multus.conf"]);
    writeFileSync(path("net.d/00-multus.conflist"), network());
    await vi.waitFor(() => expect(others("10-cluster.conflist")).toEqual(["00-multus.conf"]), patience);
  });
});

describe("at the daemon's end", () => {
  test("the file goes", () => {
    install("10-cluster.conflist");
    started().leave(toGo);
    expect(others("10-cluster.conflist")).toEqual([]);
  });

  test("it stays where it is not to go, and where it is another daemon's by now", () => {
    install("10-cluster.conflist");
    started().leave({ isWanted: false, because: "a test" });
    expect(log.stays).toEqual(["a test"]);
    expect(existsSync(target())).toBe(true);
    const old = started();
    const next = started();
    old.leave(toGo);
    expect(existsSync(target())).toBe(true);
    writeFileSync(target(), readFileSync(target()));
    next.leave(toGo);
    expect(existsSync(target())).toBe(true);
  });

  test("a file that this daemon did not write stays", () => {
    writeFileSync(target(), "{}");
    started().leave(toGo);
    expect(readFileSync(target(), "utf8")).toBe("{}");
  });

  test("nothing is written any more once it has begun", () => {
    const { watch, changed } = ownTime();
    install("10-cluster.conflist", "mac");
    const kept = started({ watch });
    kept.freeze();
    install("10-cluster.conflist", "ips");
    changed();
    vi.advanceTimersByTime(60_000);
    expect(capabilitiesOf()).toEqual(["mac"]);
    const never = keeper({ watch });
    never.freeze();
    rmSync(target());
    never.start();
    vi.advanceTimersByTime(60_000);
    expect(existsSync(target())).toBe(false);
  });
});

describe("writing", () => {
  test("that fails is reported, and done when it can be", () => {
    const { watch } = ownTime();
    install("10-cluster.conflist", "mac");
    mkdirSync(target());
    const kept = started({ watch });
    vi.advanceTimersByTime(10_000);
    expect(log.causes).toEqual([expect.stringContaining(`cannot write ${target()}`)]);
    expect(kept.notInPlace).toContain(`cannot write ${target()}`);
    expect(others("10-cluster.conflist", "00-multus.conf")).toEqual([]);
    rmSync(target(), { recursive: true });
    vi.advanceTimersByTime(5_000);
    expect(capabilitiesOf()).toEqual(["mac"]);
  });

  test("leaves nothing of what a crash left, and nobody's mode", () => {
    install("10-cluster.conflist", "mac");
    const temporary = path("net.d/.00-multus.conf.new");
    writeFileSync(temporary, "{", { mode: 0o644 });
    linkSync(temporary, path("other"));
    started();
    expect(statSync(target()).mode & 0o777).toBe(0o600);
    expect(readFileSync(path("other"), "utf8")).toBe("{");
    expect(others("10-cluster.conflist", "00-multus.conf")).toEqual([]);
  });

  test("is never seen half done", async () => {
    const { watch, changed } = ownTime();
    install("10-cluster.conflist", "c0");
    started({ watch });
    const reader = new Worker(
      `const { readFileSync } = require("node:fs");
       const { parentPort, workerData } = require("node:worker_threads");
       const seen = new Set();
       let wrong = "";
       let stop = false;
       parentPort.on("message", () => { stop = true; });
       const look = () => {
         for (let times = 0; times < 50; times++) {
           try { seen.add(JSON.stringify(JSON.parse(readFileSync(workerData, "utf8")).capabilities)); }
           catch (error) { wrong = String(error); }
         }
         if (stop) parentPort.postMessage({ seen: seen.size, wrong }); else setImmediate(look);
       };
       parentPort.postMessage("ready");
       look();`,
      { eval: true, workerData: target() },
    );
    try {
      const answer = () => new Promise<unknown>((resolve) => reader.once("message", resolve));
      expect(await answer()).toBe("ready");
      for (let index = 1; index <= 300; index++) {
        install("10-cluster.conflist", `c${index}`, ..."abcdefghijklmnop");
        changed();
        vi.advanceTimersByTime(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const answered = answer();
      reader.postMessage("stop");
      expect(await answered).toEqual({ seen: expect.any(Number), wrong: "" });
      expect(log.writes).toHaveLength(301);
    } finally {
      await reader.terminate();
    }
  });
});

describe("a file that the user provides", () => {
  const userFile = () => path("etc/05-mine.conflist");
  const copied = () => path("net.d/05-mine.conflist");
  const copier = (options: Partial<KeeperOptions> = {}) =>
    started({ source: new CopiedFileSource(userFile(), kernels), ...options });

  beforeEach(() => mkdirSync(path("etc")));

  test("is copied as it is, and followed", async () => {
    writeFileSync(target(), "{}");
    const kept = copier();
    expect(kept.notInPlace).toContain(`waiting for the file ${userFile()} (multusConfigFile)`);
    writeFileSync(userFile(), network("mac"));
    await vi.waitFor(() => expect(readFileSync(copied(), "utf8")).toBe(network("mac")), patience);
    expect(statSync(copied()).mode & 0o777).toBe(0o600);
    // The one that was made in an earlier life would win.
    expect(others("05-mine.conflist")).toEqual([]);
    writeFileSync(userFile(), ` ${network("ips")}\n`);
    await vi.waitFor(() => expect(readFileSync(copied(), "utf8")).toBe(` ${network("ips")}\n`), patience);
    kept.leave(toGo);
    expect(others()).toEqual([]);
    expect(existsSync(userFile())).toBe(true);
  });

  test("is away while the readiness indicator is, also one that a killed daemon left", () => {
    writeFileSync(userFile(), network());
    writeFileSync(copied(), network("old"));
    copier({ readinessIndicatorFile: path("ready") });
    expect(others()).toEqual([]);
  });

  test.each([
    [
      "05-mine.conflist",
      '{"name":"n","type":"multus"}',
      /one plugin does not belong in a file that ends in \.conflist/,
    ],
    ["05-mine.conf", network(), /a list of plugins belongs in a file that ends in \.conflist/],
    ["05-mine.json", '{"name":"n"}', /must have a type/],
    ["05-mine.conf", "{", /line 1, column 2/],
  ])("is refused as %s with %j", (name, text, message) => {
    writeFileSync(path(`etc/${name}`), text);
    const { watch } = ownTime();
    const kept = started({ source: new CopiedFileSource(path(`etc/${name}`), kernels), watch });
    vi.advanceTimersByTime(1_000);
    expect(log.causes).toEqual([expect.stringMatching(message)]);
    expect(kept.notInPlace).toMatch(message);
    expect(others()).toEqual([]);
  });

  test("has a name that runtimes read", () => {
    const error = cniRefusal(() => new CopiedFileSource("/etc/multus.cfg", kernels));
    expect(error.message).toMatch(/^multusConfigFile \/etc\/multus\.cfg: .*\.conf, \.conflist, \.json/);
  });

  test("may be in the runtime's directory already, by whatever name", () => {
    const source = new CopiedFileSource(path("net.d/05-mine.conflist"), kernels);
    expect([path("net.d"), path("etc"), path("missing")].map((directory) => source.isIn(directory))).toEqual([
      true,
      false,
      false,
    ]);
    symlinkSync("net.d", path("link"));
    expect(source.isIn(path("link"))).toBe(true);
    // One that is made later: the user's file would be taken for a copy, and go with the daemon.
    expect(new CopiedFileSource(path("later/05-mine.conf"), kernels).isIn(`${path("later")}/`)).toBe(true);
  });
});
