import { describe, expect, test, vi } from "vitest";
import { InputError } from "../../../src/base/input-error.ts";
import { type OpenCluster, openCluster } from "../../../src/kube/cluster.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { logSettings } from "../../../src/log/settings.ts";
import { type Fault, nadsPath, PretendedApiServer, podsPath } from "../../support/pretended-api-server.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

/** A server, a kubeconfig that leads to it, and what is opened by that: the tests run side by side, as some wait for seconds. */
class TestCluster implements AsyncDisposable {
  readonly server = new PretendedApiServer();
  readonly directory = new ScratchDirectory("cluster");
  kubeconfig = "";
  logged = "";
  readonly #opened: OpenCluster[] = [];

  static async start(): Promise<TestCluster> {
    const started = new TestCluster();
    started.kubeconfig = started.directory.write(
      "kubeconfig",
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "c", cluster: { server: (await started.server.start()).url } }],
        users: [{ name: "u", user: { token: "very-secret" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    return started;
  }

  async open(nodeName = "node-1"): Promise<OpenCluster> {
    const loggers = new Loggers((text) => {
      this.logged += text;
    });
    const log = loggers.get(logSettings({ logLevel: "verbose" }));
    const cluster = await openCluster(this.kubeconfig, { nodeName, nadCacheBytes: 32 << 20, log });
    this.#opened.push(cluster);
    return cluster;
  }

  /** Opened while the server has this fault. */
  async openWith(fault: Fault): Promise<OpenCluster> {
    this.server.fault = () => fault;
    const cluster = await this.open();
    expect(cluster.problem()).toMatch(/not known yet: they are being listed for the first time$/);
    return cluster;
  }

  untilKnown(): Promise<void> {
    return vi.waitFor(() => expect(this.logged).toContain("networks and pods are known"), 10_000);
  }

  linesWith(text: string): string[] {
    return this.logged.split("\n").filter((line) => line.includes(text));
  }

  get patches(): string[] {
    return this.server.asked.filter((request) => request.startsWith("PATCH"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cluster of this.#opened) await cluster.close(0);
    await this.server[Symbol.asyncDispose]();
    this.directory[Symbol.dispose]();
  }
}

const web = { namespace: "default", name: "web", uid: "u1", sandboxId: "s1" };
const webObject = { metadata: { namespace: "default", name: "web", uid: "u1" } };

describe.concurrent("a cluster", () => {
  test("is watched from the beginning, which the log says once all is known", async () => {
    await using at = await TestCluster.start();
    at.server.set(nadsPath, { metadata: { namespace: "default", name: "a" }, spec: { config: "{}" } });
    at.server.set(nadsPath, { metadata: { namespace: "default", name: "b" }, spec: { config: "{}" } });
    at.server.set(podsPath, webObject);
    const cluster = await at.open();
    await at.untilKnown();
    expect(at.logged).toContain(
      `cluster: connecting server=http://127.0.0.1:${at.server.port} node=node-1\n`,
    );
    expect(at.logged).toMatch(/cluster: networks and pods are known nads=2 pods=1 milliseconds=[\d.]+\n/);
    expect(at.logged).not.toContain("very-secret");
    expect(await cluster.nads.get("default", "b")).toMatchObject({ name: "b" });
    expect(await cluster.pods.find(web, { retry: true })).toMatchObject({ uid: "u1" });
    expect(at.server.lookups).toEqual([]);
  });

  test("is not watched for pods where the node's name is not known, which the log says", async () => {
    await using at = await TestCluster.start();
    at.server.set(podsPath, webObject);
    const cluster = await at.open("");
    await at.untilKnown();
    expect(at.linesWith("MULTUS_NODE_NAME is not set")).toHaveLength(1);
    expect(at.logged).toMatch(/networks and pods are known nads=0 milliseconds/);
    expect(await cluster.pods.find(web, { retry: true })).toMatchObject({ uid: "u1" });
    expect(at.server.asked.filter((request) => request.includes(podsPath))).toEqual([]);
  });

  test("of a kubeconfig that cannot be used is an error that names it", async () => {
    await using at = await TestCluster.start();
    at.kubeconfig = at.directory.write("kubeconfig", '{"clusters": 5}');
    await expect(at.open()).rejects.toMatchObject({
      kind: "content",
      message: expect.stringContaining(at.kubeconfig),
    });
    at.kubeconfig = `${at.kubeconfig}-missing`;
    await expect(at.open()).rejects.toThrow(InputError);
  });
});

describe.concurrent("reasons that keep a cluster from serving", () => {
  test("is a server that cannot be reached, until it is", async () => {
    await using at = await TestCluster.start();
    const cluster = await at.openWith("reset");
    const why = `of the cluster at http://127.0.0.1:${at.server.port} are not known yet: `;
    await vi.waitFor(() => expect(cluster.problem()).not.toContain("for the first time"), 20_000);
    expect(cluster.problem()).toContain(why);
    at.server.fault = () => undefined;
    await vi.waitFor(() => expect(cluster.problem()).toBeUndefined(), 20_000);
  });

  test("is a server that does not know who asks", async () => {
    await using at = await TestCluster.start();
    const cluster = await at.openWith({ status: 401 });
    await vi.waitFor(() => expect(cluster.problem()).toContain("this is answer 401"), 20_000);
  });

  test.each([403, 404])(
    "is not an answer %i: what does not need these networks still works",
    async (status) => {
      await using at = await TestCluster.start();
      const cluster = await at.openWith({ status });
      await vi.waitFor(() => expect(cluster.problem()).toBeUndefined(), 20_000);
    },
  );

  test("is nothing once all is known, whatever becomes of the server", async () => {
    await using at = await TestCluster.start();
    const cluster = await at.open();
    await at.untilKnown();
    at.server.fault = () => "reset";
    at.server.cut();
    await vi.waitFor(() => expect(at.linesWith("not watched").length).toBeGreaterThan(0), 20_000);
    expect(cluster.problem()).toBeUndefined();
  });
});

describe.concurrent("the first list", () => {
  test("is waited for, and what it makes known is no problem", async () => {
    await using at = await TestCluster.start();
    const cluster = await at.open();
    expect(cluster.problem()).toBeDefined();
    await cluster.untilListed();
    expect(cluster.problem()).toBeUndefined();
  });

  test("is waited for a second at most, and not at all once it has failed", async () => {
    await using at = await TestCluster.start();
    at.server.fault = () => "silence";
    const cluster = await at.open();
    const begin = performance.now();
    await cluster.untilListed();
    expect(performance.now() - begin).toBeGreaterThan(900);
    expect(cluster.problem()).toContain("for the first time");
    at.server.fault = () => "reset";
    const failing = await at.open();
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

describe.concurrent("the log", () => {
  test("says once for each watch that a server is away, and that it is back", async () => {
    await using at = await TestCluster.start();
    await at.open();
    await at.untilKnown();
    at.server.fault = () => "reset";
    at.server.cut();
    const asked = at.server.requests.length;
    await vi.waitFor(() => expect(at.server.requests.length).toBeGreaterThan(asked + 12), 30_000);
    at.server.fault = () => undefined;
    await vi.waitFor(() => expect(at.linesWith("watched again")).toHaveLength(2), 30_000);
    expect(at.linesWith("[error]")).toHaveLength(2);
    expect(at.linesWith("[error] pods: not watched")).toHaveLength(1);
    expect(at.linesWith("[error] network-attachment-definitions: not watched")).toHaveLength(1);
  });

  test("says what is missing where the definition of the networks is not installed", async () => {
    await using at = await TestCluster.start();
    at.server.fault = ({ path }) => (path.startsWith(nadsPath) ? { status: 404 } : undefined);
    await at.open();
    const asked = at.server.requests.length;
    await vi.waitFor(() => expect(at.server.requests.length).toBeGreaterThan(asked + 3), 20_000);
    expect(at.linesWith("[error]")).toEqual([
      expect.stringMatching(
        /network-attachment-definitions: not watched .*CustomResourceDefinition installed/,
      ),
    ]);
  });
});

describe.concurrent("a cluster that is closed", () => {
  test("has delivered its statuses before", async () => {
    await using at = await TestCluster.start();
    at.server.set(podsPath, webObject);
    const cluster = await at.open();
    await at.untilKnown();
    cluster.sink.networkStatus(web, Buffer.from("[]"));
    expect(await cluster.close(10_000)).toBe(0);
    expect(at.patches).toHaveLength(1);
    await vi.waitFor(() => expect(at.server.watchCount).toBe(0), 10_000);
  });

  test("gives up what it cannot deliver in time, and says how much", async () => {
    await using at = await TestCluster.start();
    const cluster = await at.open();
    await at.untilKnown();
    at.server.fault = ({ path }) => (path.includes("/status") ? "silence" : undefined);
    cluster.sink.networkStatus(web, Buffer.from("[]"));
    const begin = performance.now();
    expect(await cluster.close(300)).toBe(1);
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});
