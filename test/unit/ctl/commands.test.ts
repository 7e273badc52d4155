/** The commands as a person runs them: exit codes, what is on stdout and what on stderr. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { commands } from "../../../src/ctl/commands.ts";
import { isNode } from "../../../src/ctl/node/installation.ts";
import { runCommand } from "../../support/command.ts";
import { PodResourcesServer } from "../../support/pod-resources-server.ts";
import { nadsPath, PretendedApiServer, podsPath } from "../../support/pretended-api-server.ts";
import { recordedPods, writeAttachedPod } from "../../support/recorded-devices.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { definition, pod } from "./cluster-objects.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const manifestFile = join(root, "package.json");
const containerId = "c0ffee0123456789";

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("ctl");
});
afterEach(() => scratch[Symbol.dispose]());

async function multusctl(
  args: readonly string[],
  stdin = "",
  env?: Readonly<Record<string, string | undefined>>,
) {
  const { exitCode, stdout, stderr } = await runCommand(
    [process.execPath, join(root, "build", "multusctl.mjs"), ...args],
    { stdin, env },
  );
  return { exitCode, stdout: stdout.toString(), stderr };
}

describe("multusctl", () => {
  it("prints its version", async () => {
    expect(await multusctl(["--version"])).toEqual({
      exitCode: 0,
      stdout: `${manifest.version}\n`,
      stderr: "",
    });
  });

  it("answers --help and -h for every command, and does nothing of it", async () => {
    const help = await multusctl(["--help"]);
    const [, list = ""] = /\nCommands:\n((?: {2}.*\n)+)/.exec(help.stdout) ?? [];
    const names = Array.from(list.matchAll(/^ {2}([a-z-]+)/gm), ([, name = ""]) => name);
    expect(names).toEqual(commands().map((command) => command.name()));
    const env = { PATH: "/nonexistent", HOME: scratch.path };
    const outcomes = await Promise.all(
      names.flatMap((name) => [multusctl([name, "--help"], "", env), multusctl([name, "-h"], "", env)]),
    );
    for (const [index, { exitCode, stdout, stderr }] of outcomes.entries()) {
      const name = names[Math.floor(index / 2)] ?? "";
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout).toMatch(new RegExp(`^Usage: multusctl ${name} `));
      expect(stdout).toMatch(new RegExp(`^Examples?:\\n(.*\\n)*.*multusctl ${name}`, "m"));
      if (["try", "validate", "ls", "devices"].includes(name)) expect(stdout).toContain("--json");
    }
  });

  it.each([
    [["uninstall", "--forec"], "error: unknown option '--forec'"],
    [["doctor", "node-1"], "error: too many arguments for 'doctor'. Expected 0 arguments but got 1: node-1."],
    [["install", "--arch", "mips"], "error: option '--arch <architecture>' argument 'mips' is invalid."],
  ])("points to the command's help for %j", async (args, message) => {
    const { exitCode, stdout, stderr } = await multusctl(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr.startsWith(message)).toBe(true);
    expect(stderr).toMatch(new RegExp(`\\(multusctl ${args[0]} --help lists the options\\)\n$`));
  });

  it("points to the help for a command that there is not", async () => {
    const { exitCode, stdout, stderr } = await multusctl(["tyr"]);
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("unknown command 'tyr'");
    expect(stderr).toContain("--help");
  });
});

describe("kubectl's plugin", () => {
  /** multusctl under the name that kubectl looks for. */
  const kubectlMultus = async (...args: string[]) => {
    const program = join(scratch.path, "kubectl-multus");
    symlinkSync(join(root, "build", "multusctl.mjs"), program);
    const { exitCode, stdout, stderr } = await runCommand([process.execPath, program, ...args], { env: {} });
    return { exitCode, stdout: stdout.toString(), stderr };
  };

  it("calls itself kubectl multus in its help, and on a node and in a pod multusctl", async () => {
    const { exitCode, stdout } = await kubectlMultus("--help");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Usage: kubectl multus \[options\]/);
    expect(stdout).toContain("kubectl multus validate --all-namespaces");
    expect(stdout).toContain("sudo multusctl try");
    expect(stdout).not.toMatch(/^ {2}multusctl/m);
  });

  it("calls itself so in a command's help, and where a command is used wrongly", async () => {
    const { stdout } = await kubectlMultus("preflight", "--help");
    expect(stdout).toMatch(/^Usage: kubectl multus preflight \[options\]/);
    expect(stdout).toContain("  kubectl multus preflight --context production");
  });

  it("points to its own help", async () => {
    const { exitCode, stderr } = await kubectlMultus("preflight", "--jsno");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("(kubectl multus preflight --help lists the options)");
  });
});

describe("a bug in multusctl", () => {
  /** multusctl alone, without the kernels that it looks for beside itself. */
  const broken = async (env: Readonly<Record<string, string>>) => {
    const program = join(scratch.path, "multusctl.mjs");
    copyFileSync(join(root, "build", "multusctl.mjs"), program);
    const { exitCode, stdout, stderr } = await runCommand(
      [process.execPath, program, "validate", manifestFile],
      { env },
    );
    return { exitCode, stdout: stdout.toString(), stderr };
  };

  it("is said in two lines, with how to report it", async () => {
    const { exitCode, stdout, stderr } = await broken({});
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(
      /^! a bug in multusctl \d\S*: .*multus\.wasm.*\n {2}please report it, .*MULTUSCTL_DEBUG=1\n$/,
    );
  });

  it("says where it comes from when asked", async () => {
    const { stderr } = await broken({ MULTUSCTL_DEBUG: "1" });
    expect(stderr).toMatch(/^! a bug .*\n(.*\n)*? +at .*multusctl\.mjs:\d+/);
    expect(stderr.length).toBeLessThan(4000);
  });
});

describe("multusctl validate", () => {
  const write = (name: string, text: string) => {
    const file = join(scratch.path, name);
    writeFileSync(file, text);
    return file;
  };

  it("exits with 0 where there are warnings only", async () => {
    const file = write("a.conf", '{"cniVersion":"1.0.0","name":"a","type":"no-such-plugin"}');
    const { exitCode, stdout } = await multusctl(["validate", file]);
    expect(stdout).toContain(`${file}:1:41: warning: plugin no-such-plugin is not installed`);
    expect(stdout).toContain(`${file}: ok, 1 warning (network configuration)`);
    expect(exitCode).toBe(0);
  });

  it("exits with 1 where one of several files has an error, and reports on all", async () => {
    const good = write("good.conf", '{"cniVersion":"1.0.0","name":"a","type":"loopback"}');
    const bad = write("bad.conf", '{"cniVersion":"1.0.0",\n"name":"a" "type":"loopback"}');
    const { exitCode, stdout } = await multusctl(["validate", bad, good, "--bin-dir", scratch.path]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`${bad}:2:12: error: not valid JSON`);
    expect(stdout).toContain(`${good}: ok`);
  });

  it("reads stdin", async () => {
    const { exitCode, stdout } = await multusctl(["validate", "-"], "{");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^stdin:1:2: error:/);
  });

  it("prints one JSON object", async () => {
    const file = write("a.conf", '{"cniVersion":"1.0.0","type":"loopback"}');
    const { exitCode, stdout } = await multusctl(["validate", "--json", file]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      files: [
        {
          file,
          documents: ["conf"],
          findings: [{ file, code: "refused", line: 1, column: 1, severity: "error" }],
        },
      ],
    });
  });

  it("says which file it cannot read", async () => {
    const { exitCode, stderr } = await multusctl(["validate", join(scratch.path, "absent")]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("absent cannot be read");
  });

  it("says what to do about a directory", async () => {
    const directory = await multusctl(["validate", scratch.path]);
    expect(directory).toMatchObject({ exitCode: 1, stdout: "" });
    expect(directory.stderr).toMatch(/ cannot be read: EISDIR.*\n {2}name the files in it\n$/);
  });
});

describe("multusctl validate of a cluster", () => {
  let server: PretendedApiServer;
  let kubeconfig: string;
  beforeEach(async () => {
    server = await new PretendedApiServer().start();
    kubeconfig = scratch.write("kubeconfig", server.kubeconfig);
    server.fill(nadsPath, [definition("a", "torn", "{"), definition("b", "blank", "")]);
    server.fill(podsPath, [pod("a", "web", "torn")]);
  });
  afterEach(() => server[Symbol.asyncDispose]());

  const bare = () => ({ HOME: scratch.path });

  it("prints what is wrong, and exits with 1", async () => {
    const { exitCode, stdout, stderr } = await multusctl(["validate", "-A", "--kubeconfig", kubeconfig]);
    expect(stderr).toBe("");
    expect(stdout).toContain("nad a/torn:1:2: error: spec.config: not valid JSON");
    expect(stdout).toContain("\n  used by 1 pod: a/web\n");
    expect(stdout).toContain("nad b/blank: note: spec.config is empty");
    expect(stdout.includes("installed plugins were not checked")).toBe(!isNode());
    expect(stdout).toContain(
      `\n${server.url}: 1 error (2 NetworkAttachmentDefinitions, 1 pod that selects networks)\n`,
    );
    expect(exitCode).toBe(1);
  });

  it("exits with 0 where there are notes only", async () => {
    const { exitCode, stdout } = await multusctl(["validate", "-n", "b", "--kubeconfig", kubeconfig]);
    expect(stdout).toContain(
      `${server.url}, namespace b: ok (1 NetworkAttachmentDefinition, 0 pods that select networks)\n`,
    );
    expect(exitCode).toBe(0);
  });

  it("prints one JSON object, files beside the cluster", async () => {
    const file = join(scratch.path, "a.conf");
    writeFileSync(file, '{"cniVersion":"1.0.0","name":"a","type":"loopback"}');
    const args = ["validate", "--json", "-A", "--kubeconfig", kubeconfig, file, "--bin-dir", scratch.path];
    const { exitCode, stdout } = await multusctl(args);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      files: [{ file, documents: ["conf"] }],
      cluster: {
        server: server.url,
        definitions: 2,
        pods: 1,
        findings: [
          {
            code: "refused",
            severity: "error",
            kind: "NetworkAttachmentDefinition",
            namespace: "a",
            name: "torn",
            line: 1,
            column: 2,
            pods: ["a/web"],
          },
          { code: "config-from-file", severity: "note", name: "blank", pods: [] },
        ],
      },
    });
  });

  it("looks for plugins where it is told to", async () => {
    server.fill(nadsPath, [definition("a", "one", '{"cniVersion":"1.0.0","type":"no-such-plugin"}')]);
    const args = ["validate", "-A", "--kubeconfig", kubeconfig, "--bin-dir", scratch.path];
    const { stdout } = await multusctl(args);
    expect(stdout).toContain(
      `nad a/one:1:30: warning: spec.config: plugin no-such-plugin is not installed in ${scratch.path}`,
    );
    expect(stdout).not.toContain("installed plugins were not checked");
  });

  it("takes the first file of KUBECONFIG, and says so", async () => {
    const env = { ...bare(), KUBECONFIG: `${kubeconfig}:${scratch.path}/other` };
    const { stdout, stderr } = await multusctl(["validate", "-A"], "", env);
    expect(stderr).toBe(`! KUBECONFIG names 2 files, of which only the first is read: ${kubeconfig}\n`);
    expect(stdout).toContain(`${server.url}: 1 error`);
  });

  it("takes the context that is named", async () => {
    const { contexts, ...rest } = JSON.parse(server.kubeconfig);
    const other = { name: "other", context: { cluster: "other", user: "here" } };
    const file = scratch.write("contexts", JSON.stringify({ ...rest, contexts: [other, ...contexts] }));
    const validate = (context: string) =>
      multusctl(["validate", "-A", "--kubeconfig", file, "--context", context]);
    expect((await validate("here")).stdout).toContain(`${server.url}: 1 error`);
    expect((await validate("other")).stderr).toMatch(/^! .*clusters\["other"\]\.cluster is missing/);
    expect((await validate("nowhere")).stderr).toMatch(/^! .*contexts\["nowhere"\]\.context is missing/);
  });

  it("takes ~/.kube/config", async () => {
    scratch.write(".kube/config", server.kubeconfig);
    expect((await multusctl(["validate", "-A"], "", bare())).stdout).toContain(`${server.url}: 1 error`);
  });

  it.each([
    ["there is no kubeconfig", () => [], /no kubeconfig: .*\.kube\/config.*--kubeconfig/s],
    ["it does not exist", () => ["--kubeconfig", "/no/such/file"], /\/no\/such\/file does not exist/],
    [
      "it names no server",
      () => ["--kubeconfig", scratch.write("empty", '{"current-context": "x"}')],
      /empty.*context/,
    ],
  ])("says that %s", async (_, args, message) => {
    const { exitCode, stdout, stderr } = await multusctl(["validate", "-A", ...args()], "", bare());
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^! /);
    expect(stderr).toMatch(message);
  });

  it.each([
    [[], "nothing to check"],
    [["--kubeconfig", "x", "file"], "--kubeconfig goes with"],
    [["--context", "x", "file"], "--context goes with"],
    [["-A", "--context", ""], "--context is empty"],
    [["-A", "-n", "a"], "cannot be used with"],
    [["-n", ""], "--namespace is empty"],
  ])("refuses the arguments %j", async (args, message) => {
    const { exitCode, stdout, stderr } = await multusctl(["validate", ...args]);
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
  });
});

describe("multusctl ls", () => {
  const writeCache = (name: string) => {
    const { steps } = JSON.parse(readFileSync(join(root, "test", "golden", `${name}.json`), "utf8")) as {
      steps: { files: Record<string, unknown> }[];
    };
    for (const [file, content] of Object.entries(steps[0]?.files ?? {})) {
      mkdirSync(dirname(join(scratch.path, file)), { recursive: true });
      writeFileSync(join(scratch.path, file), JSON.stringify(content));
    }
  };

  it("lists what Go multus left", async () => {
    writeCache("three-nads");
    const { exitCode, stdout, stderr } = await multusctl(["ls", "--cni-dir", scratch.path]);
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^CONTAINER +POD +INTERFACE +NETWORK +ADDRESSES +PLUGINS +STATE$/m);
    expect(stdout).toMatch(
      /^c0ffee0123456 +default\/web +net1 +default\/mv1 +10\.157\.123\.157\/16 +macvlan +attached$/m,
    );
    expect(stdout.trim().split("\n")).toHaveLength(5);
  });

  it("reports a torn plan and lists the rest", async () => {
    writeCache("three-nads");
    truncateSync(join(scratch.path, containerId), 100);
    const { exitCode, stdout, stderr } = await multusctl(["ls", "--cni-dir", scratch.path]);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(new RegExp(`^! .*${containerId}: .*torn`));
    expect(stdout).toMatch(/ unplanned$/m);
  });

  it("prints one JSON object", async () => {
    writeCache("chain");
    const { stdout } = await multusctl(["ls", "--json", "--cni-dir", scratch.path]);
    expect(JSON.parse(stdout)).toMatchObject({
      cniDir: scratch.path,
      attachments: [
        { ifName: "eth0", plugins: ["bridge"] },
        {
          ifName: "net1",
          network: "default/chain",
          plugins: ["macvlan", "tuning"],
          mac: "02:aa:bb:cc:dd:ee",
        },
      ],
      problems: [],
    });
  });

  it("says that the directory is not there", async () => {
    const { exitCode, stderr } = await multusctl(["ls", "--cni-dir", join(scratch.path, "absent")]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("absent does not exist");
  });
});

describe("multusctl devices", () => {
  const vf = "vendor.example/vf";

  async function node() {
    const socket = join(scratch.path, "kubelet.sock");
    const kubelet = await new PodResourcesServer(socket).listen();
    kubelet.pods = recordedPods("list.json");
    const cniDir = new ScratchDirectory("cni", scratch.path);
    const paths = ["--pod-resources-socket", socket, "--cni-dir", cniDir.path, "--no-cluster"];
    const devices = (...args: string[]) =>
      multusctl(["devices", ...paths, "--device-info-dir", scratch.path, ...args]);
    return { cniDir, devices, [Symbol.asyncDispose]: () => kubelet[Symbol.asyncDispose]() };
  }

  const attach = (cniDir: ScratchDirectory, containerId: string, pod: string) =>
    writeAttachedPod(cniDir, {
      containerId,
      pod,
      networks: [{ name: "default/fast", ifName: "net1", resource: vf, device: "0000:65:00.2" }],
    });

  it("lists the kubelet's devices and who has them", async () => {
    await using at = await node();
    attach(at.cniDir, containerId, "default/with-init");
    const { exitCode, stdout, stderr } = await at.devices("--resource", vf);
    expect(stderr).toBe("");
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      "RESOURCE           DEVICE        POD                CONTAINERS  NETWORK       INTERFACE  SANDBOX        STATE",
      "vendor.example/vf  0000:65:00.2  default/with-init  app         default/fast  net1       c0ffee0123456  used",
    ]);
    expect(exitCode).toBe(0);
  });

  it("exits with 1 where two attachments have one device, and prints one JSON object", async () => {
    await using at = await node();
    attach(at.cniDir, containerId, "default/with-init");
    attach(at.cniDir, "deadbeef", "default/with-init");
    const { exitCode, stdout } = await at.devices("--json");
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      source: { kind: "pod-resources" },
      findings: [{ code: "devices/shared", severity: "error", subject: `${vf} 0000:65:00.2` }],
    });
    expect(exitCode).toBe(1);
  });

  it("says what it lacks where there is no kubelet", async () => {
    const absent = join(scratch.path, "absent");
    const args = [
      "devices",
      "--pod-resources-socket",
      absent,
      "--device-plugins-dir",
      absent,
      "--cni-dir",
      scratch.path,
    ];
    const { exitCode, stdout, stderr } = await multusctl(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(`! the kubelet does not tell its devices: there is no socket ${absent}`);
  });
});
