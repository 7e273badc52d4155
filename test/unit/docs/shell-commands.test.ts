/** Every command that the documentation has its reader type into a shell is run by a test, or is listed here with the reason why none runs it as it is written. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { documentation, root, shellCommands } from "./markdown.ts";

interface Commands {
  readonly page: string;
  /** Text of the heading above them; undefined: of the whole page. */
  readonly section?: string;
  /** The beginning of each; undefined: all of them there. */
  readonly begin?: string;
}

const cluster = "test/cluster/documentation.test.ts";
const bench = "test/heavy/documented-bench.test.ts";

const run: readonly (Commands & { readonly test: string })[] = [
  { page: "README.md", section: "Install", test: cluster },
  {
    page: "README.md",
    section: "Try it without a cluster",
    begin: "node_modules/.bin/node build/multusctl.mjs try",
    test: bench,
  },
  {
    page: "README.md",
    section: "Try it without a cluster",
    begin: "node_modules/.bin/node build/multusctl.mjs validate",
    test: cluster,
  },
  ...["Measuring a node", "The plugin alone", "On an SR-IOV node", "While it runs"].map((section) => ({
    page: "docs/bench-node.md",
    section,
    test: bench,
  })),
  { page: "docs/bench-node.md", section: "Through the runtime", test: "test/heavy/by-hand.test.ts" },
  {
    page: "docs/by-hand.md",
    section: "Setting up a node by hand",
    begin: "install ",
    test: "test/heavy/by-hand.test.ts",
  },
  {
    page: "docs/by-hand.md",
    section: "Setting up a node by hand",
    begin: "node ",
    test: "test/heavy/by-hand.test.ts",
  },
  { page: "docs/by-hand.md", section: "As a node of a cluster", begin: "kubectl ", test: cluster },
  { page: "docs/go-multus.md", section: "Switch", test: cluster },
  {
    page: "deploy/README.md",
    section: "A kubeconfig for a daemon outside of pods",
    begin: "kubectl ",
    test: cluster,
  },
  { page: "docs/on-demand.md", begin: "install ", test: "test/heavy/documented-on-demand.test.ts" },
  { page: "docs/on-demand.md", begin: "ln ", test: "test/heavy/documented-on-demand.test.ts" },
  { page: "docs/operations.md", section: "Where multusctl is", begin: "kubectl ", test: cluster },
  {
    page: "docs/operations.md",
    begin: "/opt/cni/bin/multusd ctl ",
    test: "test/heavy/documented-on-demand.test.ts",
  },
  ...["2. Install", "3. A first network", "4. A first pod", "5. Clean up"].map((section) => ({
    page: "docs/quick-start.md",
    section,
    test: cluster,
  })),
  { page: "docs/sriov.md", section: "Measuring a node", test: bench },
  ...["Before", "Change over", "Roll back"].map((section) => ({
    page: "docs/upgrade.md",
    section,
    test: cluster,
  })),
];

const rendered =
  "test/cluster/deploy-chart.test.ts renders the chart by it: Helm's registry and cluster are a user's";
const task =
  "a task of this checkout, which sets the machine up first; it is how the tests themselves are run";

const notRun: readonly (Commands & { readonly why: string })[] = [
  { page: "CONTRIBUTING.md", why: task },
  { page: "README.md", begin: "npm ", why: task },
  { page: "docs/by-hand.md", begin: "npm run build", why: task },
  { page: "docs/development.md", why: task },
  { page: "docs/neighbours.md", why: task },
  { page: "docs/on-demand.md", begin: "npm run build:executable", why: `${task}; what it builds is built` },
  { page: "deploy/README.md", begin: "npm run image", why: `${task}; nodes of tests run that image` },
  { page: "docs/quick-start.md", begin: "npm run image", why: `${task}; nodes of tests run that image` },
  {
    page: "docs/performance.md",
    why: "minutes of measurements; test/heavy/bench-gate.test.ts runs the task",
  },
  {
    page: "docs/versions.md",
    begin: "node tools/run.mjs version",
    why: "writes the whole checkout; test/unit/tools/version.test.ts runs it on a copy",
  },
  { page: "docs/versions.md", begin: "git commit", why: "writes the history of the checkout" },
  {
    page: "docs/versions.md",
    begin: "npm run release",
    why: "test/heavy/release.test.ts runs it with a directory of the test's",
  },
  { page: "deploy/README.md", begin: "skopeo ", why: "writes to a registry of the user's" },
  { page: "docs/quick-start.md", begin: "skopeo ", why: "writes to a registry of the user's" },
  { page: "docs/versions.md", begin: "skopeo ", why: "writes to a registry of the user's" },
  {
    page: "docs/by-hand.md",
    begin: "MULTUS_NODE_NAME=",
    why: "the daemon of this page, which runs, with the node's name; nodes of test/cluster have theirs so",
  },
  {
    page: "docs/kubectl.md",
    section: "Install",
    why: "writes to /usr/local/bin of the machine; tests have the link in a directory of theirs in PATH",
  },
  {
    page: "docs/sriov.md",
    section: "With a DRA driver",
    why: "installs another project's chart from its checkout",
  },
  { page: "docs/distributions.md", begin: "helm ", why: rendered },
  { page: "deploy/README.md", begin: "helm ", why: rendered },
  { page: "deploy/helm/multus-wasm/README.md", why: rendered },
  {
    page: "docs/distributions.md",
    begin: "kubectl --namespace kube-system rollout restart",
    why: "is for a distribution's node; the options are checked",
  },
  {
    page: "docs/distributions.md",
    begin: "kubectl patch network.operator.openshift.io",
    why: "OpenShift's operator is not here",
  },
  { page: "docs/distributions.md", begin: "kind ", why: "kind needs Docker, which is not here" },
  {
    page: "deploy/README.md",
    begin: "kubectl kustomize deploy/thick | sed",
    why: "names a registry of the user's",
  },
  {
    page: "deploy/README.md",
    section: "Deploying",
    begin: "kubectl --namespace kube-system rollout",
    why: "follows the apply of the user's registry; the quick start's is the same",
  },
  {
    page: "deploy/README.md",
    section: "A kustomization of your own",
    why: "replaces every daemon: the change-over of docs/upgrade.md does that",
  },
  {
    page: "deploy/README.md",
    section: "Where the approver runs",
    why: "is about a cluster with certificates for each node, which the deployed cluster has not",
  },
  {
    page: "deploy/README.md",
    section: "From Go multus, and back",
    begin: "kubectl ",
    why: "test/cluster/deploy-manifests.test.ts takes these steps with a Helm that knows its cluster",
  },
  {
    page: "deploy/README.md",
    section: "Uninstall",
    why: "removes by name what the quick start's clean-up removes as a kustomization",
  },
  {
    page: "deploy/README.md",
    section: "A kubeconfig for a daemon outside of pods",
    begin: "install ",
    why: "writes to /etc/multus of the machine",
  },
];

const documented = documentation().flatMap((page) =>
  shellCommands(page, ["sh", "console"]).map((command) => ({ page: page.path, ...command })),
);

const isAmong =
  ({ page, section, begin = "" }: Commands) =>
  (command: (typeof documented)[number]): boolean =>
    command.page === page &&
    (section ?? command.section) === command.section &&
    command.text.startsWith(begin);

const nameOf = ({ page, section = "", begin = "" }: Commands) => `${page}: ${section}: ${begin}`;

describe("commands in blocks for a shell", () => {
  it("are run, or named with the reason why not, each once", () => {
    const lists = [...run, ...notRun];
    const wrong = documented.flatMap((command) => {
      const found = lists.filter((list) => isAmong(list)(command)).map(nameOf);
      return found.length === 1 ? [] : [{ ...command, found }];
    });
    expect(wrong).toEqual([]);
    expect(documented.length).toBeGreaterThan(90);
  });

  it.each([...run, ...notRun])("are there: $page $section $begin", (list) => {
    expect(documented.filter(isAmong(list))).not.toEqual([]);
  });

  it.each(run)("have a test that names them: $page $section $begin", ({ page, section, test }) => {
    expect(existsSync(join(root, test)), test).toBe(true);
    const text = readFileSync(join(root, test), "utf8");
    expect(text).toContain(JSON.stringify(page));
    if (section !== undefined) expect(text).toContain(JSON.stringify(section));
  });

  it("name tests that are there where another test does what they do", () => {
    const tests = notRun.flatMap(({ why }) => why.match(/test\/\S+\.test\.ts/g) ?? []);
    expect(tests.length).toBeGreaterThan(3);
    expect(tests.filter((test) => !existsSync(join(root, test)))).toEqual([]);
  });
});
