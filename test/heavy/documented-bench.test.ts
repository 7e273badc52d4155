/** docs/bench-node.md, and what docs/sriov.md and README.md say of multusctl on a machine without a cluster, as an operator types it: commands as they are written, in a directory with the files that they name. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { BenchReport } from "../../src/ctl/bench/report.ts";
import { HostPlaces } from "../support/cluster/host-places.ts";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { expectNoTraces, multusctl, scratchNames } from "../support/multusctl.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { session, sessionVariable } from "../support/session.ts";
import { until } from "../support/until.ts";
import { readPage, root, shellCommands } from "../unit/docs/markdown.ts";

/** Answers as sriov-cni does where the function has a link; this machine has no card. */
const pretendedSriov = `#!/bin/sh
cat > /dev/null
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","interfaces":[{"name":"net1","pciID":"0000:03:02.0"}]}'
exit 0
`;

/** The numbers are of no interest here. */
const fewer = "--rounds 2 --warm-up 0 --json measured.json";

const scratch = new ScratchDirectory("bench-page");
const resources = new AsyncDisposableStack();
const inScratch = (name: string) => join(scratch.path, name);
const directory = inScratch("here");
const temporary = inScratch("tmp");
const environment = {
  ...process.env,
  PATH: `${inScratch("programs")}:${process.env.PATH}`,
  TMPDIR: temporary,
  [sessionVariable]: session,
};
let network: Namespace;
let through: readonly string[];

/** Words that start a shell in the directory. A namespace stands for the machine's own network, as `--host-network` is about that. */
const inShell = (script: string) => network.enter(...through, "sh", "-e", "-c", `cd ${directory}\n${script}`);

const type = (script: string): Promise<CommandOutcome> =>
  runCommand(inShell(script), { env: environment, timeoutMs: 300_000 });

/** The only command that a page has below a heading, or that of those with this in it. */
function commandOf(page: string, heading: string, part = ""): string {
  const found = shellCommands(readPage(page)).filter(
    ({ section, text }) => section === heading && text.includes(part),
  );
  expect(found, `${page}: ${heading} ${part}`).toHaveLength(1);
  return found[0]?.text ?? "false";
}

/** Types in a benchmark's command. @returns what it has measured; its page is written as well */
async function measure(page: string, heading: string): Promise<BenchReport> {
  const { exitCode, stderr } = await type(`${commandOf(page, heading)} ${fewer}`);
  expect(exitCode, stderr).toBe(0);
  expect(readFileSync(join(directory, "report.html"), "utf8")).toContain("<svg");
  const report: BenchReport = JSON.parse(readFileSync(join(directory, "measured.json"), "utf8"));
  expect(report).toMatchObject({ state: "complete", rounds: 2, left: [] });
  return report;
}

/** Of each number of pods at once: networks with their plugins, of all its pods. */
const networksOf = ({ levels }: BenchReport) =>
  levels.map(({ pods, subjects }) => ({
    pods,
    measured: subjects[0]?.shares?.pods,
    networks: subjects[0]?.shares?.networks.map(({ network, plugins }) => [network, ...plugins].join(" ")),
  }));

beforeAll(async () => {
  resources.use(scratch);
  for (const path of [directory, temporary]) mkdirSync(path);
  for (const name of ["build", "node_modules"]) symlinkSync(join(root, name), join(directory, name));
  const program = (path: string, text: string) => chmodSync(scratch.write(path, text), 0o755);
  program("programs/multusctl", `#!/bin/sh\nexec ${process.execPath} ${multusctl} "$@"\n`);
  // The tests are root already.
  program("programs/sudo", '#!/bin/sh\nexec "$@"\n');
  program("plugins/sriov", pretendedSriov);
  network = resources.use(await Namespace.create("node"));
  // Commands see no runtime of this machine.
  const nothing = Object.fromEntries(
    ["/run/containerd", "/run/crio", "/run/k3s/containerd"].map((place, index) => [
      place,
      inScratch(`no-${index}`),
    ]),
  );
  through = resources.use(new HostPlaces({ "/opt/cni/bin": inScratch("plugins"), ...nothing }, [])).through;
  for (const name of ["my-network.yaml", "networks.yaml"]) {
    copyFileSync(join(root, "docs/examples/macvlan.yaml"), join(directory, name));
  }
});

afterEach(() => expectNoTraces(temporary, []));

afterAll(() => resources.disposeAsync());

test("README: a network of one's own is tried", async () => {
  const { exitCode, stdout, stderr } = await type(
    commandOf("README.md", "Try it without a cluster", " try "),
  );
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  expect(stdout.toString()).toContain("default/storage");
  expect(stdout.toString()).toContain("Nothing is left");
});

test("without options: a bridge and two macvlan networks", async () => {
  const report = await measure("docs/bench-node.md", "Measuring a node");
  const networks = [expect.stringMatching(/ bridge$/), ...Array(2).fill(expect.stringMatching(/ macvlan$/))];
  expect(networksOf(report)).toEqual([1, 2, 4].map((pods) => ({ pods, measured: 2 * pods, networks })));
});

test("the networks of a file, to 32 pods at once, and all measurements as JSON", async () => {
  const report = await measure("docs/bench-node.md", "The plugin alone");
  const networks = [expect.stringMatching(/ bridge$/), "default/storage macvlan"];
  expect(networksOf(report)).toEqual([1, 8, 32].map((pods) => ({ pods, measured: 2 * pods, networks })));
});

/** A page's functions for its network, as `--devices` names them. */
test.each([
  { page: "docs/bench-node.md", heading: "On an SR-IOV node", name: "vf", levels: [1, 4] },
  { page: "docs/sriov.md", heading: "Measuring a node", name: "fast", levels: [1, 2] },
])("functions by name, on the machine's own network: $page", async ({ page, heading, name, levels }) => {
  const [definition] = readPage("docs/sriov.md").blocks.filter(({ language }) => language === "yaml");
  expect(definition?.text).toContain("name: fast\n");
  scratch.write("here/sriov.yaml", definition?.text.replace("name: fast\n", `name: ${name}\n`) ?? "");
  const report = await measure(page, heading);
  const networks = [expect.stringMatching(/ ptp$/), `default/${name} sriov`];
  expect(networksOf(report)).toEqual(levels.map((pods) => ({ pods, measured: 2 * pods, networks })));
  expect(await network.links()).toEqual([]);
});

test("what a killed benchmark has left is removed", async () => {
  const [command = "", ...words] = inShell("exec multusctl bench --pods 2 --rounds 1000");
  const killed = spawn(command, words, { env: environment, stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(killed, "close");
  let progress = "";
  killed.stderr.on("data", (chunk: Buffer) => {
    progress += chunk.toString();
  });
  await until("a round", () => progress.includes("at once through"));
  killed.kill("SIGKILL");
  await ended;
  const [left = "none", ...more] = scratchNames(temporary);
  expect(more).toEqual([]);
  const { exitCode, stderr } = await type(commandOf("docs/bench-node.md", "While it runs"));
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(left) });
  await expectNoTraces(temporary, [left]);
  expect(existsSync(join(temporary, left))).toBe(false);
  expect(readdirSync(temporary)).toEqual([]);
});
