/** Installs the Debian packages that a task needs and the machine misses. */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { compilers, foreignArchitectures } from "./compilers.mjs";
import { interruption, progress, run, SetupError } from "./process.mjs";
import { findCommand } from "./project.mjs";

const pluginDirectory = "/usr/lib/cni";

/** Is every one of these commands there? */
const commands =
  (...names) =>
  () =>
    names.every((name) => findCommand(name) !== undefined);

/** The tools that tasks need of the machine: how to see that they are there, and the packages that bring them. */
export const tools = {
  compiler: {
    about: "a C compiler (cc) and libc's headers",
    packages: ["gcc", "libc6-dev"],
    present: () => commands("cc")() && existsSync("/usr/include/stdlib.h"),
  },
  crossCompiler: {
    about: `a C compiler for ${foreignArchitectures.join(" and ")}`,
    packages: foreignArchitectures.flatMap((architecture) => compilers[architecture].packages),
    present: commands(...foreignArchitectures.map((architecture) => compilers[architecture].command)),
  },
  emulator: {
    about: `QEMU, to run programs for ${foreignArchitectures.join(" and ")}`,
    packages: ["qemu-user-static"],
    present: commands(...foreignArchitectures.map((architecture) => compilers[architecture].emulator)),
  },
  fuzzer: {
    about: "clang with libFuzzer, for fuzzing with coverage",
    packages: ["clang", "libclang-rt-14-dev"],
    // The package of the runtime is named after clang's version, that of Debian 12: what counts is whether it links.
    present: commands("clang"),
  },
  iproute2: { about: "ip and tc", packages: ["iproute2"], present: commands("ip", "tc") },
  strace: { about: "strace", packages: ["strace"], present: commands("strace") },
  plugins: {
    about: `CNI plugins in ${pluginDirectory}`,
    packages: ["containernetworking-plugins"],
    present: () =>
      ["bridge", "macvlan", "ptp", "host-local", "static", "tuning", "portmap", "bandwidth"].every((plugin) =>
        existsSync(`${pluginDirectory}/${plugin}`),
      ),
  },
  ext4: { about: "mkfs.ext4", packages: ["e2fsprogs"], present: commands("mkfs.ext4") },
  iptables: { about: "iptables", packages: ["iptables"], present: commands("iptables") },
  containerd: {
    about: "containerd, ctr and runc",
    packages: ["containerd", "runc"],
    present: commands("containerd", "ctr", "runc"),
  },
  busybox: {
    about: "busybox, to make the image of the documentation's pods",
    packages: ["busybox-static"],
    present: () => existsSync("/bin/busybox"),
  },
  etcd: { about: "etcd", packages: ["etcd-server"], present: commands("etcd") },
  promtool: {
    about: "Prometheus and promtool, to check metrics and alerts and to draw the dashboard",
    packages: ["prometheus"],
    present: commands("prometheus", "promtool"),
  },
  chromium: {
    about: "chromium, to look at the page of multusctl bench",
    packages: ["chromium"],
    present: commands("chromium"),
  },
  skopeo: {
    about: "skopeo, to read the image as others read it",
    packages: ["skopeo"],
    present: commands("skopeo"),
  },
  openssl: { about: "openssl", packages: ["openssl"], present: commands("openssl") },
  go: {
    about:
      "Go, to build the flannel plugin and Kubernetes (a later Go in PATH or /usr/local/go serves as well)",
    packages: ["golang-go"],
    present: commands("go"),
  },
};

/** Root of the machine or of a container that may make network namespaces. */
export function isRoot() {
  return process.getuid?.() === 0;
}

/**
 * Names of the tools that are not there.
 * @param {readonly (keyof typeof tools)[]} names
 */
function missingTools(names) {
  return names.filter((name) => !tools[name].present());
}

/** One line a missing tool: what it is and how a person gets it. */
export function describeMissing(names) {
  return names
    .map(
      (name) =>
        `  missing: ${tools[name].about} (as root: apt-get install ${tools[name].packages.join(" ")})`,
    )
    .join("\n");
}

const aptOptions = ["-y", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
const aptEnvironment = { DEBIAN_FRONTEND: "noninteractive" };

/** apt-get, tried again while another apt has its lists locked (its own waiting covers dpkg's lock only). */
async function aptGet(args) {
  const deadline = Date.now() + 300_000;
  for (;;) {
    const outcome = await run("apt-get", [...aptOptions, ...args], { quiet: true, env: aptEnvironment });
    const locked = /Could not get lock|Unable to lock/.test(outcome.output);
    if (outcome.exitCode === 0 || !locked || Date.now() > deadline || interruption() !== undefined)
      return outcome;
    progress("another apt is at work; waiting for it");
    await new Promise((resolve) => setTimeout(resolve, 5_000));
  }
}

/** The program that Debian asks before it starts the service of a package that it installs. */
const servicePolicy = "/usr/sbin/policy-rc.d";

/**
 * Installs packages without starting their services: tests start etcd and containerd themselves, on directories and ports of their own. A policy
 * that is there already is left alone; ours means nothing any more once this process is gone.
 */
async function aptInstall(args) {
  const own = !existsSync(servicePolicy);
  if (own) {
    const policy = `#!/bin/sh\n# While multus-wasm sets up its tools.\nkill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`;
    writeFileSync(servicePolicy, policy, { mode: 0o755 });
  }
  try {
    return await aptGet(args);
  } finally {
    if (own) rmSync(servicePolicy, { force: true });
  }
}

/** apt knows no package at all before the first `apt-get update`. */
function packageListsArePresent() {
  try {
    return readdirSync("/var/lib/apt/lists").some((file) => file.includes("_Packages"));
  } catch {
    return false;
  }
}

function isDebian() {
  if (!existsSync("/etc/os-release")) return false;
  const release = readFileSync("/etc/os-release", "utf8");
  return /^ID(_LIKE)?=.*debian/m.test(release) && findCommand("apt-get") !== undefined;
}

/**
 * Installs what is missing of `names`, where that is possible.
 * @param {readonly (keyof typeof tools)[]} names
 * @returns {Promise<(keyof typeof tools)[]>} what is still missing: no root, no Debian
 * @throws {SetupError} where apt-get fails
 */
export async function ensureTools(names) {
  const missing = missingTools(names);
  if (missing.length === 0 || !isRoot() || !isDebian()) return missing;
  const packages = missing.flatMap((name) => tools[name].packages);
  progress(`installing Debian packages: ${packages.join(" ")}`);
  const install = ["install", "--no-install-recommends", ...packages];
  const listsWerePresent = packageListsArePresent();
  // One source of several that can't be reached is apt's complaint but need not be ours: what counts is whether the install works.
  let complaint = listsWerePresent ? "" : (await aptGet(["update"])).output;
  let outcome = await aptInstall(install);
  // Lists that are there may be old: the versions that they name are gone from the mirror.
  if (outcome.exitCode !== 0 && listsWerePresent && interruption() === undefined) {
    complaint = (await aptGet(["update"])).output;
    outcome = await aptInstall(install);
  }
  if (outcome.exitCode !== 0) {
    throw new SetupError(`apt-get ${install.join(" ")} failed:\n${complaint}${outcome.output}`);
  }
  return missingTools(names);
}
