/**
 * Builds real Kubernetes, a containerd later than Debian's, Helm and kustomize from their Go modules: once for a machine, into a cache outside of the
 * checkout. A build is complete or not there; runs at the same time wait for each other.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { durationText, lastTime, rememberDuration } from "./durations.mjs";
import { interruption, progress, run, SetupError } from "./process.mjs";
import { findCommand } from "./project.mjs";

/** The oldest Go that builds all of it, and the one that is fetched (as a module) where the machine's is older. */
const go = { oldest: [1, 26, 6], fetched: "1.26.8" };

const kubernetes = {
  module: "k8s.io/kubernetes",
  version: "1.36.3",
  flags: [
    "-trimpath",
    "-ldflags",
    "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3" +
      " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
  ],
  // Its staging modules are not in the module; they are published as modules of their own, one minor version for another.
  replace: (goMod) => goMod.replace(/=> \.\/staging\/src\/(k8s\.io\/[a-z0-9-]+)/g, "=> $1 v0.36.3"),
};

/**
 * The programs that are built. `files`: directories of the module that are kept beside the programs. `replace`: rewrites the module's go.mod, so that it can be built outside of its own repository.
 * @type {Record<"kubernetes" | "kubernetes-controllers" | "containerd" | "helm" | "whereabouts" | "kustomize" | "prometheus-operator", { module: string, version: string, packages: readonly string[], files?: readonly string[], flags: readonly string[], about: string, replace: (goMod: string) => string }>}
 */
const programs = {
  kubernetes: {
    ...kubernetes,
    about: "kube-apiserver, kubelet and kubectl",
    packages: ["./cmd/kube-apiserver", "./cmd/kubelet", "./cmd/kubectl"],
  },
  // Beside the others, so that what needs no controllers does not wait for their build.
  "kubernetes-controllers": {
    ...kubernetes,
    about: "kube-controller-manager and kube-scheduler",
    packages: ["./cmd/kube-controller-manager", "./cmd/kube-scheduler"],
  },
  containerd: {
    about: "containerd, its shim for runc, and ctr",
    module: "github.com/containerd/containerd/v2",
    version: "2.4.2",
    packages: ["./cmd/containerd", "./cmd/containerd-shim-runc-v2", "./cmd/ctr"],
    flags: ["-trimpath", "-ldflags", "-s -w -X github.com/containerd/containerd/v2/version.Version=2.4.2"],
    replace: (goMod) => goMod,
  },
  helm: {
    about: "helm",
    module: "helm.sh/helm/v4",
    version: "4.3.1",
    packages: ["./cmd/helm"],
    flags: ["-trimpath", "-ldflags", "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1"],
    replace: (goMod) => goMod,
  },
  kustomize: {
    about: "kustomize",
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    version: "5.8.1",
    packages: ["."],
    flags: ["-trimpath", "-ldflags", "-s -w -X sigs.k8s.io/kustomize/api/provenance.version=v5.8.1"],
    replace: (goMod) => goMod,
  },
  // The plugin is the program `cmd`, its reconciler `controlloop`.
  whereabouts: {
    about: "the IPAM plugin whereabouts and its reconciler",
    module: "github.com/k8snetworkplumbingwg/whereabouts",
    version: "0.9.2",
    packages: ["./cmd", "./cmd/controlloop"],
    files: ["doc/crds"],
    flags: ["-trimpath", "-ldflags", "-s -w"],
    replace: (goMod) => goMod,
  },
  // No program of it: what the chart makes for it has to fit into its custom resources.
  "prometheus-operator": {
    about: "the custom resources of the Prometheus Operator",
    module: "github.com/prometheus-operator/prometheus-operator",
    version: "0.85.0",
    packages: [],
    files: ["example/prometheus-operator-crd"],
    flags: [],
    replace: (goMod) => goMod,
  },
};

/** Where everything that is built once for a machine is kept: MULTUS_CACHE_DIR, or multus-wasm in the user's cache directory. */
export const cacheDirectory =
  process.env.MULTUS_CACHE_DIR ??
  join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "multus-wasm");

/**
 * The directory that holds the built programs, whether they are there or not.
 * @param {keyof typeof programs} name
 */
export function programDirectory(name) {
  return join(cacheDirectory, `${name}-${programs[name].version}-${process.arch}`);
}

/** How long builds, and starts of clusters, took the last time. */
export const durationsFile = join(cacheDirectory, "durations.json");

const secondsSince = (start) => (Date.now() - start) / 1000;

/**
 * Runs Go without what the caller's environment sets for builds of his own.
 * @returns {Promise<string>} what it printed
 * @throws {SetupError} with Go's message
 */
async function runGo(command, args, options = {}) {
  const { exitCode, output } = await run(command, args, {
    quiet: true,
    cwd: options.cwd,
    // The module proxy and the checksum database stay as the machine has them configured.
    env: {
      GOFLAGS: "-mod=mod -buildvcs=false",
      GOWORK: "off",
      CGO_ENABLED: "0",
      GOTOOLCHAIN: "local",
      GO111MODULE: "on",
      // Another Go's would not fit the one that is fetched.
      ...(command.startsWith(cacheDirectory) ? { GOROOT: "" } : {}),
    },
  });
  if (exitCode !== 0) {
    throw new SetupError(
      `go ${args.slice(0, 2).join(" ")} failed (exit code ${exitCode}):\n${output.slice(-8_000).trim()}`,
    );
  }
  return output;
}

/** Runs Go where it downloads modules: tried again, as one of hundreds of downloads can fail. It keeps the modules that it has downloaded and built by then. */
async function runGoOverNetwork(command, args, options) {
  for (let tries = 1; ; tries++) {
    try {
      return await runGo(command, args, options);
    } catch (error) {
      if (tries === 3 || interruption() !== undefined) throw error;
      progress(`${error.message.split("\n", 1)[0]} trying again`);
      await sleep(tries * 5_000);
    }
  }
}

/** Has this Go the version that is needed? */
async function isRecent(command) {
  const [, ...version] = /go(\d+)\.(\d+)(?:\.(\d+))?/.exec(await runGo(command, ["version"])) ?? [];
  const [major = 0, minor = 0, patch = 0] = version.map((part) => Number(part ?? 0));
  const [oldestMajor, oldestMinor, oldestPatch] = go.oldest;
  if (major !== oldestMajor) return major > oldestMajor;
  return minor !== oldestMinor ? minor > oldestMinor : patch >= oldestPatch;
}

/**
 * Downloads a module. @param {string} command Go @param {string} directory that has no go.mod of anyone
 * @returns {Promise<string>} its directory, which can't be written
 * @throws {SetupError}
 */
async function downloadModule(command, module, directory) {
  const output = await runGoOverNetwork(command, ["mod", "download", "-json", module], { cwd: directory });
  const { Dir: path } = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1));
  return path;
}

/** A copy of a module that can be written. */
function copyModule(from, to) {
  cpSync(from, to, { recursive: true, mode: 0 });
}

/**
 * A Go that is recent enough: the machine's, or the one that Go's own toolchain module brings.
 * @param {string} scratch a directory for downloads
 * @throws {SetupError}
 */
async function recentGo(scratch) {
  const installed = findCommand("go");
  if (installed === undefined) throw new SetupError("Go is missing");
  if (await isRecent(installed)) return installed;
  const directory = join(cacheDirectory, `go-${go.fetched}-${process.arch}`);
  const fetched = join(directory, "bin", "go");
  if (existsSync(fetched)) return fetched;
  progress(`${installed} is older than Go ${go.oldest.join(".")}; fetching Go ${go.fetched}`);
  const system = `linux-${process.arch === "x64" ? "amd64" : process.arch}`;
  const building = join(scratch, "go");
  try {
    copyModule(
      await downloadModule(installed, `golang.org/toolchain@v0.0.1-go${go.fetched}.${system}`, scratch),
      building,
    );
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    throw new SetupError(
      `Go ${go.oldest.join(".")} or later is needed, ${installed} is older, and a later one could not be fetched:\n${error.message}`,
    );
  }
  // A module carries no execute permission.
  await run("chmod", ["-R", "a+x", join(building, "bin"), join(building, "pkg", "tool")], { quiet: true });
  renameSync(building, directory);
  return fetched;
}

/** Builds one set of programs into `target`, by way of `scratch`, which is on the same file system. */
async function build({ module, version, packages, files = [], flags, replace }, scratch, target) {
  const command = await recentGo(scratch);
  const source = join(scratch, "source");
  copyModule(await downloadModule(command, `${module}@v${version}`, scratch), source);
  await run("chmod", ["-R", "u+w", source], { quiet: true });
  const goMod = join(source, "go.mod");
  writeFileSync(goMod, replace(readFileSync(goMod, "utf8")));
  for (const file of ["go.work", "go.work.sum"]) rmSync(join(source, file), { force: true });
  const built = join(scratch, "built");
  mkdirSync(built);
  if (packages.length > 0) {
    await runGoOverNetwork(command, ["build", ...flags, "-o", `${built}/`, ...packages], { cwd: source });
  }
  for (const file of files) copyModule(join(source, file), join(built, basename(file)));
  renameSync(built, target);
}

/**
 * Takes the lock that all runs on this machine share; the kernel releases it when this process ends in any way.
 * @param {string} file
 * @param {() => void} onWait called once, where another run has it
 * @returns {Promise<() => void>} gives it back
 * @throws {SetupError}
 */
async function lock(file, onWait) {
  const holder = spawn("flock", [file, "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const waiting = setTimeout(onWait, 1_000);
  const outcome = await Promise.race([
    once(holder.stdout, "data").then(() => "locked"),
    once(holder, "exit").then(() => "flock ended"),
    once(holder, "error").then(([error]) => error.message),
  ]).catch((error) => error.message);
  clearTimeout(waiting);
  if (outcome !== "locked") throw new SetupError(`${file} can't be locked: ${outcome}`);
  return () => holder.stdin.end();
}

/**
 * Are all of them built?
 * @param {readonly (keyof typeof programs)[]} names
 */
export function hasPrograms(names) {
  return names.every((name) => existsSync(programDirectory(name)));
}

/**
 * Builds what is not there yet. The first time takes minutes; Go's build cache makes the next version quicker.
 * @param {readonly (keyof typeof programs)[]} names
 * @throws {SetupError}
 */
export async function ensurePrograms(names) {
  const missing = names.filter((name) => !hasPrograms([name]));
  for (const [index, name] of missing.entries()) {
    const target = programDirectory(name);
    const { about, version } = programs[name];
    mkdirSync(cacheDirectory, { recursive: true });
    const release = await lock(join(cacheDirectory, ".lock"), () =>
      progress("another run is building; waiting for it"),
    );
    try {
      if (existsSync(target)) continue;
      // A process that was killed left these: the lock is ours.
      for (const entry of readdirSync(cacheDirectory).filter((entry) => entry.startsWith(".building-"))) {
        rmSync(join(cacheDirectory, entry), { recursive: true, force: true });
      }
      const start = Date.now();
      const what = `${about} ${version}`;
      const place = `${index + 1} of ${missing.length}`;
      const expected = lastTime(durationsFile, name) || "minutes, the first time";
      progress(`${place}: building ${what} with Go into ${target} (once; ${expected})`);
      const clock = setInterval(
        () => progress(`${place}: building ${basename(target)}: ${durationText(secondsSince(start))}`),
        30_000,
      );
      const scratch = mkdtempSync(join(cacheDirectory, ".building-"));
      try {
        await build(programs[name], scratch, target);
      } finally {
        clearInterval(clock);
        rmSync(scratch, { recursive: true, force: true });
      }
      rememberDuration(durationsFile, name, secondsSince(start));
      progress(`${place}: built ${what} in ${durationText(secondsSince(start))}`);
    } finally {
      release();
    }
    if (interruption() !== undefined) return;
  }
}
