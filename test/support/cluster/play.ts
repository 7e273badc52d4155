/** `npm run cluster`: a one-node cluster to play with, as the tests have it, until Ctrl-C. Run as a program. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { lastTime, rememberDuration } from "../../../tools/setup/durations.mjs";
import { durationsFile } from "../../../tools/setup/kubernetes.mjs";
import { containerdProgram, kubernetesProgram } from "./binaries.ts";
import { Controllers } from "./controllers.ts";
import { importBusyboxImage, importMultusImage, multusImage } from "./images.ts";
import { nadManifest, podManifest } from "./manifests.ts";
import { ClusterNode, networksAnnotation, nodeName } from "./node.ts";

const projectDirectory = join(import.meta.dirname, "..", "..", "..");

interface Choices {
  readonly bare: boolean;
  readonly "without-image": boolean;
  readonly containerd: string;
  readonly "log-level": string;
}

/** Runs a command of this machine in a pod's network namespace. @param ctr path of it @param socket containerd's */
function inPodScript(ctr: string, socket: string): string {
  return `#!/bin/sh
# in-pod [NAMESPACE/]POD COMMAND...: runs a command of this machine in the network namespace of a pod
set -e
case "$1" in
  */*) namespace=\${1%%/*} name=\${1#*/} ;;
  *) namespace=default name=$1 ;;
esac
shift
ctr() { command ${ctr} --address ${socket} --namespace k8s.io "$@"; }
for id in $(ctr containers list -q "labels.\\"io.kubernetes.pod.namespace\\"==$namespace,labels.\\"io.kubernetes.pod.name\\"==$name"); do
  pid=$(ctr tasks list | awk -v id="$id" '$1 == id && $3 == "RUNNING" { print $2 }')
  if [ -n "$pid" ]; then exec nsenter --net="/proc/$pid/ns/net" -- "$@"; fi
done
echo "pod $namespace/$name does not run" >&2
exit 1
`;
}

/** The multusctl that was built, on this Node. */
const multusctlScript = `#!/bin/sh
exec "${process.execPath}" "${join(projectDirectory, "build", "multusctl.mjs")}" "$@"
`;

function ctrOf(isNewest: boolean): string {
  return isNewest ? containerdProgram("ctr") : "ctr";
}

/** Writes in-pod and multusctl. @returns their directory */
function writeTools(node: ClusterNode, isNewest: boolean): string {
  const directory = join(node.directory, "examples");
  mkdirSync(directory);
  const ctr = ctrOf(isNewest);
  writeFileSync(join(directory, "in-pod"), inPodScript(ctr, node.containerd.socket), { mode: 0o755 });
  writeFileSync(join(directory, "multusctl"), multusctlScript, { mode: 0o755 });
  return directory;
}

/** Three networks in two namespaces, and pods that use them. */
function examples(node: ClusterNode): Readonly<Record<string, string>> {
  const pod = (name: string, annotations: Readonly<Record<string, string>>) =>
    podManifest({ namespace: "default", name, annotations, nodeName });
  const defaultRoute = [{ name: "storage", interface: "store0", "default-route": ["10.130.0.1"] }];
  return {
    "networks.yaml": [
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: media\n",
      // No controller makes it, and without there are no pods.
      "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  namespace: media\n  name: default\nautomountServiceAccountToken: false\n",
      nadManifest("default", "storage", node.macvlan(["10.130.0.0/24", "fd13::/64"])),
      nadManifest("default", "video", node.macvlan(["10.131.0.0/24"])),
      nadManifest("media", "backup", node.macvlan(["10.132.0.0/24"])),
    ].join("---\n"),
    "pod.yaml": pod("web", { [networksAnnotation]: "storage, video@vid0, media/backup" }),
    "pod-default-route.yaml": pod("routed", {
      [networksAnnotation]: JSON.stringify(defaultRoute, undefined, 2),
    }),
    "pod-missing-network.yaml": pod("lost", { [networksAnnotation]: "storage,nowhere" }),
  };
}

/** Steps of a start, bare or not; without our image one less. */
const usualSteps = 6;

/** Prints the steps of one start, and how long it all took the last time. */
class Start {
  readonly #name: string;
  readonly #began = performance.now();
  readonly #steps: number;
  #done = 0;

  /** @param name of this kind of cluster */
  constructor(name: string, steps = usualSteps) {
    this.#steps = steps;
    this.#name = `start of ${name}`;
    const before = lastTime(durationsFile, this.#name);
    process.stdout.write(`${name}${before === "" ? "" : ` (${before})`}:\n\n`);
  }

  readonly printStep = (step: string, milliseconds: number): void => {
    this.#done += 1;
    const seconds = (milliseconds / 1000).toFixed(1).padStart(5);
    process.stdout.write(`  ${this.#done} of ${this.#steps}  ${step.padEnd(32)} ${seconds} s\n`);
  };

  end(): void {
    rememberDuration(durationsFile, this.#name, (performance.now() - this.#began) / 1000);
  }
}

/** The commands by which kubectl works in another terminal. @param directory to work in */
function environment(node: ClusterNode, directory: string): string {
  return `  export KUBECONFIG=${node.api.adminKubeconfig}
  export PATH=${dirname(kubernetesProgram("kubectl"))}:$PATH
  cd ${directory}
`;
}

function directions(node: ClusterNode, directory: string): string {
  return `
The node is ready. In another terminal:

${environment(node, directory)}
  kubectl get nodes
  kubectl get network-attachment-definitions --all-namespaces
  kubectl apply -f pod.yaml
  kubectl get pods -o wide
  kubectl describe pod web          its network-status and events
  ./in-pod web ip addr              its links
  ./multusctl validate -A           what is wrong with networks, and with pods that select some
  kubectl delete -f pod.yaml

Here are also: networks.yaml (the networks; they are there, change them), pod-default-route.yaml (a network takes over the default
route), pod-missing-network.yaml (a network that there is not). Manifests of static pods go to
${node.kubelet.staticPodDirectory}.

There are no controllers: a Deployment makes no pods, and a new namespace needs its service account (networks.yaml has one). There is
no scheduler, a pod names its node (spec.nodeName: ${nodeName}); and no image but localhost/pause:1 (imagePullPolicy: Never).
Logs of containerd, kubelet: ${node.containerd.logFile}, ${node.kubelet.logFile}
What multusd logs follows. Ctrl-C removes everything.

`;
}

function bareDirections(
  node: ClusterNode,
  directory: string,
  images: readonly string[],
  isNewest: boolean,
): string {
  const places = Object.entries(node.places).map(([place, own]) => `  ${place.padEnd(22)} ${own}`);
  return `
The node is ready, and knows nothing of multus. In another terminal:

${environment(node, projectDirectory)}
Then go through docs/quick-start.md, from its second step. Images on the node: ${images.join(", ")}.
A further one, of a tar: ${ctrOf(isNewest)} --address ${node.containerd.socket} --namespace k8s.io images import TAR
Its links are uplink0 and eth1. There are a scheduler and the controllers of DaemonSets, Deployments and certificates.

  ${directory}/in-pod with-macvlan ip addr     the links of a pod
  ${node.directory}/pod-logs                   what containers print

The node's own places are
${places.join("\n")}

Logs of containerd, kubelet: ${node.containerd.logFile}, ${node.kubelet.logFile}
Ctrl-C removes everything.

`;
}

/** A node without multus, with what the documentation's commands need. */
async function startBare(
  containerd: "debian" | "2.4",
  withImage: boolean,
  { printStep }: Start,
  resources: AsyncDisposableStack,
): Promise<ClusterNode> {
  const node = resources.use(
    await ClusterNode.start({ bare: true, serving: true, containerd, onStep: printStep }),
  );
  // Controllers end first: there is nothing to be made any more.
  const further = [
    ["controllers and scheduler", async () => resources.use(await Controllers.start(node.api))],
    ...(withImage
      ? ([["the image of multus-wasm", () => importMultusImage(node, multusImage)]] as const)
      : []),
    ["the image of busybox", () => importBusyboxImage(node)],
  ] as const;
  for (const [step, work] of further) {
    const started = performance.now();
    await work();
    printStep(step, performance.now() - started);
  }
  await node.network.ip("link", "add", "eth1", "type", "veth", "peer", "name", "wire1");
  for (const link of ["eth1", "wire1"]) await node.network.ip("link", "set", link, "up");
  return node;
}

/** Brings the node up, leaves it to the user, removes it. @param end resolves when the user has had enough */
async function play(choices: Choices, end: Promise<unknown>): Promise<void> {
  const isNewest = choices.containerd === "2.4";
  const containerd = isNewest ? "2.4" : "debian";
  const kind = choices.bare ? "A bare one-node cluster" : "A one-node cluster";
  const withImage = !choices["without-image"];
  const start = new Start(
    `${kind} with containerd ${choices.containerd}${withImage ? "" : ", without our image"}`,
    withImage ? usualSteps : usualSteps - 1,
  );
  if (choices.bare) {
    await using resources = new AsyncDisposableStack();
    const node = await startBare(containerd, withImage, start, resources);
    start.end();
    const images = [
      ...(withImage ? [`${multusImage} (of this checkout)`] : []),
      "busybox:1.37",
      "localhost/pause:1",
    ];
    process.stdout.write(bareDirections(node, writeTools(node, isNewest), images, isNewest));
    await end;
    process.stdout.write("\nremoving everything …\n");
    return;
  }
  let isUp = false;
  await using node = await ClusterNode.start({
    containerd,
    cniVersion: isNewest ? "1.1.0" : "1.0.0",
    daemonConfig: { logLevel: choices["log-level"] },
    onStep: start.printStep,
    onLog: (text) => {
      if (isUp) process.stdout.write(text);
    },
  });
  const directory = writeTools(node, isNewest);
  const files = examples(node);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const started = performance.now();
  await node.api.kubectl("apply", "-f", join(directory, "networks.yaml"));
  start.printStep("three networks", performance.now() - started);
  start.end();
  process.stdout.write(directions(node, directory));
  isUp = true;
  await end;
  process.stdout.write("\nremoving everything …\n");
}

/**
 * Ctrl-C goes to every process of the terminal's foreground group, and with containerd gone nobody could undo what the pods have. So all of it runs in a
 * session of its own, and this process tells it when to end.
 */
async function launch(args: readonly string[]): Promise<number> {
  const player = spawn(process.execPath, [import.meta.filename, ...args], {
    env: { ...process.env, [playerVariable]: "1" },
    detached: true,
    // It ends, too, when the channel is gone: this process was killed.
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (player.connected) player.disconnect();
    });
  }
  const [code] = await once(player, "exit");
  return typeof code === "number" ? code : 1;
}

const playerVariable = "MULTUS_CLUSTER_PLAYER";

/** tools/tasks/cluster.mjs has their help, and refuses what is not right. */
function choicesOf(args: readonly string[]): Choices {
  const { values } = parseArgs({
    args: [...args],
    options: {
      bare: { type: "boolean", default: false },
      "without-image": { type: "boolean", default: false },
      containerd: { type: "string", default: "1.6" },
      "log-level": { type: "string", default: "verbose" },
    },
  });
  return values;
}

try {
  const args = process.argv.slice(2);
  const choices = choicesOf(args);
  if (process.env[playerVariable] === undefined) {
    process.exitCode = await launch(args);
  } else {
    await play(choices, process.connected ? once(process, "disconnect") : Promise.resolve());
  }
} catch (error) {
  process.stderr.write(`! ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
