/** `kubectl multus status`, `doctor` and `bundle` of several nodes, as docs/kubectl.md shows them. */

import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { forAllNodes } from "../../../../src/ctl/daemons/ask.ts";
import { runCommand } from "../../../support/command.ts";
import { documentedOutput } from "../../../support/documented-output.ts";
import { type Exec, type ExecEnd, ExecServer } from "../../../support/exec-server.ts";
import { multusctl } from "../../../support/multusctl.ts";
import { daemonPod, daemonSet, machine } from "../../../support/pretended-nodes.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
let api: ExecServer;
beforeEach(async () => {
  scratch = new ScratchDirectory("all-nodes");
  api = await ExecServer.start(exec);
  symlinkSync(multusctl, join(scratch.path, "kubectl-multus"));
  scratch.write("kubeconfig", api.kubeconfig());
  const nodes = ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"];
  const waiting = {
    ...daemonPod("worker-4"),
    status: {
      containerStatuses: [{ name: "kube-multus", state: { waiting: { reason: "ImagePullBackOff" } } }],
    },
  };
  const pods = [daemonPod("worker-2"), daemonPod("worker-1"), daemonPod("worker-3"), waiting];
  for (const [path, items] of Object.entries({
    "/api/v1/nodes": nodes.map((name) => machine(name)),
    "/api/v1/namespaces/kube-system/pods": pods,
    "/apis/apps/v1/namespaces/kube-system/daemonsets": [daemonSet()],
    "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions": [],
    "/apis/events.k8s.io/v1/events": [],
  })) {
    api.answers.set(path, { items });
  }
  api.answers.set("/version", { gitVersion: "v1.36.0" });
  for (const node of ["worker-1", "worker-2"]) {
    const pod = `/api/v1/namespaces/kube-system/pods/kube-multus-ds-${node}`;
    api.answers.set(`${pod}/log`, "2026-11-30T12:00:00Z ADD default/web\n");
  }
});
afterEach(async () => {
  hostile = undefined;
  await api[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

async function kubectlMultus(...args: readonly string[]) {
  const argv = [process.execPath, join(scratch.path, "kubectl-multus"), ...args];
  const env = { KUBECONFIG: join(scratch.path, "kubeconfig"), HOME: scratch.path };
  const { exitCode, stdout, stderr } = await runCommand(argv, { env });
  return { exitCode, stdout: stdout.toString().replaceAll(api.url, "https://10.0.0.1:6443"), stderr };
}

const timings = [
  {
    networks: [
      { network: "default/storage", native: true },
      { network: "default/storage", native: true },
    ],
  },
  { networks: [{ network: "default/video" }] },
];
const failure = {
  at: "2026-11-30T12:03:41.000Z",
  command: "ADD",
  pod: "default/web",
  containerId: "c0ffee",
  code: 999,
  message: "default/video: macvlan: Link not found",
};

function daemon(name: string) {
  const isReady = name === "worker-1";
  return {
    daemon: {
      version: "0.1.0",
      nodeName: name,
      ready: isReady,
      notReady: isReady ? "" : "the networks of the cluster are not known yet",
      uptimeSeconds: isReady ? 93_600 : 12,
      memoryBytes: 71e6,
      missingNetworks: [],
      failures: isReady ? [failure] : [],
      timings: isReady ? timings : [],
    },
    problem: "",
    advice: "",
    node: { containers: 2, attachments: 5, networks: [], spool: { waiting: 0, failed: 0 }, problems: [] },
  };
}

/** The answer of worker-2 to status, with other members of the daemon. */
const withDaemon = (members: object) =>
  JSON.stringify({ ...daemon("worker-2"), daemon: { ...daemon("worker-2").daemon, ...members } });

/** A whole answer to every command, with more arrays within each other than JSON.stringify takes. */
const deep = () => {
  const whole = JSON.stringify({ ...daemon("worker-2"), ...findingsOf("worker-2") });
  const depth = 100_000;
  return `${whole.slice(0, -1)},"more":${"[".repeat(depth)}${"]".repeat(depth)}}`;
};

const findingsOf = (name: string) => ({
  ok: name === "worker-1",
  findings: [
    { check: "daemon/answers", verdict: "pass", finding: "it answers", remedy: "" },
    { check: "state/disk", verdict: "warn", finding: "5 % are free on /var/lib/cni", remedy: "make room" },
    ...(name === "worker-1"
      ? []
      : [
          {
            check: "daemon/ready",
            verdict: "fail",
            finding: "the daemon is not ready",
            remedy: "see its log",
          },
        ]),
  ],
});

/** As the API server says it of a node that is gone. */
const away = "error dialing backend: dial tcp 10.0.0.13:10250: connect: connection refused";

/** Answers of worker-2's multusctl in place of the usual ones; undefined: the usual ones. */
let hostile: ((command: string) => string) | undefined;

/** The answer of multusctl in each pod; worker-3's kubelet is away. */
const exec: Exec = ({ pod, command: [, command = ""] }): ExecEnd => {
  const name = pod.replace("kube-multus-ds-", "");
  if (name === "worker-3") return { refused: 500, message: away };
  if (name === "worker-2" && hostile !== undefined) return { stdout: [hostile(command)] };
  const answer = { status: daemon, doctor: findingsOf, ls: () => ({ attachments: [], problems: [] }) }[
    command
  ];
  const text = JSON.stringify(answer?.(name));
  // As it comes: doctor ends with 1 where a check has failed.
  return { stdout: [text.slice(0, 10), text.slice(10)], exitCode: command === "doctor" ? 1 : 0 };
};

describe("all nodes at once", () => {
  it("has a row for each, and one that does not answer, one that does not run and one without a daemon stop no other", async () => {
    const { exitCode, stdout, stderr } = await kubectlMultus("status");
    expect(stdout).toBe(documentedOutput("kubectl.md", "kubectl multus status"));
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "" });
  });

  it("has the whole of each status as JSON, and as multusctl only with --all", async () => {
    const { stdout } = await kubectlMultus("status", "--json", "--node", "worker-1");
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      nodes: [{ node: "worker-1", state: "ready", status: daemon("worker-1") }],
    });
    const own = await kubectlMultus(
      "status",
      "--json",
      "--socket-dir",
      scratch.path,
      "--cni-dir",
      scratch.path,
    );
    expect(JSON.parse(own.stdout)).toMatchObject({ node: { cniDir: scratch.path } });
  });

  it("gives multusctl in a pod the paths of the node's directories there", async () => {
    await kubectlMultus("doctor", "--node", "worker-1");
    expect(api.execs.map(({ container, command }) => [container, ...command])).toEqual([
      [
        ...["kube-multus", "multusctl", "doctor", "--socket-dir", "/host/run/multus"],
        ...["--cni-conf-dir", "/host/etc/cni/net.d", "--json"],
      ],
    ]);
  });

  it("doctor has one row for what several nodes have, and fails for one that does not answer", async () => {
    const { exitCode, stdout } = await kubectlMultus("doctor");
    expect(stdout).toBe(documentedOutput("kubectl.md", "kubectl multus doctor"));
    expect(exitCode).toBe(1);
  });

  it.each([
    ["no JSON", () => "no"],
    ["an empty object", () => "{}"],
    ["a list", () => "[]"],
    [
      "parts of another form",
      () => JSON.stringify({ ...daemon("worker-2"), daemon: { failures: 3 }, findings: {} }),
    ],
    ["a failure without a text", () => withDaemon({ failures: [{ ...failure, message: { toString: 1 } }] })],
    ["a failure of no number", () => withDaemon({ failures: [{ ...failure, code: { toString: 1 } }] })],
    [
      "recorded DELs that are no number",
      () => JSON.stringify({ ...daemon("worker-2"), node: { ...daemon("").node, spool: { waiting: [] } } }),
    ],
    [
      "more findings than there are checks",
      () => JSON.stringify({ ok: true, findings: Array(1001).fill({}) }),
    ],
    ["arrays within each other", deep],
    ["objects in place of texts", () => JSON.stringify({ ok: {}, daemon: [], problem: {}, node: [] })],
  ])("a pod that answers %s stops no other", async (_, text) => {
    hostile = text;
    for (const command of ["status", "doctor"]) {
      const { exitCode, stdout, stderr } = await kubectlMultus(
        command,
        "--json",
        "--node",
        "worker-1",
        "worker-2",
      );
      const { nodes } = JSON.parse(stdout);
      expect(nodes[1]).toMatchObject({
        node: "worker-2",
        problem: expect.stringMatching(/^multusctl in the pod /),
      });
      expect(nodes[0].problem).toBe("");
      expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "" });
    }
  });

  it("a pod's text makes no line of its own, and no table wider than a message", async () => {
    const forged = "x\nhttps://10.0.0.1:6443: 5 of 5 nodes ready";
    const long = "x".repeat(1_000_000);
    for (const text of [forged, long]) {
      const findings = [{ check: text, verdict: "fail", finding: text, remedy: text }];
      hostile = (command) =>
        command === "doctor"
          ? JSON.stringify({ ok: false, findings })
          : withDaemon({
              version: text,
              notReady: text,
              failures: [{ ...failure, at: text, message: text }],
            });
      for (const command of ["status", "doctor"]) {
        const { stdout } = await kubectlMultus(command, "--node", "worker-1", "worker-2");
        const lines = stdout.trimEnd().split("\n");
        expect(lines.filter((line) => line.startsWith("https://10.0.0.1:6443: "))).toHaveLength(1);
        expect(lines.at(-1)).not.toContain("5 of 5");
        expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(4500);
      }
    }
  });

  it.each([
    ["arrays within each other", deep],
    ["an answer that is long in the archive", () => JSON.stringify({ x: Array(2_000_000).fill(0) })],
  ])("%s of one pod are named, and a bundle has the rest", async (_, text) => {
    hostile = text;
    const { exitCode, stdout } = await kubectlMultus("bundle", "--dry-run", "--node", "worker-1", "worker-2");
    expect(stdout).toMatch(/^nodes\/worker-1\/status\.json /m);
    expect(stdout).not.toMatch(/^nodes\/worker-2\/status\.json /m);
    expect(stdout).toMatch(/^nodes\/worker-2\/kube-multus\.log /m);
    expect(stdout).toMatch(/^not-read\.txt /m);
    expect(exitCode).toBe(0);
  });

  it("nothing that a pod says moves the cursor of a terminal", async () => {
    const clearing = "\u001b[2J\u001b]0;x\u0007";
    hostile = (command) =>
      JSON.stringify(
        command === "doctor"
          ? {
              ok: false,
              findings: [{ check: clearing, verdict: "fail", finding: clearing, remedy: clearing }],
            }
          : { ...daemon("worker-1"), problem: clearing },
      );
    for (const command of ["status", "doctor"]) {
      const { stdout } = await kubectlMultus(command, "--node", "worker-2");
      expect(stdout).toContain("\\u001b[2J");
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    }
  });

  it("says that nodes may not be listed, and shows those with a pod", async () => {
    api.answers.set("/api/v1/nodes", 403);
    const { stdout } = await kubectlMultus("status", "--node", "worker-1");
    expect(stdout).toContain("1 of 1 node ready; nodes without a daemon are not known");
  });

  it.each(["status", "doctor", "bundle"])(
    "%s that may not list pods names the right that is missing, and where the others are",
    async (command) => {
      api.answers.set("/api/v1/namespaces/kube-system/pods", 403);
      const { exitCode, stderr } = await kubectlMultus(command, "--all");
      expect(exitCode).toBe(1);
      expect(stderr).toContain("not allowed to list pods in namespace kube-system");
      expect(stderr).toContain('docs/kubectl.md, "Rights"');
      expect(stderr).not.toContain("network-attachment-definitions");
    },
  );

  it("bundle says what it would have in it", async () => {
    const { exitCode, stdout } = await kubectlMultus("bundle", "--dry-run", "--node", "worker-1");
    const sizes = (text: string) => text.replaceAll(/ +\d+ {2}/g, " N ").replaceAll(/ +/g, " ");
    expect(sizes(stdout)).toBe(
      sizes(documentedOutput("kubectl.md", "kubectl multus bundle --dry-run --node worker-1")),
    );
    expect(exitCode).toBe(0);
  });
});

it("not more than sixteen are asked at once, and the results are in the order of the nodes", async () => {
  let [running, most] = [0, 0];
  const waiting: (() => void)[] = [];
  const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
  const all = forAllNodes(names, async (name) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => waiting.push(resolve));
    running -= 1;
    return name;
  });
  for (let ended = 0; ended < names.length; ended += 1) {
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    waiting.pop()?.();
  }
  expect(await all).toEqual(names);
  expect(most).toBe(16);
});
