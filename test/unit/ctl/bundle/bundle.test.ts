/** `multusctl bundle` against a cluster that has secrets everywhere: none is in the archive, and what a fault needs is. */

import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCommand, runOrThrow } from "../../../support/command.ts";
import { type Exec, ExecServer } from "../../../support/exec-server.ts";
import { multusctl } from "../../../support/multusctl.ts";
import { daemonPod, daemonSet, machine } from "../../../support/pretended-nodes.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

/** Every secret that was planted; each has the mark. */
const planted: string[] = [];
function secret(): string {
  const text = `pLaNtEd${planted.length}x`;
  planted.push(text);
  return text;
}

const jwt = () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = `${part({ alg: "RS256" })}.${part({ sub: secret() })}.${secret()}`;
  planted.push(token.slice(20, 50));
  return token;
};
const pem = (lineEnd: string) =>
  ["-----BEGIN EC PRIVATE KEY-----", secret(), secret(), "-----END EC PRIVATE KEY-----"].join(lineEnd);
const inBase64 = () => {
  const text = Buffer.from(pem("\n")).toString("base64");
  planted.push(text.slice(60, 90));
  return text;
};

/** Lines that a daemon or a plugin could print. */
const logLines = () => [
  `plugin says: Authorization: Bearer ${secret()}`,
  `token ${jwt()} was refused`,
  `client-key-data: ${inBase64()}`,
  `    token: ${secret()}`,
  `{"level":"error","password":"${secret()}","message":"{\\"apiKey\\":\\"${secret()}\\"}"}`,
  `--client-secret=${secret()} DB_PASSWORD=${secret()}`,
  `GET https://admin:${secret()}@example.com/x: 401`,
  pem("\n"),
  `{"message":"${pem("\\n")}"}`,
  "ADD default/web: error 999: Link not found",
];

const node = "worker-1";
const server = () => `/api/v1/namespaces/kube-system/pods/kube-multus-ds-${node}/log`;
const list = (...items: object[]) => ({ items });

const exec: Exec = ({ command: [, command = ""] }) => {
  const failures = [
    { at: "2026-01-01T00:00:00Z", command: "ADD", pod: "default/web", code: 7, message: logLines()[0] },
  ];
  const answers: Readonly<Record<string, object>> = {
    status: {
      daemon: {
        version: "0.1.0",
        failures,
        clusters: [{ server: `https://u:${secret()}@10.0.0.1` }],
        token: secret(),
      },
      problem: "",
    },
    doctor: {
      ok: true,
      findings: [{ check: "cluster/api", verdict: "warn", finding: `password=${secret()}`, remedy: "" }],
    },
    ls: {
      attachments: [
        {
          containerId: "c0ffee",
          pod: "default/web",
          ifName: "net1",
          network: "default/storage",
          plugins: ["macvlan"],
          state: "attached",
          config: secret(),
        },
      ],
      problems: [],
    },
  };
  return { stdout: [JSON.stringify(answers[command] ?? {})] };
};

let scratch: ScratchDirectory;
let api: ExecServer;
beforeEach(async () => {
  planted.length = 0;
  scratch = new ScratchDirectory("bundle");
  api = await ExecServer.start(exec);
  const secrets = () => ({ environment: secret(), annotation: secret() });
  const config = {
    logLevel: "debug",
    perNodeCertificate: { enabled: true, bootstrapKubeconfig: secret() },
    tracing: { endpoint: `http://x:${secret()}@c`, headers: { "x-key": secret() } },
    somethingElse: secret(),
    delegates: [{ type: "x", key: secret() }],
  };
  const network = {
    cniVersion: "1.0.0",
    type: "macvlan",
    ipam: { type: "whereabouts", etcd_password: secret() },
  };
  const event = (reportingController: string, note: string) => ({
    metadata: { annotations: { a: secret() } },
    reportingController,
    reason: "InvalidNetwork",
    note,
    regarding: { kind: "Pod", namespace: "default", name: "web" },
  });
  for (const [path, answer] of Object.entries({
    "/version": { gitVersion: "v1.36.0" },
    "/api/v1/nodes": list(machine(node, secret())),
    "/api/v1/namespaces/kube-system/pods": list(daemonPod(node, {}, secrets())),
    "/apis/apps/v1/namespaces/kube-system/daemonsets": list(daemonSet(secrets())),
    "/api/v1/namespaces/kube-system/configmaps/multus-daemon-config": {
      metadata: { annotations: { last: secret() } },
      data: { "daemon-config.json": JSON.stringify(config), other: secret() },
    },
    "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions": list({
      metadata: { namespace: "default", name: "storage", annotations: { a: secret() } },
      spec: { config: JSON.stringify(network) },
    }),
    "/apis/events.k8s.io/v1/events": list(
      event("multus", `macvlan: Link not found, token=${secret()}`),
      event("other", secret()),
    ),
    [server()]: `${logLines().join("\n")}\n`,
  })) {
    api.answers.set(path, answer);
  }
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

async function bundle(...args: readonly string[]) {
  const kubeconfig = scratch.write("kubeconfig", api.kubeconfig(secret()));
  const argv = [process.execPath, multusctl, "bundle", "--kubeconfig", kubeconfig, ...args];
  const { exitCode, stdout, stderr } = await runCommand(argv);
  return { exitCode, stdout: stdout.toString(), stderr };
}

const files = [
  "CONTENTS.txt",
  "versions.json",
  "cluster/daemonsets.json",
  "cluster/kube-multus-ds/daemon-config.json",
  "cluster/networks.json",
  "cluster/events.json",
  `nodes/${node}/status.json`,
  `nodes/${node}/doctor.json`,
  `nodes/${node}/attachments.json`,
  `nodes/${node}/kube-multus.log`,
  `nodes/${node}/kube-multus.previous.log`,
];

/** Opens an archive with tar itself. */
async function opened(archive: string): Promise<(name: string) => string> {
  const directory = join(scratch.path, "opened");
  await runOrThrow(["mkdir", directory]);
  await runOrThrow(["tar", "--extract", "--gzip", "--file", archive, "--directory", directory]);
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const found = names.filter((name) => statSync(join(directory, name)).isFile());
  expect(found.sort()).toEqual(files.toSorted());
  return (name) => readFileSync(join(directory, name), "utf8");
}

it("has no secret in it, whatever was planted where, and what a fault needs", async () => {
  const archive = join(scratch.path, "a.tar.gz");
  const { exitCode, stdout, stderr } = await bundle("--output", archive);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(statSync(archive).mode & 0o777).toBe(0o600);
  const read = await opened(archive);
  expect(planted.length).toBeGreaterThan(40);
  for (const file of files) {
    const text = read(file);
    expect(
      planted.filter((each) => text.includes(each)),
      file,
    ).toEqual([]);
    // Nor parts of one.
    expect(text, file).not.toMatch(/pLaNtEd/);
    if (file.endsWith(".json")) expect(JSON.parse(text), file).toBeTypeOf("object");
  }
  expect(stdout).not.toMatch(/pLaNtEd/);

  expect(read(`nodes/${node}/kube-multus.log`)).toContain("ADD default/web: error 999: Link not found");
  expect(JSON.parse(read(`nodes/${node}/status.json`))).toMatchObject({ daemon: { version: "0.1.0" } });
  expect(JSON.parse(read(`nodes/${node}/attachments.json`)).attachments).toEqual([
    {
      containerId: "c0ffee",
      pod: "default/web",
      ifName: "net1",
      network: "default/storage",
      plugins: ["macvlan"],
      state: "attached",
    },
  ]);
  expect(JSON.parse(read("cluster/networks.json"))).toEqual([
    { network: "default/storage", plugins: ["macvlan", "whereabouts"], findings: [] },
  ]);
  expect(JSON.parse(read("cluster/kube-multus-ds/daemon-config.json"))).toEqual({
    configMap: "multus-daemon-config",
    settings: { logLevel: "debug" },
    namedAlone: ["perNodeCertificate", "tracing", "somethingElse", "delegates"],
  });
  expect(JSON.parse(read("cluster/events.json"))).toMatchObject([
    { reason: "InvalidNetwork", note: expect.stringContaining("macvlan: Link not found") },
  ]);
});

it("asks for nothing that has secrets in it", async () => {
  await bundle("--dry-run");
  expect(api.asked.filter((request) => /secrets|serviceaccounts/.test(request))).toEqual([]);
  expect(api.asked.filter((request) => request.includes("configmaps"))).toEqual([
    "GET /api/v1/namespaces/kube-system/configmaps/multus-daemon-config",
  ]);
});

it("says what is in it before it writes, and with --dry-run writes nothing", async () => {
  const archive = join(scratch.path, "a.tar.gz");
  const { exitCode, stdout } = await bundle("--output", archive, "--dry-run");
  for (const file of files.slice(1)) expect(stdout).toMatch(new RegExp(`^${file} +\\d+ {2}\\S`, "m"));
  expect(stdout).toContain("nothing was written (--dry-run)");
  expect(existsSync(archive)).toBe(false);
  expect(exitCode).toBe(0);
});

it("overwrites no file", async () => {
  const archive = scratch.write("kept", "mine");
  const { exitCode, stderr } = await bundle("--output", archive);
  expect(stderr).toContain("name another file: --output FILE");
  expect(exitCode).toBe(1);
  expect(readFileSync(archive, "utf8")).toBe("mine");
});

it("writes through no link, wherever it leads", async () => {
  const archive = join(scratch.path, "link");
  symlinkSync(join(scratch.path, "nowhere"), archive);
  const { exitCode, stderr } = await bundle("--output", archive);
  expect(stderr).toContain("it exists");
  expect(exitCode).toBe(1);
  expect(existsSync(join(scratch.path, "nowhere"))).toBe(false);
});

it("leaves no part of an archive where there is no room for all of it", async () => {
  const archive = join(scratch.path, "a.tar.gz");
  const kubeconfig = scratch.write("kubeconfig", api.kubeconfig());
  const argv = [process.execPath, multusctl, "bundle", "--kubeconfig", kubeconfig, "--output", archive];
  // Of at most 512 bytes: the kernel ends the write that would make it longer.
  const { exitCode, stderr } = await runCommand(["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", ...argv]);
  expect(stderr).toContain("a.tar.gz cannot be written: EFBIG");
  expect(exitCode).toBe(1);
  expect(readdirSync(scratch.path)).toEqual(["kubeconfig"]);
});

it("has a directory for each pod of a node with several, and no two files of one name", async () => {
  const other = daemonPod(node) as { readonly metadata: object };
  const metadata = { ...other.metadata, name: "kube-multus-ds-other" };
  api.answers.set("/api/v1/namespaces/kube-system/pods", list(daemonPod(node), { ...other, metadata }));
  api.answers.set(server().replace(`-${node}`, "-other"), "the log of the other\n");
  const { stdout } = await bundle("--dry-run");
  const names = stdout.split("\n").map((line) => line.split(" ")[0]);
  for (const pod of [`kube-multus-ds-${node}`, "kube-multus-ds-other"]) {
    for (const file of ["status.json", "kube-multus.log"]) {
      expect(names.filter((name) => name === `nodes/${node}_${pod}/${file}`)).toHaveLength(1);
    }
  }
});

it("a name that Kubernetes does not have leads nowhere else", async () => {
  const pod = daemonPod(node) as { readonly spec: { readonly containers: readonly object[] } };
  const containers = [...pod.spec.containers, { name: "../c" }];
  const spec = { ...pod.spec, nodeName: "../../x", containers };
  api.answers.set("/api/v1/namespaces/kube-system/pods", list({ ...pod, spec }));
  const archive = join(scratch.path, "a.tar.gz");
  expect((await bundle("--output", archive)).exitCode).toBe(0);
  const listed = await runOrThrow(["tar", "--list", "--gzip", "--file", archive]);
  for (const file of ["status\\.json", "kube-multus\\.log", "-[\\w.-]+\\.log"]) {
    expect(listed).toMatch(new RegExp(`^nodes/-[\\w.-]+/${file}$`, "m"));
  }
  expect(listed.split("\n").filter((name) => name.split("/").includes(".."))).toEqual([]);
});

it("has the rest where nodes cannot be listed", async () => {
  api.answers.set("/api/v1/nodes", 410);
  const { exitCode, stdout } = await bundle("--dry-run");
  expect(stdout).toMatch(/^not-read\.txt /m);
  expect(stdout).toContain(`nodes/${node}/status.json`);
  expect(exitCode).toBe(0);
});

it("names what it could not read, and has the rest", async () => {
  api.answers.set("/apis/events.k8s.io/v1/events", 403);
  api.answers.set(server(), 500);
  const { exitCode, stdout } = await bundle("--dry-run");
  expect(stdout).toContain("not-read.txt");
  expect(stdout).toContain("cluster/networks.json");
  expect(stdout).not.toContain("kube-multus.log");
  expect(exitCode).toBe(0);
});
