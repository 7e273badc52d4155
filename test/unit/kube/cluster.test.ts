import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { type OpenCluster, openCluster } from "../../../src/kube/cluster.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { logSettings } from "../../../src/log/settings.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { ApiServer, type Fault, nadsPath, podsPath } from "./api-server.ts";

let directory: ScratchDirectory;
let server: ApiServer;
let kubeconfig: string;
let logged: string;
const opened: OpenCluster[] = [];

beforeEach(async () => {
  directory = new ScratchDirectory("cluster");
  server = new ApiServer();
  kubeconfig = writeKubeconfig(await server.start());
  logged = "";
});

afterEach(async () => {
  for (const cluster of opened.splice(0)) await cluster.close(0);
  await server[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

function writeKubeconfig(url: string): string {
  return directory.write(
    "kubeconfig",
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: url } }],
      users: [{ name: "u", user: { token: "very-secret" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
}

async function open(nodeName = "node-1"): Promise<OpenCluster> {
  const loggers = new Loggers((text) => {
    logged += text;
  });
  const log = loggers.get(logSettings({ logLevel: "verbose" }));
  const cluster = await openCluster(kubeconfig, nodeName, log);
  opened.push(cluster);
  return cluster;
}

const untilKnown = () => vi.waitFor(() => expect(logged).toContain("networks and pods are known"), 10_000);
const linesWith = (text: string) => logged.split("\n").filter((line) => line.includes(text));

const web = { namespace: "default", name: "web", uid: "u1", sandboxId: "s1" };
const webObject = { metadata: { namespace: "default", name: "web", uid: "u1" } };

describe("a cluster", () => {
  test("is watched from the beginning, which the log says once all is known", async () => {
    server.set(nadsPath, { metadata: { namespace: "default", name: "a" }, spec: { config: "{}" } });
    server.set(nadsPath, { metadata: { namespace: "default", name: "b" }, spec: { config: "{}" } });
    server.set(podsPath, webObject);
    const cluster = await open();
    await untilKnown();
    expect(logged).toContain(`cluster: connecting server=http://127.0.0.1:${server.port} node=node-1\n`);
    expect(logged).toMatch(/cluster: networks and pods are known nads=2 pods=1 milliseconds=[\d.]+\n/);
    expect(logged).not.toContain("very-secret");
    expect(await cluster.nads.get("default", "b")).toMatchObject({ name: "b" });
    expect(await cluster.pods.find(web, { retry: true })).toMatchObject({ uid: "u1" });
    expect(server.lookups).toEqual([]);
  });

  test("is not watched for pods where the node's name is not known, which the log says", async () => {
    server.set(podsPath, webObject);
    const cluster = await open("");
    await untilKnown();
    expect(linesWith("MULTUS_NODE_NAME is not set")).toHaveLength(1);
    expect(logged).toMatch(/networks and pods are known nads=0 milliseconds/);
    expect(await cluster.pods.find(web, { retry: true })).toMatchObject({ uid: "u1" });
    expect(server.requests.filter((request) => request.includes(podsPath))).toEqual([]);
  });

  test("of a kubeconfig that cannot be used is a CNI error that names it", async () => {
    kubeconfig = directory.write("kubeconfig", '{"clusters": 5}');
    await expect(open()).rejects.toMatchObject({ code: 7, message: expect.stringContaining(kubeconfig) });
    kubeconfig = `${kubeconfig}-missing`;
    await expect(open()).rejects.toThrow(CniError);
  });
});

describe("what keeps a cluster from serving", () => {
  /** Opened while the server has this fault. */
  async function openWith(fault: Fault): Promise<OpenCluster> {
    server.fault = () => fault;
    const cluster = await open();
    expect(cluster.problem()).toMatch(/not known yet: they are being listed for the first time$/);
    return cluster;
  }

  test("is a server that cannot be reached, until it is", async () => {
    const cluster = await openWith("reset");
    const why = `of the cluster at http://127.0.0.1:${server.port} are not known yet: `;
    await vi.waitFor(() => expect(cluster.problem()).not.toContain("for the first time"), 20_000);
    expect(cluster.problem()).toContain(why);
    server.fault = () => undefined;
    await vi.waitFor(() => expect(cluster.problem()).toBeUndefined(), 20_000);
  });

  test("is a server that does not know who asks", async () => {
    const cluster = await openWith({ status: 401 });
    await vi.waitFor(() => expect(cluster.problem()).toContain("this is answer 401"), 20_000);
  });

  test.each([403, 404])(
    "is not an answer %i: what does not need these networks still works",
    async (status) => {
      const cluster = await openWith({ status });
      await vi.waitFor(() => expect(cluster.problem()).toBeUndefined(), 20_000);
    },
  );

  test("is nothing once all is known, whatever becomes of the server", async () => {
    const cluster = await open();
    await untilKnown();
    server.fault = () => "reset";
    server.cut();
    await vi.waitFor(() => expect(linesWith("not watched").length).toBeGreaterThan(0), 20_000);
    expect(cluster.problem()).toBeUndefined();
  });
});

describe("the first list", () => {
  test("is waited for, and what it makes known is no problem", async () => {
    const cluster = await open();
    expect(cluster.problem()).toBeDefined();
    await cluster.untilListed();
    expect(cluster.problem()).toBeUndefined();
  });

  test("is waited for a second at most, and not at all once it has failed", async () => {
    server.fault = () => "silence";
    const cluster = await open();
    const begin = performance.now();
    await cluster.untilListed();
    expect(performance.now() - begin).toBeGreaterThan(900);
    expect(cluster.problem()).toContain("for the first time");
    server.fault = () => "reset";
    const failing = await open();
    await vi.waitFor(() => expect(failing.problem()).not.toContain("for the first time"), 20_000);
    let waited = true;
    const listed = failing.untilListed().then(() => {
      waited = false;
    });
    await new Promise(setImmediate);
    expect(waited).toBe(false);
    await listed;
  });
});

describe("the log", () => {
  test("says once for each watch that a server is away, and that it is back", async () => {
    await open();
    await untilKnown();
    server.fault = () => "reset";
    server.cut();
    const asked = server.requests.length;
    await vi.waitFor(() => expect(server.requests.length).toBeGreaterThan(asked + 12), 30_000);
    server.fault = () => undefined;
    await vi.waitFor(() => expect(linesWith("watched again")).toHaveLength(2), 30_000);
    expect(linesWith("[error]")).toHaveLength(2);
    expect(linesWith("[error] pods: not watched")).toHaveLength(1);
    expect(linesWith("[error] network-attachment-definitions: not watched")).toHaveLength(1);
  });

  test("says what is missing where the definition of the networks is not installed", async () => {
    server.fault = (path) => (path.startsWith(nadsPath) ? { status: 404 } : undefined);
    await open();
    const asked = server.requests.length;
    await vi.waitFor(() => expect(server.requests.length).toBeGreaterThan(asked + 3), 20_000);
    expect(linesWith("[error]")).toEqual([
      expect.stringMatching(
        /network-attachment-definitions: not watched .*CustomResourceDefinition installed/,
      ),
    ]);
  });
});

describe("a cluster that is closed", () => {
  const patches = () => server.requests.filter((request) => request.startsWith("PATCH"));

  test("has delivered its statuses before", async () => {
    const cluster = await open();
    await untilKnown();
    cluster.sink.networkStatus(web, Buffer.from("[]"));
    expect(await cluster.close(10_000)).toBe(0);
    expect(patches()).toHaveLength(1);
    await vi.waitFor(() => expect(server.watchCount).toBe(0), 10_000);
  });

  test("gives up what it cannot deliver in time, and says how much", async () => {
    const cluster = await open();
    await untilKnown();
    server.fault = (path) => (path.includes("/status") ? "silence" : undefined);
    cluster.sink.networkStatus(web, Buffer.from("[]"));
    const begin = performance.now();
    expect(await cluster.close(300)).toBe(1);
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});
