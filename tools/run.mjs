/**
 * Every task of the project, `node tools/run.mjs TASK`: sets up what the task misses (npm packages, Debian packages, the build), then
 * runs it on the pinned Node 24. Runs itself on any Node from 20.19 on and has no dependency, as it is what installs them.
 */

const oldest = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(`Node ${oldest.join(".")} or later is needed to start; this is ${process.version}\n`);
  process.exit(1);
}

const { join } = await import("node:path");
const { describeMissing, ensureTools, isRoot } = await import("./setup/debian.mjs");
const { wantsHelp } = await import("./setup/arguments.mjs");
const { ensureNpmPackages } = await import("./setup/npm.mjs");
const { ensurePrograms } = await import("./setup/kubernetes.mjs");
const { interruption, progress, run, SetupError } = await import("./setup/process.mjs");
const { pinnedNode, projectDirectory } = await import("./setup/project.mjs");
const { describeUnwritable } = await import("./setup/unwritable.mjs");
const { fuzz, fuzzUsage } = await import("./tasks/fuzz.mjs");
const { benchUsage, runBenchmarks } = await import("./tasks/bench.mjs");
const { clusterNeeds, clusterProgram, clusterUsage } = await import("./tasks/cluster.mjs");
const { setVersion } = await import("./tasks/version.mjs");
const { writePictures } = await import("./tasks/picture.mjs");
const {
  clearReports,
  clusterSuites,
  everydaySuites,
  heavySuites,
  prepareSuites,
  printCounts,
  runSuites,
  sweep,
} = await import("./tasks/test.mjs");

const inProject = (...path) => join(projectDirectory, ...path);
const onPinnedNode = async (...args) => (await run(pinnedNode, args)).exitCode;

/** @throws {SetupError} where one of the tools is missing and can't be installed */
async function requireTools(task, names) {
  const missing = await ensureTools(names);
  if (missing.length > 0) {
    throw new SetupError(`${task} can't run on this machine:\n${describeMissing(missing)}`);
  }
}

/** Builds what is out of date. Without a compiler everything but the shim. */
async function build(...args) {
  await ensureNpmPackages();
  const missing = await ensureTools(["compiler"]);
  if (missing.length > 0 && !args.includes("--quiet")) {
    progress(`the shim is not built:\n${describeMissing(missing)}`);
  }
  const without = missing.length > 0 ? ["--without", "shim"] : [];
  return onPinnedNode(inProject("tools", "build.mjs"), ...without, ...args);
}

/** @param {readonly string[]} steps of the build; none for all @throws {SetupError} */
async function requireBuild(...steps) {
  const exitCode = await build("--quiet", ...steps);
  if (exitCode !== 0) throw new SetupError("the build failed; its message is above");
}

async function test(label, suites, args) {
  await requireBuild();
  return runSuites(label, suites, args);
}

const vitestUsage = "[FILE…] [-t PATTERN] [--project SUITE] [OPTION…]     (options of vitest run)";

const biome = inProject("node_modules", "@biomejs", "biome", "bin", "biome");

/** `usage`: what may follow the task's name; "" where nothing may. `--help` prints it, and does nothing of the task. */
const tasks = {
  setup: {
    about: "install everything that any task needs, and build",
    usage: "",
    async run() {
      await requireBuild();
      await prepareSuites([...everydaySuites, ...heavySuites, ...clusterSuites]);
      return 0;
    },
  },
  build: {
    about: "build what is out of date into build/ (--force: all of it)",
    usage: "[--force] [--quiet] [--without STEP]… [STEP…]",
    run: (args) => build(...args),
  },
  "build:executable": {
    about: "build/multusd, the single file with Node inside (--arch arm64: also for another machine)",
    usage: "[--arch amd64|arm64]…",
    async run(args) {
      await requireBuild();
      if (args.includes("--arch")) {
        const exitCode = await tasks["build:shims"].run([]);
        if (exitCode !== 0) return exitCode;
      }
      return onPinnedNode(inProject("tools", "build", "executable.mjs"), ...args);
    },
  },
  "build:shims": {
    about: "the shim for amd64 and for arm64: build/multus-amd64, build/multus-arm64",
    usage: "[--force] [--quiet]",
    async run(args) {
      await ensureNpmPackages();
      await requireTools("building for both architectures", ["compiler", "crossCompiler"]);
      return onPinnedNode(inProject("tools", "build.mjs"), "shim-amd64", "shim-arm64", ...args);
    },
  },
  image: {
    about: "the container image for amd64 and arm64 in dist/, an OCI layout and one file, without Docker",
    usage: "[--arch amd64|arm64]… [--out DIRECTORY] [--name IMAGE] [--locked] [--update-libraries]",
    async run(args) {
      await requireBuild();
      return onPinnedNode(inProject("tools", "tasks", "image.mjs"), ...args);
    },
  },
  release: {
    about: "a whole release in dist/: images, chart, manifests, executables, checksums, bills of materials",
    usage: "--version X [--out DIRECTORY] [--name IMAGE] [--trial]",
    async run(args) {
      await requireBuild();
      await requireTools("the release", ["go"]);
      return onPinnedNode(inProject("tools", "tasks", "release.mjs"), ...args);
    },
  },
  version: {
    about: "write a version into every file that has it",
    usage: "X",
    run([next, ...others]) {
      if (others.length > 0) throw new SetupError(`version takes one argument: ${others.join(" ")}`);
      for (const file of setVersion(next)) process.stdout.write(`${file}\n`);
      return 0;
    },
  },
  picture: {
    about: "docs/images: the rooms of src/ and their arrows, drawn from the code, and the way of a request",
    usage: "",
    run: () => writePictures(),
  },
  "picture:dashboard": {
    about:
      "docs/images/dashboard.svg: the dashboard's panels, drawn from what Prometheus says of a real daemon",
    usage: "",
    async run() {
      if (!isRoot()) throw new SetupError("the picture's node is network namespaces: it needs root");
      await requireTools("the dashboard's picture", ["compiler", "iproute2", "go", "promtool"]);
      await requireBuild();
      return onPinnedNode(inProject("bench", "dashboard-picture.ts"));
    },
  },
  chart: {
    about: "deploy/helm/multus-wasm/README.md, made of the chart's values",
    usage: "",
    async run() {
      await ensureNpmPackages();
      return onPinnedNode(inProject("tools", "tasks", "chart.mjs"));
    },
  },
  notices: {
    about:
      "build/THIRD-PARTY-NOTICES.txt and build/sbom.cdx.json (CycloneDX): what of others is in the product",
    usage: "[--force] [--quiet]",
    run: (args) => build("validators", "protos", "notices", ...args),
  },
  demo: {
    about: "a pod with its cluster network and two macvlan networks, in a scratch namespace",
    usage:
      "[OPTION…]     (options of multusctl try; after npm run build: node build/multusctl.mjs try --help)",
    async run(args) {
      if (!isRoot())
        throw new SetupError("the demo makes network namespaces: it needs root (sudo npm run demo)");
      await requireTools("the demo", ["compiler", "iproute2", "plugins"]);
      await requireBuild();
      return onPinnedNode(inProject("build", "multusctl.mjs"), "try", ...args);
    },
  },
  test: {
    about: `suites ${everydaySuites.join(", ")} (arguments go to vitest: files, -t PATTERN, --project SUITE)`,
    usage: vitestUsage,
    run: (args) => test("test", everydaySuites, args),
  },
  "test:heavy": {
    about: "the long suites: containerd, the flannel chain, 110 pods at once",
    usage: vitestUsage,
    run: (args) => test("heavy", heavySuites, args),
  },
  "test:cluster": {
    about:
      "a real cluster of one node: API server, kubelet, containerd (the first time builds them: minutes)",
    usage: vitestUsage,
    run: (args) => test("cluster", clusterSuites, args),
  },
  cluster: {
    about: "leave a real one-node cluster with multus standing, for kubectl, until Ctrl-C",
    usage: clusterUsage,
    async run(args) {
      const { tools, programs, steps } = clusterNeeds(args);
      if (!isRoot()) throw new SetupError("the cluster makes network namespaces and mounts: it needs root");
      await requireTools("the cluster", tools);
      await ensurePrograms(programs);
      await requireBuild(...steps);
      return onPinnedNode(clusterProgram, ...args);
    },
  },
  fuzz: {
    about: "fuzz every parser for a while (--minutes N, --only TARGET, --seed S, --input FILE)",
    usage: fuzzUsage,
    async run(args) {
      await requireBuild();
      return fuzz(args);
    },
  },
  bench: {
    about: "benchmarks into bench/results/ (--gate: fail where a bound is missed)",
    usage: benchUsage,
    async run(args) {
      if (!isRoot()) throw new SetupError("the benchmarks make network namespaces: they need root");
      await requireBuild();
      return runBenchmarks(args);
    },
  },
  lint: {
    about: "biome's rules and formatting, without changing anything",
    usage: "[FILE…] [OPTION…]     (options of biome check)",
    async run(args) {
      await ensureNpmPackages();
      return onPinnedNode(biome, "check", ...args);
    },
  },
  format: {
    about: "put files into biome's format",
    usage: "[FILE…] [OPTION…]     (options of biome check)",
    async run(args) {
      await ensureNpmPackages();
      return onPinnedNode(biome, "check", "--write", ...args);
    },
  },
  typecheck: {
    about: "TypeScript's checks over src, test, bench and tools",
    usage: "[OPTION…]     (options of tsc)",
    async run(args) {
      await requireBuild();
      return onPinnedNode(
        inProject("node_modules", "typescript", "bin", "tsc"),
        "-p",
        projectDirectory,
        ...args,
      );
    },
  },
  sweep: {
    about: "remove namespaces and directories that a killed test run left",
    usage: "",
    async run() {
      await sweep();
      return 0;
    },
  },
  "ci:begin": {
    about: "(CI) forget the reports of earlier runs",
    usage: "",
    run: () => {
      clearReports();
      return 0;
    },
  },
  "ci:counts": {
    about: "(CI) the closing line",
    usage: "STEP=EXITCODE…",
    run: (args) => printCounts(args),
  },
};

function help() {
  const width = Math.max(...Object.keys(tasks).map((name) => name.length));
  return [
    "node tools/run.mjs TASK [ARGUMENT…]     (or: npm run TASK -- ARGUMENT…)",
    "",
    ...Object.entries(tasks).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`),
    "",
    "node tools/run.mjs TASK --help: what may follow TASK.",
    "Each task first installs what it misses: npm packages always, Debian packages when run as root.",
    "CI=true: what would be skipped is a failure.",
    "",
  ].join("\n");
}

async function main([name, ...args]) {
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(help());
    return name === undefined ? 2 : 0;
  }
  const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  if (task === undefined) throw new SetupError(`no task ${name}; \`node tools/run.mjs --help\` lists them`);
  if (wantsHelp(args)) {
    process.stdout.write(`node tools/run.mjs ${name} ${task.usage}`.trimEnd());
    process.stdout.write(`\n\n  ${task.about}\n`);
    return 0;
  }
  if (task.usage === "" && args.length > 0)
    throw new SetupError(`${name} takes no arguments: ${args.join(" ")}`);
  return task.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof SetupError) {
    process.stderr.write(`! ${error.message}\n`);
  } else if (error.code === "EACCES") {
    process.stderr.write(`! ${describeUnwritable(error)}\n`);
  } else {
    throw error;
  }
  process.exitCode = 1;
}
if (interruption() !== undefined) process.exitCode = 130;
