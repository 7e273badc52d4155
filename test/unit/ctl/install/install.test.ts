/** Programs on their way onto a node and off it again, in real directories. */

import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UserError } from "../../../../src/ctl/command/user-error.ts";
import { installDaemon, installPlugin } from "../../../../src/ctl/install/install.ts";
import { type UninstalledFile, uninstall } from "../../../../src/ctl/install/uninstall.ts";
import { storeCertificate } from "../../../../src/kube/certificates/certificate-file.ts";
import { certificateAndKey } from "../../../support/certificate-signer.ts";
import { former, goBinary, Installation } from "../../../support/installation.ts";
import { shim } from "../../../support/test-node.ts";

let scratch: Installation;
let binDir: string;
let confDir: string;
beforeEach(() => {
  scratch = new Installation();
  ({ binDir, confDir } = scratch);
});
afterEach(() => scratch[Symbol.dispose]());

const inBin = (name: string) => join(binDir, name);

const take = () => uninstall(scratch.uninstallOptions);
const brief = (files: readonly UninstalledFile[]) =>
  Object.fromEntries(files.map(({ path, outcome }) => [path.slice(scratch.path.length + 1), outcome]));

/** That the plugin binary gets, sorted. */
const names = ["multus", "multus-shim", "passthru"];

/** An executable of the daemon, as far as an installation knows it. */
function daemonExecutable(): string {
  const header = Buffer.from("\x7fELF\x02\x01\x01", "latin1");
  return scratch.write("multusd", Buffer.concat([header, Buffer.from("multusd: the Multus daemon\n")]));
}

describe("install", () => {
  it("puts the plugin there under all its names, for everybody to run, each a file of its own", () => {
    const files = installPlugin(shim, binDir);
    expect(files).toEqual(names.map((name) => ({ path: inBin(name), outcome: "installed", former: "" })));
    expect(readdirSync(binDir).sort()).toEqual(names);
    for (const name of names) {
      expect(readFileSync(inBin(name)).equals(readFileSync(shim))).toBe(true);
      expect(statSync(inBin(name)).mode & 0o7777).toBe(0o755);
    }
    // The plugin refuses its own file, whatever its name: passthru has to be another one.
    expect(new Set(names.map((name) => statSync(inBin(name)).ino)).size).toBe(names.length);
  });

  it("leaves a file alone that is as it has to be", () => {
    installPlugin(shim, binDir);
    const before = statSync(inBin("multus"));
    expect(installPlugin(shim, binDir).map(({ outcome }) => outcome)).toEqual(names.map(() => "up to date"));
    expect(statSync(inBin("multus"))).toMatchObject({ ino: before.ino, ctimeMs: before.ctimeMs });
  });

  it("puts right what is of another mode, or a link to the same", () => {
    installPlugin(shim, binDir);
    chmodSync(inBin("multus"), 0o700);
    copyFileSync(shim, inBin("elsewhere"));
    symlinkSync("elsewhere", inBin("link"));
    expect(installPlugin(shim, binDir).map(({ outcome }) => outcome)).toEqual([
      "installed",
      "up to date",
      "up to date",
    ]);
    expect(statSync(inBin("multus")).mode & 0o777).toBe(0o755);
  });

  it("keeps what was there and is not ours, and of that the newest", () => {
    writeFileSync(inBin("multus"), goBinary, { mode: 0o755 });
    expect(installPlugin(shim, binDir)[0]?.former).toBe(inBin(former));
    expect(readFileSync(inBin(former), "utf8")).toBe(goBinary);
    // Another release of ours keeps it as it is.
    copyFileSync(shim, inBin("multus"));
    writeFileSync(inBin("multus"), "release", { flag: "a" });
    expect(installPlugin(shim, binDir)[0]).toEqual({
      path: inBin("multus"),
      outcome: "installed",
      former: "",
    });
    expect(readFileSync(inBin(former), "utf8")).toBe(goBinary);
    // Go multus's installer renames, too.
    copyFileSync(scratch.write("newer", `${goBinary}# newer\n`), inBin("newer"));
    linkSync(inBin("newer"), inBin("multus.temp"));
    copyFileSync(inBin("newer"), inBin("multus"));
    installPlugin(shim, binDir);
    expect(readFileSync(inBin(former), "utf8")).toBe(`${goBinary}# newer\n`);
    expect(readFileSync(inBin("multus")).equals(readFileSync(shim))).toBe(true);
  });

  it("leaves nothing of its own where what is kept is kept already", () => {
    writeFileSync(inBin("multus"), goBinary, { mode: 0o755 });
    // As an installer leaves it that was killed between keeping and replacing.
    linkSync(inBin("multus"), inBin(former));
    installPlugin(shim, binDir);
    expect(readdirSync(binDir).sort()).toEqual([former, ...names]);
  });

  it("keeps a link as a link", () => {
    scratch.write("bin/elsewhere", goBinary);
    symlinkSync("elsewhere", inBin("multus"));
    installPlugin(shim, binDir);
    expect(take().filter(({ path }) => path === inBin("multus"))[0]?.outcome).toBe("restored");
    expect(readFileSync(inBin("multus"), "utf8")).toBe(goBinary);
  });

  it("changes nothing where the binary does not run", () => {
    writeFileSync(inBin("multus"), goBinary, { mode: 0o755 });
    // Ours by its mark, for this machine by its header, and of no use.
    const torn = scratch.write("torn", readFileSync(shim).fill(0, 64, 4096));
    expect(() => installPlugin(torn, binDir)).toThrow(UserError);
    expect(() => installPlugin(torn, binDir)).toThrow(/does not run/);
    expect(readdirSync(binDir)).toEqual(["multus"]);
    expect(readFileSync(inBin("multus"), "utf8")).toBe(goBinary);
  });

  it("removes what a killed one left long ago, and not what another one works on", () => {
    writeFileSync(inBin(".multus.0123456789ab.new"), "half");
    writeFileSync(inBin(".multus.tmp.new"), "a user's");
    const later = Date.now() + 11 * 60_000;
    installPlugin(shim, binDir);
    expect(readdirSync(binDir)).toContain(".multus.0123456789ab.new");
    const now = Date.now;
    try {
      Date.now = () => later;
      installPlugin(shim, binDir);
    } finally {
      Date.now = now;
    }
    expect(readdirSync(binDir).sort()).toEqual([".multus.tmp.new", ...names]);
  });

  it.each([
    ["a directory that is not there", () => join(scratch.path, "absent"), /absent is not there/],
    ["a file", () => scratch.write("file", ""), /file is no directory/],
  ])("refuses %s, and makes none", (_, directory, message) => {
    const before = readdirSync(scratch.path);
    const path = directory();
    expect(() => installPlugin(shim, path)).toThrow(message);
    expect(readdirSync(scratch.path).filter((name) => !before.includes(name) && name !== "file")).toEqual([]);
  });

  it("does not take a directory's place", () => {
    mkdirSync(inBin("multus"));
    expect(() => installPlugin(shim, binDir)).toThrow(UserError);
    expect(readdirSync(binDir)).toEqual(["multus"]);
  });
});

describe("uninstall", () => {
  it("removes what install put there", () => {
    installPlugin(shim, binDir);
    installDaemon(daemonExecutable(), binDir);
    expect(brief(take())).toEqual({
      "bin/multus": "removed",
      "bin/multus-shim": "removed",
      "bin/passthru": "removed",
      "bin/multusd": "removed",
    });
    expect(readdirSync(binDir)).toEqual([]);
    expect(take()).toEqual([]);
  });

  it("puts back what was there before", () => {
    writeFileSync(inBin("multus-shim"), goBinary, { mode: 0o755 });
    utimesSync(inBin("multus-shim"), 1000, 1000);
    installPlugin(shim, binDir);
    expect(brief(take())).toEqual({
      "bin/multus": "removed",
      "bin/multus-shim": "restored",
      "bin/passthru": "removed",
    });
    expect(readFileSync(inBin("multus-shim"), "utf8")).toBe(goBinary);
    expect(statSync(inBin("multus-shim")).mtimeMs).toBe(1_000_000);
    expect(readdirSync(binDir)).toEqual(["multus-shim"]);
  });

  it("puts back Go multus's passthru, and keeps ours for as long as a configuration of the runtime's calls it", () => {
    writeFileSync(inBin("passthru"), goBinary, { mode: 0o755 });
    installPlugin(shim, binDir);
    expect(brief(take())).toMatchObject({ "bin/passthru": "restored" });
    expect(readFileSync(inBin("passthru"), "utf8")).toBe(goBinary);
    rmSync(inBin("passthru"));
    installPlugin(shim, binDir);
    scratch.write("net.d/10-chain.conflist", '{"plugins":[{"type":"bridge"},{"type":"passthru"}]}');
    scratch.write("net.d/multus.d/multus.kubeconfig", "# Written by multusctl (multus-wasm) from\n");
    expect(brief(take())).toMatchObject({
      "bin/multus": "removed",
      "bin/passthru": "left",
      "net.d/multus.d/multus.kubeconfig": "removed",
    });
  });

  it("leaves Go multus's files alone, and forgets what is older than they", () => {
    writeFileSync(inBin("multus"), goBinary);
    installPlugin(shim, binDir);
    writeFileSync(join(binDir, "newer"), "newer");
    copyFileSync(inBin("newer"), inBin("multus"));
    writeFileSync(inBin("multusd"), "somebody's");
    const kubeconfig = scratch.write(
      "net.d/multus.d/multus.kubeconfig",
      "# Kubeconfig file\napiVersion: v1\n",
    );
    const generated = scratch.write("net.d/00-multus.conf", '{"name":"multus-cni-network","type":"multus"}');
    expect(brief(take())).toEqual({
      "net.d/00-multus.conf": "left",
      "bin/multus": "left",
      "bin/multus-shim": "removed",
      "bin/passthru": "removed",
      "bin/multusd": "left",
      "net.d/multus.d/multus.kubeconfig": "left",
    });
    expect(readdirSync(binDir).sort()).toEqual(["multus", "multusd", "newer"]);
    expect(readFileSync(inBin("multus"), "utf8")).toBe("newer");
    expect(readFileSync(kubeconfig, "utf8")).toContain("apiVersion");
    expect(readFileSync(generated, "utf8")).toContain("multus");
  });

  it("removes what was generated, and Multus's directory with it", () => {
    installPlugin(shim, binDir);
    scratch.write(
      "net.d/00-multus.conflist",
      '{"plugins":[{"type":"multus", "generatedBy": "multus-wasm"}]}',
    );
    scratch.write("net.d/10-cluster.conflist", '{"plugins":[{"type":"bridge"}]}');
    scratch.write("net.d/multus.d/multus.kubeconfig", "# Written by multusctl (multus-wasm) from\n");
    scratch.write("net.d/multus.d/on-demand.json", "{}");
    const files = take();
    expect(files.filter(({ outcome }) => outcome !== "removed")).toEqual([]);
    expect(readdirSync(confDir)).toEqual(["10-cluster.conflist"]);
    expect(readdirSync(binDir)).toEqual([]);
  });

  it("keeps the plugin for as long as a configuration calls it: no pod could start without", () => {
    installPlugin(shim, binDir);
    scratch.write("net.d/multus.d/multus.kubeconfig", "# Written by multusctl (multus-wasm) from\n");
    const own = scratch.write("net.d/05-mine.conflist", '{"plugins":[{"type" : "multus-shim"}');
    const files = take();
    expect(brief(files)).toEqual({
      "bin/multus": "removed",
      "bin/multus-shim": "left",
      "bin/passthru": "removed",
      "net.d/multus.d/multus.kubeconfig": "left",
    });
    expect(files.filter(({ isPending }) => isPending).map(({ because }) => because)).toEqual([
      expect.stringContaining(own),
      expect.stringContaining(own),
    ]);
    expect(readdirSync(binDir)).toEqual(["multus-shim"]);
  });

  describe("of what a daemon has left", () => {
    const pair = certificateAndKey("system:multus:node-1", 0, 1_000);
    const tree = () => readdirSync(scratch.path, { recursive: true }).sort();
    beforeEach(() => {
      for (const name of ["multus.sock", "multus.sock.0a1b2c3d", "multus.lock", "multusd.stderr"]) {
        scratch.write(`run/${name}`, "");
      }
      scratch.write("run/kubeconfig", "# Written by multusctl (multus-wasm) from\n");
      storeCertificate(join(scratch.path, "certs"), pair.certificate, pair.key, 0);
      scratch.write("certs/multus-client-writing.tmp", "torn");
      for (const directory of ["cache/results", "cache/.spool"]) {
        mkdirSync(join(scratch.path, directory), { recursive: true });
      }
    });

    it("leaves nothing", () => {
      const files = take();
      expect(files.filter(({ outcome }) => outcome !== "removed")).toEqual([]);
      expect(Object.keys(brief(files))).toEqual(
        expect.arrayContaining([
          "run/multus.lock",
          "run",
          "certs/multus-client-current.pem",
          "certs",
          "cache",
        ]),
      );
      expect(tree()).toEqual(["bin", "net.d"]);
      expect(take()).toEqual([]);
    });

    it("leaves what is not ours, and what pods need", () => {
      scratch.write("run/containerd.sock", "");
      scratch.write("certs/mine.pem", "");
      scratch.write("cache/results/n-c1-eth0", "{}");
      scratch.write("cache/.spool/1700000000000000-00-c2", "x");
      take();
      expect(tree()).toEqual([
        ...["bin", "cache", "cache/.spool", "cache/.spool/1700000000000000-00-c2"],
        ...["cache/results", "cache/results/n-c1-eth0", "certs", "certs/mine.pem"],
        ...["net.d", "run", "run/containerd.sock"],
      ]);
    });

    it("leaves all of it to a daemon that runs", () => {
      const before = tree();
      const files = uninstall({ ...scratch.uninstallOptions, isServed: true });
      expect(files).toEqual([
        {
          path: join(scratch.path, "run/multus.sock"),
          outcome: "left",
          because: "a daemon serves it",
          isPending: true,
        },
      ]);
      expect(tree()).toEqual(before);
    });

    it("leaves it to a configuration that calls Multus, Go multus's too", () => {
      scratch.write("net.d/00-multus.conf", '{"name":"multus-cni-network","type":"multus-shim"}');
      writeFileSync(inBin("multus-shim"), goBinary);
      const before = tree();
      for (const isServed of [false, true]) {
        const files = uninstall({ ...scratch.uninstallOptions, isServed });
        expect(files.filter(({ isPending, outcome }) => isPending || outcome !== "left")).toEqual([]);
        expect(tree()).toEqual(before);
      }
      expect(brief(take())).toMatchObject({ run: "left", certs: "left" });
    });
  });
});
