/** multusctl install, uninstall and thin-entrypoint as programs, beside plugins that run, installers that are killed, others at the same time, and a full disk. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inPodWith, ServiceAccountFiles } from "../support/cluster/service-account-files.ts";
import { type CommandOutcome, runCommand, runOrThrow } from "../support/command.ts";
import { Daemon } from "../support/daemon.ts";
import { former, goBinary, Installation } from "../support/installation.ts";
import { session, sessionVariable } from "../support/session.ts";
import { shim } from "../support/test-node.ts";
import { until } from "../support/until.ts";

const bundle = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");
const wasm = join(dirname(bundle), "multus.wasm");

let scratch: Installation;
beforeEach(() => {
  scratch = new Installation();
});
afterEach(() => scratch[Symbol.dispose]());

/** A release of multusctl with a plugin binary of its own: the same program, and some bytes that nobody reads. */
class Release {
  readonly directory: string;
  readonly plugin: Buffer;

  constructor(name: string) {
    this.directory = join(scratch.path, name);
    mkdirSync(this.directory);
    for (const file of [bundle, wasm, shim])
      copyFileSync(file, join(this.directory, file.slice(dirname(file).length + 1)));
    writeFileSync(join(this.directory, "multus"), name, { flag: "a" });
    this.plugin = readFileSync(join(this.directory, "multus"));
  }

  argv(...args: string[]): string[] {
    return [process.execPath, join(this.directory, "multusctl.mjs"), ...args];
  }

  install(...args: string[]): Promise<CommandOutcome> {
    return runCommand(this.argv("install", "--cni-bin-dir", scratch.binDir, ...args));
  }
}

const installed = (name = "multus") => readFileSync(join(scratch.binDir, name));
const temporaryFiles = () => readdirSync(scratch.binDir).filter((name) => name.endsWith(".new"));

/** A plugin that runs: it waits for its configuration. */
function startPlugin(): ChildProcess {
  return spawn(join(scratch.binDir, "multus"), {
    stdio: ["pipe", "ignore", "ignore"],
    env: {
      CNI_COMMAND: "DEL",
      CNI_CONTAINERID: "c",
      CNI_IFNAME: "eth0",
      CNI_PATH: scratch.binDir,
      [sessionVariable]: session,
    },
  });
}

describe("install", () => {
  it("replaces a plugin of which 20 run, while others are started", async () => {
    const releases = [new Release("one"), new Release("two")] as const;
    await releases[0].install();
    const running = Array.from({ length: 20 }, startPlugin);
    let installing = true;
    const starting = (async () => {
      let count = 0;
      for (; installing; count += 1) {
        const { exitCode, stdout } = await runCommand([join(scratch.binDir, "multus"), "--version"]);
        expect({ exitCode, about: stdout.toString().slice(0, 7) }).toEqual({ exitCode: 0, about: "multus " });
      }
      return count;
    })();
    try {
      for (let turn = 1; turn <= 6; turn += 1) {
        const release = releases[turn % 2] ?? releases[0];
        const { exitCode, stderr } = await release.install();
        expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
        expect(installed().equals(release.plugin)).toBe(true);
        expect(installed("multus-shim").equals(release.plugin)).toBe(true);
      }
    } finally {
      installing = false;
      expect(await starting).toBeGreaterThan(6);
      expect(running.map(({ exitCode, signalCode }) => exitCode ?? signalCode)).toEqual(Array(20).fill(null));
      await Promise.all(
        running.map((plugin) => {
          plugin.kill("SIGKILL");
          return once(plugin, "close");
        }),
      );
    }
  });

  it("is safe at the same time as 24 others, of two releases, over Go multus's", async () => {
    const releases = [new Release("one"), new Release("two")] as const;
    writeFileSync(join(scratch.binDir, "multus"), goBinary, { mode: 0o755 });
    const outcomes = await Promise.all(
      Array.from({ length: 24 }, (_, index) => releases[index % 2]?.install()),
    );
    expect(outcomes.map((outcome) => outcome?.stderr)).toEqual(Array(24).fill(""));
    expect(readdirSync(scratch.binDir).sort()).toEqual([former, "multus", "multus-shim", "passthru"]);
    expect(readFileSync(join(scratch.binDir, former), "utf8")).toBe(goBinary);
    for (const name of ["multus", "multus-shim", "passthru"]) {
      expect(releases.some(({ plugin }) => plugin.equals(installed(name)))).toBe(true);
    }
  });

  it("killed in the middle, leaves what was there whole", async () => {
    const release = new Release("one");
    const old = new Release("two");
    // Large, so that there is a middle; sparse files are copied like others.
    const daemon = join(release.directory, "multusd");
    writeFileSync(daemon, "\x7fELF: the Multus daemon\n", "latin1");
    await release.install("--daemon-bin-dir", scratch.binDir);
    const before = readFileSync(join(scratch.binDir, "multusd"));
    truncateSync(daemon, 600 << 20);
    await old.install();
    const [command = "", ...args] = release.argv(
      "install",
      "--cni-bin-dir",
      scratch.binDir,
      "--daemon-bin-dir",
      scratch.binDir,
    );
    const installer = spawn(command, args, { env: { ...process.env, [sessionVariable]: session } });
    const closed = once(installer, "close");
    while (!temporaryFiles().some((name) => name.startsWith(".multusd."))) {
      expect(installer.exitCode).toBeNull();
      await sleep(1);
    }
    installer.kill("SIGKILL");
    await closed;
    expect(installer.signalCode).toBe("SIGKILL");
    expect(readFileSync(join(scratch.binDir, "multusd")).equals(before)).toBe(true);
    expect(installed().equals(release.plugin)).toBe(true);
    expect(temporaryFiles()).toHaveLength(1);
    // The file that it left does not stop the next one.
    truncateSync(daemon, 100);
    const { exitCode, stdout } = await release.install("--daemon-bin-dir", scratch.binDir);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toContain(`${join(scratch.binDir, "multusd")}: installed\n`);
  });

  it("on a full disk changes nothing, and says so", async () => {
    await runOrThrow(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", scratch.binDir]);
    try {
      writeFileSync(join(scratch.binDir, "multus"), goBinary, { mode: 0o755 });
      const { bavail, bsize } = statfsSync(scratch.binDir);
      const { length } = readFileSync(shim);
      // Room for one name, and not for the other.
      writeFileSync(join(scratch.binDir, "ballast"), Buffer.alloc(bavail * bsize - Math.trunc(length * 1.5)));
      const { exitCode, stdout, stderr } = await new Release("one").install();
      expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr).toMatch(/^! .*\/multus-shim cannot be written: .*(?:ENOSPC|no space left)/);
      expect(stderr).toContain("the former file is still in place");
      expect(readdirSync(scratch.binDir).sort()).toEqual(["ballast", "multus"]);
      expect(installed().toString()).toBe(goBinary);
      rmSync(join(scratch.binDir, "ballast"));
      expect((await new Release("two").install()).exitCode).toBe(0);
    } finally {
      await runOrThrow(["umount", "--lazy", scratch.binDir]);
    }
  });

  it("without rights changes nothing, and says what to do", async () => {
    chmodSync(scratch.path, 0o755);
    const { exitCode, stderr } = await runCommand([
      ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      ...[process.execPath, bundle, "install", "--cni-bin-dir", scratch.binDir],
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /bin\/multus cannot be written: EACCES.*\n {2}run it as root; the former file is still in place/,
    );
    expect(readdirSync(scratch.binDir)).toEqual([]);
  });

  it("changes nothing where the build has no executable of the daemon", async () => {
    const { exitCode, stderr } = await new Release("one").install("--daemon-bin-dir", scratch.binDir);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^! multusd is not there .*\n {2}build it: npm run build:executable\n$/);
    expect(readdirSync(scratch.binDir)).toEqual([]);
  });

  it("called as install_multus takes that program's options", async () => {
    const program = join(scratch.path, "install_multus");
    symlinkSync(bundle, program);
    const { exitCode, stderr } = await runCommand([
      process.execPath,
      program,
      "-d",
      scratch.binDir,
      "-t",
      "thick",
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(readdirSync(scratch.binDir).sort()).toEqual(["multus", "multus-shim", "passthru"]);
  });
});

describe("uninstall", () => {
  const uninstall = (...args: string[]) => {
    const { socketDir, certDir, cniDir } = scratch.uninstallOptions;
    return runCommand([
      ...[
        process.execPath,
        bundle,
        "uninstall",
        "--cni-bin-dir",
        scratch.binDir,
        "--cni-conf-dir",
        scratch.confDir,
      ],
      ...["--socket-dir", socketDir, "--cert-dir", certDir, "--cni-dir", cniDir, ...args],
    ]);
  };

  it("puts Go multus's back, says which pods still have networks, and leaves their plans", async () => {
    writeFileSync(join(scratch.binDir, "multus"), goBinary, { mode: 0o755 });
    await new Release("one").install();
    const plan = scratch.write("cache/c0ffee", "[]");
    const record = scratch.write("cache/.spool/1700000000000000-00-c2", "x");
    const { exitCode, stdout, stderr } = await uninstall();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.toString()).toMatch(
      /bin\/multus: restored; it was kept as .*\n.*bin\/multus-shim: removed\n/,
    );
    expect(stdout.toString()).toContain(
      "stays: it has the networks of one pod and one recorded DEL. Pods keep",
    );
    expect(installed().toString()).toBe(goBinary);
    expect(readFileSync(plan, "utf8")).toBe("[]");
    expect(readFileSync(record, "utf8")).toBe("x");
    const again = await uninstall("--cni-dir", join(scratch.path, "absent"));
    expect(again.stdout.toString()).toBe(`${join(scratch.binDir, "multus")}: left; not ours\n`);
    expect(again.exitCode).toBe(0);
  });

  describe("where a directory is named that is not the usual one", () => {
    /** Another installation, in the usual places: in this mount namespace they are empty otherwise. */
    const beside = `
      for place in /run /var/lib /etc /opt; do mount -t tmpfs none $place; done
      mkdir -p /opt/cni/bin /etc/cni/net.d /run/multus /var/lib/cni/multus/.spool /etc/cni/multus/certs
      echo > /run/multus/multus.lock
      echo > /etc/cni/multus/certs/multus-client-current.pem
      "$@"
      find /run /var/lib /etc -mindepth 1 | sort`;
    const others = [
      ...["/etc/cni", "/etc/cni/multus", "/etc/cni/multus/certs"],
      ...["/etc/cni/multus/certs/multus-client-current.pem", "/run/multus", "/run/multus/multus.lock"],
      ...["/var/lib/cni", "/var/lib/cni/multus", "/var/lib/cni/multus/.spool"],
    ];

    const besideAnother = async (...args: readonly string[]) => {
      const uninstalling = [process.execPath, bundle, "uninstall", ...args];
      const { exitCode, stdout, stderr } = await runCommand([
        ...["unshare", "--mount", "sh", "-ec", beside, "sh"],
        ...uninstalling,
      ]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      const lines = stdout.toString().trimEnd().split("\n");
      return { lines, left: others.filter((path) => lines.includes(path)) };
    };

    it("takes nothing else, neither of this installation nor of the usual one", async () => {
      await runOrThrow([process.execPath, bundle, "install", "--cni-bin-dir", scratch.binDir]);
      const files = ["net.d/multus.d/on-demand.json", "run/multus.lock", "certs/multus-client-current.pem"];
      for (const file of files) scratch.write(file, "");
      mkdirSync(join(scratch.path, "cache/.spool"), { recursive: true });
      const paths = () => readdirSync(scratch.path, { recursive: true }).map(String).sort();
      for (const [option, name, gone] of [
        ["--cni-bin-dir", "bin", ["bin/multus", "bin/multus-shim", "bin/passthru"]],
        ["--cni-conf-dir", "net.d", ["net.d/multus.d/on-demand.json", "net.d/multus.d"]],
        ["--socket-dir", "run", ["run/multus.lock", "run"]],
        ["--cert-dir", "certs", ["certs/multus-client-current.pem", "certs"]],
        ["--cni-dir", "cache", ["cache/.spool", "cache"]],
      ] as const) {
        const expected = paths().filter((path) => !gone.some((one) => one === path));
        const { lines, left } = await besideAnother(option, join(scratch.path, name));
        const removed = gone.map((path) => `${join(scratch.path, path)}: removed`);
        expect(lines.filter((line) => line.endsWith(": removed"))).toEqual(removed);
        expect(paths()).toEqual(expected);
        expect(left).toEqual(others);
        const untouched = lines.find((line) => line.startsWith("Not touched, as not named: "));
        for (const [other, path] of [
          ["--socket-dir", "/run/multus"],
          ["--cert-dir", "/etc/cni/multus/certs"],
          ["--cni-dir", "/var/lib/cni/multus"],
        ] as const) {
          expect(untouched?.includes(`${path} (${other})`)).toBe(other !== option);
        }
      }
    });

    it("means all of them where the named ones are the usual ones", async () => {
      const { lines, left } = await besideAnother(
        "--cni-bin-dir",
        "/opt/cni/bin/",
        "--cni-conf-dir",
        "/etc/cni/net.d",
      );
      expect(left).toEqual(["/etc/cni", "/etc/cni/multus", "/var/lib/cni"]);
      expect(lines.join("\n")).not.toContain("Not touched");
    });
  });

  it("ends with exit code 1 where a configuration still calls the plugin", async () => {
    await new Release("one").install();
    const configuration = join(scratch.confDir, "00-own.conf");
    writeFileSync(configuration, '{"cniVersion":"1.0.0","name":"own","type":"multus","clusterNetwork":"x"}');
    const { exitCode, stderr } = await uninstall();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^! not all of it could go: \S+bin\/multus \(without it no pod can start: \S+00-own\.conf calls it\)\n/,
    );
    expect(readdirSync(scratch.binDir)).toEqual(["multus"]);
    rmSync(configuration);
    expect((await uninstall()).exitCode).toBe(0);
    expect(readdirSync(scratch.binDir)).toEqual([]);
  });

  it("leaves a daemon what it uses, and ends with exit code 1; when that is gone all of it goes", async () => {
    const { socketDir, cniDir } = scratch.uninstallOptions;
    await using daemon = new Daemon(scratch.path, { socketDir, cniDir });
    await daemon.start();
    const { exitCode, stderr } = await uninstall();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`could go: ${socketDir}/multus.sock (a daemon serves it)\n  stop the daemon`);
    expect(readdirSync(socketDir)).toContain("multus.sock");
    await daemon.stop("SIGKILL");
    expect(readdirSync(socketDir)).toContain("multus.sock");
    writeFileSync(join(socketDir, "multus.lock"), "");
    // As of a daemon that is killed while it warms up.
    mkdirSync(join(socketDir, "multus.sock.warm-a1B2c3", "cni"), { recursive: true });
    writeFileSync(join(socketDir, "multus.sock.warm-a1B2c3", "cni", "plan"), "");
    expect(await uninstall()).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(scratch.path).sort()).toEqual(["bin", "daemon-config.json", "net.d"]);
  });
});

describe("thin_entrypoint", () => {
  it("with the arguments of Go multus's manifest installs, follows a new token, and cleans up on SIGTERM", async () => {
    const authority = scratch.write("authority", "certificate");
    const account = new ServiceAccountFiles(
      join(scratch.path, "account"),
      authority,
      "kube-system",
      "token-1",
    );
    const program = join(scratch.path, "thin_entrypoint");
    symlinkSync(bundle, program);
    writeFileSync(
      join(scratch.confDir, "10-cluster.conf"),
      '{"cniVersion":"0.4.0","name":"cluster","type":"bridge"}',
    );
    // The pod's own view: the node's directories are mounted, the service account's files are where the kubelet puts them.
    const script =
      'mount -t tmpfs tmpfs /mnt && mkdir -p /mnt/opt/cni/bin /mnt/etc/cni/net.d && mount --bind "$1" /mnt/opt/cni/bin && ' +
      'mount --bind "$2" /mnt/etc/cni/net.d && shift 2 && exec "$@"';
    const [command = "", ...inPod] = inPodWith(account.directory);
    const args = [
      ...[
        "--multus-conf-file=auto",
        "--multus-autoconfig-dir=/mnt/etc/cni/net.d",
        "--cni-conf-dir=/mnt/etc/cni/net.d",
      ],
      ...[
        "--cni-bin-dir=/mnt/opt/cni/bin",
        "--force-cni-version=true",
        "--cni-version=1.0.0",
        "--cleanup-config-on-exit",
      ],
    ];
    const entrypoint = spawn(
      command,
      [
        ...inPod,
        "sh",
        "-c",
        script,
        "sh",
        scratch.binDir,
        scratch.confDir,
        process.execPath,
        program,
        ...args,
      ],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: {
          PATH: process.env.PATH,
          KUBERNETES_SERVICE_HOST: "fd00::1",
          KUBERNETES_SERVICE_PORT: "443",
          [sessionVariable]: session,
        },
      },
    );
    let log = "";
    entrypoint.stderr.on("data", (chunk) => {
      log += chunk;
    });
    const closed = once(entrypoint, "close");
    const whileItRuns = (what: string, condition: () => boolean) =>
      until(
        () => `${what}:\n${log}`,
        () => {
          if (entrypoint.exitCode !== null) throw new Error(`it ended before ${what}:\n${log}`);
          return condition();
        },
      );
    try {
      const configuration = join(scratch.confDir, "00-multus.conflist");
      await whileItRuns("the configuration", () => existsSync(configuration));
      const [plugin] = JSON.parse(readFileSync(configuration, "utf8")).plugins;
      expect(plugin).toMatchObject({
        type: "multus",
        delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "bridge" }],
      });
      const kubeconfig = join(scratch.confDir, "multus.d", "multus.kubeconfig");
      expect(readFileSync(kubeconfig, "utf8")).toContain("server: https://[fd00::1]");
      account.rotate("token-2");
      await whileItRuns("the new token", () => readFileSync(kubeconfig, "utf8").includes("token-2"));
      expect(
        readdirSync(scratch.binDir)
          .filter((name) => name !== "multusd")
          .sort(),
      ).toEqual(["multus", "multus-shim", "passthru"]);
    } finally {
      entrypoint.kill("SIGTERM");
      await closed;
    }
    expect({ exitCode: entrypoint.exitCode, log }).toMatchObject({ exitCode: 0 });
    expect(log).toMatch(/runtime configuration removed file=\S+ because="cleanupConfigOnExit is true"\n/);
    expect(readdirSync(scratch.confDir).sort()).toEqual(["10-cluster.conf", "multus.d"]);
  });
});
