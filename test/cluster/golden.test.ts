/** The recorded cases of Go multus with their objects in a real API server, on the whole path: plugin binary, daemon, processes, a namespace. */

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectation, goesOn } from "../golden/allowed-differences.ts";
import { CaseInCluster, createNamespaces, type SeenInApi } from "../golden/case-in-cluster.ts";
import { cases, type GoldenCase } from "../golden/cases.ts";
import { ScratchHost } from "../golden/scratch-host.ts";
import {
  endOfStaying,
  installDelegates,
  isReady,
  runStep,
  socketDir,
  withDaemonLog,
  withoutKubelet,
} from "../golden/whole-path.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { FaultProxy } from "../support/cluster/fault-proxy.ts";
import { writeKubeconfig } from "../support/cluster/kubeconfig.ts";
import { Daemon } from "../support/daemon.ts";
import { Namespace } from "../support/namespace.ts";

const nodeName = "node-1";
const patience = { timeout: 30_000, interval: 20 };

/** From where a daemon knows its cluster and the pod's annotations. */
const ways = [
  { about: "the netconf's cluster, annotations of the API", where: "cluster" },
  { about: "the daemon's cluster, annotations of the request", where: "cluster and runtime" },
] as const;

/** The API's state after a step. An event that was there before is counted up there, not sent once more. */
function expectedInApi(golden: GoldenCase, index: number): SeenInApi {
  if (index < 0) return { networkStatus: undefined, events: [] };
  const { networkStatus, events } = expectation(golden, index);
  return { networkStatus, events: [...new Set(events)] };
}

/** The recorded netconf's kubeconfig; undefined: the case has no cluster. */
function kubeconfigOf({ steps: [first] }: GoldenCase): string | undefined {
  const kubeconfig = first?.given.stdin.kubeconfig;
  return typeof kubeconfig === "string" ? kubeconfig : undefined;
}

/** Is there a whole plan when the step begins? */
function hasPlan(golden: GoldenCase, index: number): boolean {
  const { rm, write } = golden.steps[index]?.given ?? {};
  const files = index === 0 ? {} : expectation(golden, index - 1).files;
  return (
    rm === undefined && write === undefined && Object.keys(files).some((path) => !path.startsWith("results/"))
  );
}

/** The requests of a step with warm caches: a PATCH for the status, a POST for each event, and neither pod nor network is asked for. */
function expectedRequests(golden: GoldenCase, index: number, sendsAnnotations: boolean): string[] {
  const { namespace, name } = golden.pod;
  const podPath = `/api/v1/namespaces/${namespace}/pods/${name}`;
  const before = expectedInApi(golden, index - 1);
  const after = expectedInApi(golden, index);
  const isNewStatus = before.networkStatus === undefined && after.networkStatus !== undefined;
  const news = after.events.filter((event) => !before.events.includes(event));
  const isDel = golden.steps[index]?.command === "DEL";
  // Without a plan the networks that the pod would get today are undone. It may be gone since, so that only the API can say.
  const asksForPod =
    isDel &&
    !sendsAnnotations &&
    kubeconfigOf(golden) !== undefined &&
    !hasPlan(golden, index) &&
    expectation(golden, index).calls.length > 0;
  // The last plugin of an ADD that has called some and fails is the one that has failed, which is an event of ours alone.
  const { succeeds, calls } = expectation(golden, index);
  const isNotAttached =
    golden.steps[index]?.command === "ADD" && !succeeds && calls.some(({ command }) => command === "ADD");
  // The whole pod says which ResourceClaims it has, before its devices are said to be unknown.
  const asksForClaims = news.some((event) => event.startsWith("Warning DeviceNotAssigned"));
  return [
    ...(asksForPod || asksForClaims ? [`GET ${podPath}`] : []),
    ...(isNewStatus ? [`PATCH ${podPath}/status`] : []),
    ...[...news, ...(isNotAttached ? ["NetworkNotAttached"] : [])].map(
      () => `POST /apis/events.k8s.io/v1/namespaces/${namespace}/events`,
    ),
  ];
}

const resources = new AsyncDisposableStack();
let api: ApiServer;
let proxy: FaultProxy;
let token: string;

beforeAll(async () => {
  api = resources.use(await ApiServer.start());
  await api.applyDeployment();
  await createNamespaces(api);
  proxy = resources.use(await FaultProxy.start(api));
  token = await api.createToken("kube-system", "multus");
});

afterAll(async () => {
  await resources.disposeAsync();
});

const isWatch = /(?:^|&)watch=1(?:&|$)/u;

/** Which pods run: asked for while one that selects networks has no network-status yet, so that it depends on the moment. */
const asksForRunning = /status\.phase%3DRunning/u;

/** Requests since the last `clear`, but for what no cache can know: a watch may end and begin again, and a network that does not exist is looked for. */
function requests(): string[] {
  return proxy.requests
    .filter(({ query }) => !isWatch.test(query) && !asksForRunning.test(query))
    .filter(({ path, status }) => !(status === 404 && path.includes("/network-attachment-definitions/")))
    .map(({ method, path }) => `${method} ${path}`)
    .sort();
}

function watchedPaths(): string[] {
  const watches = proxy.requests.filter(({ query }) => isWatch.test(query));
  return [...new Set(watches.map(({ path }) => path))].sort();
}

/** Writes a kubeconfig with the rights of the daemon's service account. */
function writeDaemonKubeconfig(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeKubeconfig(path, proxy.url, api.certificates.authority.certificate, { token });
}

const compared = cases.filter((golden) => !goesOn(golden));

describe.each(ways)("$about", ({ where }) => {
  test.each(compared)("$name: $about", async (golden) => {
    await using objects = await CaseInCluster.create(api, golden, nodeName);
    await using namespace = await Namespace.create("golden");
    using host = new ScratchHost(golden, namespace.path, objects.podUid);
    await using _staying = endOfStaying(host);
    installDelegates(golden, host);
    for (const words of golden.netnsSetup ?? []) {
      await namespace.ip(...words);
    }
    const recordedKubeconfig = kubeconfigOf(golden);
    const hasCluster = recordedKubeconfig !== undefined;
    const isDaemonsOwn = where === "cluster and runtime";
    const kubeconfig = isDaemonsOwn ? join(host.root, "kubeconfig") : host.path(recordedKubeconfig ?? "");
    if (hasCluster) writeDaemonKubeconfig(kubeconfig);
    await proxy.clear();
    await using daemon = new Daemon(
      host.root,
      {
        socketDir: socketDir(host),
        ...withoutKubelet(host.root),
        logLevel: "debug",
        ...(hasCluster && isDaemonsOwn ? { kubeconfig } : {}),
      },
      { environment: { MULTUS_NODE_NAME: nodeName } },
    );
    await daemon.start();
    if (hasCluster) {
      await expect.poll(() => isReady(golden, host, where), patience).toBe(true);
      // A watch begins when its list is known.
      await expect
        .poll(watchedPaths, patience)
        .toEqual(["/api/v1/pods", "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"]);
    }

    for (const [index, step] of golden.steps.entries()) {
      const about = () => `step ${index}, ${step.command}; ${withDaemonLog(daemon)}`;
      const { networkStatus: _status, events: _events, ...onHost } = expectation(golden, index);
      if (step.given.deletePod === true) await objects.deletePod();
      await proxy.clear();
      const done = await runStep(golden, step, index, host, namespace, where);
      expect(done, about()).toEqual({ ...onHost, routes: onHost.routes ?? done.routes });
      await expect
        .poll(async () => ({ ...(await objects.seen()), requests: requests() }), {
          ...patience,
          message: about(),
        })
        .toEqual({
          ...expectedInApi(golden, index),
          requests: expectedRequests(golden, index, where !== "cluster"),
        });
    }

    // The daemon delivers all that is pending before it ends.
    expect(await daemon.stop()).toBe(0);
    expect(await objects.seen(), withDaemonLog(daemon)).toEqual(
      expectedInApi(golden, golden.steps.length - 1),
    );
  });
});
