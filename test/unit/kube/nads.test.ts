import { describe, expect, test, vi } from "vitest";
import { type CniError, cniErrorOf } from "../../../src/cni/errors.ts";
import { KubeNads } from "../../../src/kube/nads.ts";
import { type Logger, silentLogger } from "../../../src/log/logger.ts";
import type { Nad } from "../../../src/multus/plan/nads.ts";
import { type KubeObject, nadsPath, type SeenRequest } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ServerWithClient } from "./server-with-client.ts";

/** With its watch open, unless the server does not let it. */
async function openNads(
  at: ServerWithClient,
  {
    connected = true,
    cacheBytes = 32 << 20,
    log = silentLogger,
  }: { connected?: boolean; cacheBytes?: number; log?: Logger } = {},
): Promise<KubeNads> {
  const nads = new KubeNads(at.api, log, cacheBytes);
  at.opened.defer(() => nads.watch.close());
  if (connected) await vi.waitFor(() => expect(nads.watch.connected).toBe(true), 60_000);
  return nads;
}

const macvlan = JSON.stringify({ cniVersion: "1.0.0", type: "macvlan" });

function nad(name: string, config: unknown = macvlan, metadata: object = {}): KubeObject {
  return { metadata: { name, namespace: "default", ...metadata }, spec: { config } };
}

const configOf = (found: Nad | undefined) => found && Buffer.from(found.config).toString();

async function failure(work: Promise<unknown>): Promise<CniError> {
  const outcome = await work.catch((error: unknown) => error);
  const known = cniErrorOf(outcome);
  if (known !== undefined) return known;
  throw new Error(`no CniError but ${String(outcome)}`);
}

describe.concurrent("a NetworkAttachmentDefinition that is watched", () => {
  test("is known without a request: configuration, resource name, and what it is called in errors", async () => {
    await using at = await ServerWithClient.start();
    const metadata = { annotations: { "k8s.v1.cni.cncf.io/resourceName": "example.com/nic", other: "x" } };
    at.server.set(nadsPath, nad("a", macvlan, metadata));
    const nads = await openNads(at);
    const found = await nads.get("default", "a");
    expect(found).toMatchObject({
      namespace: "default",
      name: "a",
      where: "NetworkAttachmentDefinition default/a",
      annotations: { "k8s.v1.cni.cncf.io/resourceName": "example.com/nic" },
    });
    expect(Object.keys(found?.annotations ?? {})).toHaveLength(1);
    expect(configOf(found)).toBe(macvlan);
    expect(at.server.lookups).toEqual([]);
  });

  test("stays the same object until its configuration is another", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at);
    const first = await nads.get("default", "a");
    expect((await nads.get("default", "a"))?.config).toBe(first?.config);

    at.server.set(nadsPath, nad("a", macvlan, { labels: { changed: "elsewhere" } }));
    at.server.set(nadsPath, nad("after"));
    await vi.waitFor(() => expect(nads.watch.get("default/after")).toBeDefined(), 10_000);
    expect((await nads.get("default", "a"))?.config).toBe(first?.config);

    at.server.set(nadsPath, nad("a", `${macvlan} `));
    await vi.waitFor(
      async () => expect(configOf(await nads.get("default", "a"))).toBe(`${macvlan} `),
      10_000,
    );
  });

  test("is the same object after everything had to be listed again", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at);
    const first = await nads.get("default", "a");
    let isGone = true;
    at.server.fault = ({ path }) => (path.includes("watch=") && isGone ? { status: 410 } : undefined);
    at.server.cut();
    await vi.waitFor(() => expect(nads.watch.state.lists).toBeGreaterThan(1), 10_000);
    isGone = false;
    await vi.waitFor(() => expect(nads.watch.connected).toBe(true), 10_000);
    expect((await nads.get("default", "a"))?.config).toBe(first?.config);
  });

  test("is gone when it is deleted, and another one when it is made again", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at);
    at.server.delete(nadsPath, "default", "a");
    await vi.waitFor(async () => expect(await nads.get("default", "a")).toBeUndefined(), 10_000);
    at.server.set(nadsPath, nad("a", "{}"));
    await vi.waitFor(async () => expect(configOf(await nads.get("default", "a"))).toBe("{}"), 10_000);
  });

  test.each([
    ["no spec", { metadata: { name: "a", namespace: "default" } }],
    ["spec null", { metadata: { name: "a", namespace: "default" }, spec: null }],
    ["no config", { metadata: { name: "a", namespace: "default" }, spec: {} }],
    ["config null", nad("a", null)],
  ])("with %s has an empty configuration", async (_what, object) => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, object);
    const nads = await openNads(at);
    expect((await nads.get("default", "a"))?.config).toHaveLength(0);
  });

  test("whose configuration is no text is an error that names it, for those who ask for it alone", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("object", { type: "macvlan" }));
    at.server.set(nadsPath, nad("good"));
    const nads = await openNads(at);
    const error = await failure(nads.get("default", "object"));
    expect(error.code).toBe(7);
    expect(error.message).toBe(
      "NetworkAttachmentDefinition default/object: spec.config must be a text with JSON in it",
    );
    expect(configOf(await nads.get("default", "good"))).toBe(macvlan);
  });

  test("whose configuration is too large is an error that says how large, and is not kept", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("large", "ü".repeat(600_000)));
    at.server.set(nadsPath, nad("just", " ".repeat(1024 * 1024)));
    const nads = await openNads(at);
    const error = await failure(nads.get("default", "large"));
    expect(error.code).toBe(7);
    expect(error.message).toBe(
      "NetworkAttachmentDefinition default/large: spec.config has 1200000 bytes, and at most 1048576 are allowed",
    );
    expect(nads.watch.get("default/large")?.config).toHaveLength(0);
    expect((await nads.get("default", "just"))?.config).toHaveLength(1024 * 1024);
  });

  test("may have any characters in it", async () => {
    await using at = await ServerWithClient.start();
    const config = JSON.stringify({ type: "macvlan", note: "Größe 网络 🦀" });
    at.server.set(nadsPath, nad("a", config));
    const nads = await openNads(at);
    expect(configOf(await nads.get("default", "a"))).toBe(config);
  });

  test("is used while the server is away", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at);
    at.server.fault = () => "reset";
    at.server.cut();
    await vi.waitFor(() => expect(nads.watch.connected).toBe(false), 10_000);
    expect(configOf(await nads.get("default", "a"))).toBe(macvlan);
    expect(at.server.lookups).toEqual([]);
  });
});

describe.concurrent("a NetworkAttachmentDefinition that the watch does not have", () => {
  test("is asked for", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    at.server.set(nadsPath, nad("late"), { seen: false });
    expect(configOf(await nads.get("default", "late"))).toBe(macvlan);
    expect(at.server.lookups).toEqual([
      "GET /apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions/late",
    ]);
  });

  test("is asked for once, however many want it at once", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    at.server.set(nadsPath, nad("late"), { seen: false });
    const found = await Promise.all(Array.from({ length: 20 }, () => nads.get("default", "late")));
    expect(new Set(found.map((one) => one?.config)).size).toBe(1);
    expect(at.server.lookups).toHaveLength(1);
  });

  test("and the API neither is asked for once in a while, and found as soon as the watch brings it", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    for (let ask = 0; ask < 5; ask++) expect(await nads.get("default", "missing")).toBeUndefined();
    expect(at.server.lookups).toHaveLength(1);
    at.server.set(nadsPath, nad("missing"));
    await vi.waitFor(async () => expect(configOf(await nads.get("default", "missing"))).toBe(macvlan), {
      timeout: 20_000,
      interval: 20,
    });
    expect(at.server.lookups).toHaveLength(1);
  });

  test("stays missing while the server is away, so that a file of that name is used; of others nobody knows", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    expect(await nads.get("default", "in-a-file")).toBeUndefined();
    at.server.fault = () => "reset";
    at.server.cut();
    await vi.waitFor(() => expect(nads.watch.connected).toBe(false), 10_000);
    expect(await nads.get("default", "in-a-file")).toBeUndefined();
    expect((await failure(nads.get("default", "unheard-of"))).code).toBe(11);
  });

  test.each(["..", "a/b", "../../../../api/v1/secrets", "a?watch=1", "A", "", "-a"])(
    "is not asked for where %j can be no object's name",
    async (name) => {
      await using at = await ServerWithClient.start();
      const nads = await openNads(at);
      expect(await nads.get("default", name)).toBeUndefined();
      expect(await nads.get(name, "a")).toBeUndefined();
      expect(at.server.lookups).toEqual([]);
    },
  );

  test.each([500, 503])("is asked for again while the API answers %i", async (status) => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    at.server.set(nadsPath, nad("late"), { seen: false });
    let faults = 2;
    at.server.fault = () => (faults-- > 0 ? { status } : undefined);
    expect(configOf(await nads.get("default", "late"))).toBe(macvlan);
    expect(at.server.lookups).toHaveLength(3);
  });

  test("is code 11 where the API does not answer for long", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    at.server.fault = () => "reset";
    const begin = performance.now();
    const error = await failure(nads.get("default", "late"));
    expect(performance.now() - begin).toBeGreaterThan(2_000);
    expect(error.code).toBe(11);
    expect(error.message).toContain("NetworkAttachmentDefinition default/late cannot be looked up: ");
    expect(at.server.lookups.length).toBeGreaterThan(3);
  });

  test("is code 11 at once where the API refuses", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    at.server.fault = () => ({ status: 403 });
    const error = await failure(nads.get("default", "late"));
    expect([error.code, error.message]).toEqual([11, expect.stringContaining("this is answer 403")]);
    expect(at.server.lookups).toHaveLength(1);
  });
});

describe.concurrent("where the API lets nobody watch", () => {
  const forbidden = ({ path }: SeenRequest) => (path.includes("/namespaces/") ? undefined : { status: 403 });

  test("each is asked for, and stays the same object while it is the same", async () => {
    await using at = await ServerWithClient.start();
    at.server.fault = forbidden;
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at, { connected: false });
    await vi.waitFor(() => expect(nads.watch.refused).toBe(true), 10_000);
    const first = await nads.get("default", "a");
    expect(configOf(first)).toBe(macvlan);
    expect((await nads.get("default", "a"))?.config).toBe(first?.config);
    expect(at.server.lookups).toHaveLength(2);
    at.server.set(nadsPath, nad("a", "{}"));
    expect(configOf(await nads.get("default", "a"))).toBe("{}");
    at.server.delete(nadsPath, "default", "a");
    expect(await nads.get("default", "a")).toBeUndefined();
  });

  test("the NAD that was known is used where the API does not answer", async () => {
    await using at = await ServerWithClient.start();
    at.server.fault = forbidden;
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at, { connected: false });
    await vi.waitFor(() => expect(nads.watch.refused).toBe(true), 10_000);
    await nads.get("default", "a");
    at.server.fault = ({ path }) => (path.includes("/namespaces/") ? { status: 503 } : { status: 403 });
    expect(configOf(await nads.get("default", "a"))).toBe(macvlan);
  });

  test("a NAD that an earlier watch brought is not believed any more", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(nadsPath, nad("a"));
    const nads = await openNads(at);
    at.server.fault = forbidden;
    at.server.cut();
    await vi.waitFor(() => expect(nads.watch.refused).toBe(true), 10_000);
    at.server.set(nadsPath, nad("a", "{}"));
    expect(configOf(await nads.get("default", "a"))).toBe("{}");
  });
});

describe.concurrent("where configurations are larger than memory may be", () => {
  const cacheBytes = 1 << 20;
  const largeBytes = 300_000;
  const large = (name: string, namespace = "greedy") => nad(name, "x".repeat(largeBytes), { namespace });

  async function crowded(at: ServerWithClient, log: Logger = silentLogger): Promise<KubeNads> {
    at.server.set(nadsPath, nad("ordinary"));
    for (let index = 0; index < 20; index++) at.server.set(nadsPath, large(`large-${index}`));
    return openNads(at, { cacheBytes, log });
  }

  test("memory has no more than it may, every object is known, and those of other namespaces are kept", async () => {
    await using at = await ServerWithClient.start();
    const log = new RecordingLogger();
    const nads = await crowded(at, log);
    expect(nads.state.size).toBe(21);
    expect(nads.state.memory.bytes).toBeLessThanOrEqual(cacheBytes);
    expect(nads.state.memory.leftOut).toBeGreaterThanOrEqual(17);
    expect(configOf(await nads.get("default", "ordinary"))).toBe(macvlan);
    expect(at.server.lookups).toEqual([]);
    expect(log.errors).toHaveLength(1);
  });

  test("a configuration that was left out is asked for when it is needed, and kept from then on, until it changes", async () => {
    await using at = await ServerWithClient.start();
    const nads = await crowded(at);
    const [leftOut] = [...nads.watch.values()].filter(({ isHeld }) => !isHeld);
    const name = leftOut?.name ?? "";
    const first = await nads.get("greedy", name);
    expect(first?.config).toHaveLength(largeBytes);
    expect(at.server.lookups).toHaveLength(1);
    expect((await nads.get("greedy", name))?.config).toBe(first?.config);
    expect(at.server.lookups).toHaveLength(1);
    expect(nads.state.memory.bytes).toBeLessThanOrEqual(cacheBytes);
    at.server.set(nadsPath, nad(name, "{}", { namespace: "greedy" }));
    await vi.waitFor(async () => expect(configOf(await nads.get("greedy", name))).toBe("{}"), 10_000);
    expect(first?.config).toHaveLength(largeBytes);
  });

  test("the API's NAD is used, not the one that the watch was told before", async () => {
    await using at = await ServerWithClient.start();
    const nads = await crowded(at);
    const [leftOut] = [...nads.watch.values()].filter(({ isHeld }) => !isHeld);
    const name = leftOut?.name ?? "";
    at.server.set(nadsPath, nad(name, "{}", { namespace: "greedy" }), { seen: false });
    expect(configOf(await nads.get("greedy", name))).toBe("{}");
    // The watch will bring it; until then it is asked for again.
    expect(nads.watch.get(`greedy/${name}`)?.isHeld).toBe(false);
  });

  test("without the API an error says why it is asked, and what is kept is used", async () => {
    await using at = await ServerWithClient.start();
    const nads = await crowded(at);
    const [leftOut] = [...nads.watch.values()].filter(({ isHeld }) => !isHeld);
    at.server.fault = () => "reset";
    at.server.cut();
    const error = await failure(nads.get("greedy", leftOut?.name ?? ""));
    expect(error.code).toBe(11);
    expect(error.message).toMatch(
      /cannot be looked up: .*; its configuration is not in memory, .* nadCacheBytes \(1048576\)$/,
    );
    expect(configOf(await nads.get("default", "ordinary"))).toBe(macvlan);
  });

  test("one namespace has two of the API's answers at once, and another one gets its own meanwhile", async () => {
    await using at = await ServerWithClient.start();
    const nads = await openNads(at);
    at.server.fault = ({ path }) => (path.includes("/namespaces/greedy/") ? "silence" : undefined);
    const waiting = Array.from({ length: 20 }, (_, index) =>
      nads.get("greedy", `slow-${index}`).catch(() => undefined),
    );
    at.server.set(nadsPath, nad("late"), { seen: false });
    expect(configOf(await nads.get("default", "late"))).toBe(macvlan);
    expect(at.server.lookups.filter((path) => path.includes("/greedy/"))).toHaveLength(2);
    at.server.fault = () => ({ status: 403 });
    at.server.cut();
    await Promise.all(waiting);
  });

  test("names beyond that are asked for as if the watch had not brought them", async () => {
    await using at = await ServerWithClient.start();
    for (let index = 0; index < 4_000; index++)
      at.server.set(nadsPath, nad(`many-${index}`, "{}", { namespace: "greedy" }));
    at.server.set(nadsPath, nad("ordinary"));
    const nads = await openNads(at, { cacheBytes });
    const { size, memory } = nads.state;
    expect(memory.bytes).toBeLessThanOrEqual(cacheBytes);
    expect(size).toBeLessThanOrEqual(cacheBytes / 512);
    expect(size + nads.watch.forgotten).toBe(4_001);
    for (const name of ["many-0", "many-3999"]) expect(configOf(await nads.get("greedy", name))).toBe("{}");
    expect(configOf(await nads.get("default", "ordinary"))).toBe(macvlan);
    for (let index = 0; index < 4_000; index++) at.server.delete(nadsPath, "greedy", `many-${index}`);
    await vi.waitFor(() => expect(nads.state).toMatchObject({ size: 1, memory: { leftOut: 0 } }), 20_000);
  });

  test("the names of their resources go with them, and the daemon goes on", async () => {
    await using at = await ServerWithClient.start();
    const key = "k8s.v1.cni.cncf.io/resourceName";
    const annotations = { [key]: "r".repeat(317) };
    for (let index = 0; index < 2_000; index++)
      at.server.set(nadsPath, nad(`many-${index}`, macvlan, { namespace: "greedy", annotations }));
    const nads = await openNads(at, { cacheBytes });
    const { size, memory } = nads.state;
    expect(size).toBe(2_000);
    expect(memory.bytes).toBeLessThanOrEqual(cacheBytes);
    expect(memory.leftOut).toBe([...nads.watch.values()].filter(({ isHeld }) => !isHeld).length);
    for (const name of ["many-0", "many-1999"]) {
      const found = await nads.get("greedy", name);
      expect(configOf(found)).toBe(macvlan);
      expect(found?.annotations).toEqual(annotations);
    }
  });

  test("and nothing may be watched, what is asked for stays within that too", async () => {
    await using at = await ServerWithClient.start();
    at.server.fault = ({ path }) => (path.includes("/namespaces/") ? undefined : { status: 403 });
    for (let index = 0; index < 20; index++) at.server.set(nadsPath, large(`large-${index}`));
    const nads = await openNads(at, { connected: false, cacheBytes });
    await vi.waitFor(() => expect(nads.watch.refused).toBe(true), 10_000);
    for (let index = 0; index < 20; index++) {
      expect((await nads.get("greedy", `large-${index}`))?.config).toHaveLength(largeBytes);
      expect(nads.state.memory.bytes).toBeLessThanOrEqual(cacheBytes);
    }
  });

  test("the annotation with a resource's name is kept as long as Kubernetes has one, and not longer", async () => {
    await using at = await ServerWithClient.start();
    const key = "k8s.v1.cni.cncf.io/resourceName";
    at.server.set(nadsPath, nad("longest", macvlan, { annotations: { [key]: "a".repeat(317) } }));
    at.server.set(nadsPath, nad("endless", macvlan, { annotations: { [key]: "a".repeat(200_000) } }));
    const nads = await openNads(at);
    expect((await nads.get("default", "longest"))?.annotations[key]).toHaveLength(317);
    expect((await nads.get("default", "endless"))?.annotations).toEqual({});
  });
});
