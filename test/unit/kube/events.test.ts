import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventName, eventNote, microTime } from "../../../src/kube/events.ts";
import { usualEventBounds } from "../../../src/kube/pending-events.ts";
import {
  addedInterface,
  invalidNetwork,
  networkNotAttached,
  networksMissing,
  noNetworkFound,
  type PodEvent,
} from "../../../src/multus/cluster/pod-events.ts";
import { noRight } from "../../support/pretended-api-server.ts";
import { until } from "../../support/until.ts";
import { usedHeap } from "../../support/used-heap.ts";
import { delivered, podNamed, sinkRig, statusOf } from "./sink-rig.ts";

const warning: PodEvent = noNetworkFound("default", "missing");
const added = (index: number) => addedInterface(`net${index}`, [`10.0.0.${index}/16`], "default/mv");
const bounds = { ...usualEventBounds, delayMs: 0, countMs: 60 };

test("an event has all that the API asks for", async () => {
  await using rig = await sinkRig();
  const before = Date.now();
  rig.sink.event(podNamed("web"), added(1));
  await delivered(rig);
  const [request] = rig.server.requests;
  expect([request?.method, request?.path]).toEqual([
    "POST",
    "/apis/events.k8s.io/v1/namespaces/default/events",
  ]);
  const { eventTime, metadata, ...body } = request?.body ?? {};
  expect(body).toEqual({
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    reportingController: "multus",
    reportingInstance: "node-1",
    action: "Attach",
    reason: "AddedInterface",
    regarding: { apiVersion: "v1", kind: "Pod", namespace: "default", name: "web", uid: "uid-web" },
    note: "Add net1 [10.0.0.1/16] from default/mv",
    type: "Normal",
  });
  expect(eventTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  expect(Date.parse(String(eventTime))).toBeGreaterThanOrEqual(before);
  expect(metadata).toEqual({ namespace: "default", name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) });
});

test("a pod without a uid has events as well", async () => {
  await using rig = await sinkRig();
  rig.sink.event(podNamed("web", { uid: "" }), added(1));
  await delivered(rig);
  expect(rig.server.requests[0]?.body.regarding).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    namespace: "default",
    name: "web",
  });
});

test("a pod that lacks its networks has one event, whichever daemon of its node sends it", async () => {
  await using rig = await sinkRig();
  await using next = await sinkRig();
  for (const { sink } of [rig, next]) {
    sink.event(podNamed("web"), networksMissing());
    sink.event(podNamed("web", { uid: "its successor" }), networksMissing());
  }
  await delivered(rig);
  await delivered(next);
  const [names, namesOfNext] = [rig, next].map(({ server }) => [...server.events.keys()]);
  expect(names).toEqual([
    expect.stringMatching(/^default\/web\.[0-9a-f]{16}$/),
    expect.stringMatching(/^default\/web\.[0-9a-f]{16}$/),
  ]);
  expect(new Set(names).size).toBe(2);
  expect(namesOfNext).toEqual(names);
});

test("an event that the server has already is delivered", async () => {
  await using rig = await sinkRig();
  rig.server.fault = ({ method }) => (method === "POST" ? { status: 409 } : undefined);
  rig.sink.event(podNamed("web"), networksMissing());
  await delivered(rig);
  expect(rig.server.requests).toHaveLength(1);
  expect(rig.log.errors).toEqual([]);
});

test("events of one moment keep their order, and have names of their own", async () => {
  await using rig = await sinkRig();
  for (let index = 0; index < 50; index++) rig.sink.event(podNamed("web"), added(index));
  await delivered(rig);
  const events = [...rig.server.events.values()];
  expect(events).toHaveLength(50);
  const byTime = events.toSorted((a, b) => (String(a.eventTime) < String(b.eventTime) ? -1 : 1));
  expect(byTime.map(({ note }) => note)).toEqual(
    Array.from({ length: 50 }, (_, index) => added(index).message),
  );
  expect(new Set(events.map(({ eventTime }) => eventTime)).size).toBe(50);
});

test("an event whose answer was lost is not there twice", async () => {
  await using rig = await sinkRig();
  rig.server.fault = () => (rig.server.requests.length === 1 ? "reset-afterwards" : undefined);
  rig.sink.event(podNamed("web"), added(1));
  await delivered(rig);
  expect(rig.server.of("POST")).toHaveLength(2);
  expect(rig.server.events.size).toBe(1);
  expect(rig.log.errors).toEqual([]);
});

test("an event waits until the ADD that it is of has had time to answer", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, delayMs: 200 } });
  const begin = performance.now();
  rig.sink.event(podNamed("web"), added(1));
  await until("sent", () => rig.server.requests.length === 1);
  expect((rig.server.requests[0]?.at ?? 0) - begin).toBeGreaterThanOrEqual(190);
});

test("a status goes before the events that came before it", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.server.addPod("web", "uid-web");
  for (let index = 0; index < 10; index++) rig.sink.event(podNamed("web"), added(index));
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  // Of those that are under way at once any may arrive first.
  const methods = rig.server.requests.map(({ method }) => method);
  expect(methods.slice(0, 3)).toContain("PATCH");
  expect(methods).toHaveLength(11);
});

test("events leave room for a status, however slow the server is with them", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.server.addPod("web", "uid-web");
  rig.server.fault = ({ method }) => (method === "POST" ? { delayMs: 60_000 } : undefined);
  for (let index = 0; index < 10; index++) rig.sink.event(podNamed("web"), added(index));
  await until("events are under way", () => rig.server.requests.length === 2);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await until("the status is there", () => rig.server.statusOf("web") !== undefined);
  expect(rig.server.of("POST")).toHaveLength(2);
});

test("a burst at once, then so many a second", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, burst: 10, perSecond: 50 } });
  const begin = performance.now();
  for (let index = 0; index < 30; index++) rig.sink.event(podNamed("web"), added(index));
  await delivered(rig);
  expect(rig.server.events.size).toBe(30);
  // The last one of the twenty beyond the burst has to wait for its token.
  expect((rig.server.requests.at(-1)?.at ?? 0) - begin).toBeGreaterThanOrEqual(390);
});

test("a Warning that is repeated is counted on its first event", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.sink.event(podNamed("web"), warning);
  await until("the first", () => rig.server.events.size === 1);
  for (let index = 0; index < 4; index++)
    rig.sink.event(podNamed("web", { sandboxId: `s${index}` }), warning);
  await until("counted", () => rig.server.of("PATCH").length === 1);
  await until("answered", () => rig.sink.pending === 0);
  rig.sink.event(podNamed("web"), warning);
  await until("counted again", () => rig.server.of("PATCH").length === 2);
  expect(rig.server.of("POST")).toHaveLength(1);
  const [patch, second] = rig.server.of("PATCH");
  expect(patch?.contentType).toBe("application/merge-patch+json");
  expect(patch?.body).toEqual({
    series: { count: 5, lastObservedTime: expect.stringMatching(/\.\d{6}Z$/) },
  });
  expect(second?.body).toMatchObject({ series: { count: 6 } });
  // Not more often than the bound.
  expect((second?.at ?? 0) - (patch?.at ?? 0)).toBeGreaterThanOrEqual(55);
});

test("a Warning that is repeated while it is being sent is counted afterwards", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.server.fault = ({ method }) => (method === "POST" ? { delayMs: 100 } : undefined);
  rig.sink.event(podNamed("web"), warning);
  await until("under way", () => rig.server.requests.length === 1);
  for (let index = 0; index < 2; index++) rig.sink.event(podNamed("web"), warning);
  await until("counted", () => rig.server.of("PATCH").length === 1);
  await until("answered", () => rig.sink.pending === 0);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["POST", "PATCH"]);
  expect([...rig.server.events.values()]).toMatchObject([{ series: { count: 3 } }]);
});

test("an event that tells of something done is not counted: it was done again", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.sink.event(podNamed("web"), added(1));
  await delivered(rig);
  rig.sink.event(podNamed("web"), added(1));
  await delivered(rig);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["POST", "POST"]);
  expect(rig.server.events.size).toBe(2);
});

test("other texts, other pods, the same name with another uid: events of their own", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.sink.event(podNamed("web"), warning);
  rig.sink.event(podNamed("web"), noNetworkFound("default", "other"));
  rig.sink.event(podNamed("next"), warning);
  rig.sink.event(podNamed("web", { uid: "uid-2" }), warning);
  await delivered(rig);
  expect(rig.server.events.size).toBe(4);
});

test("events that repeat while the server is away arrive as one with its count", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.server.fault = () => ({ status: 503 });
  for (let index = 0; index < 5; index++) {
    rig.sink.event(podNamed("web"), warning);
    await until("a try", () => rig.server.requests.length > index);
  }
  rig.server.fault = () => undefined;
  await delivered(rig);
  expect([...rig.server.events.values()]).toMatchObject([{ series: { count: 5 } }]);
});

test("an event that the server has forgotten is made anew, with its count", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.sink.event(podNamed("web"), warning);
  await delivered(rig);
  rig.server.events.clear();
  rig.sink.event(podNamed("web"), warning);
  await delivered(rig);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["POST", "PATCH", "POST"]);
  expect([...rig.server.events.values()]).toMatchObject([{ series: { count: 2 } }]);
});

test("a Warning that was not seen for long is a new one", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, repeatMs: 50 } });
  rig.sink.event(podNamed("web"), warning);
  await delivered(rig);
  await sleep(60);
  rig.sink.event(podNamed("web"), warning);
  await delivered(rig);
  expect(rig.server.events.size).toBe(2);
});

test("more Warnings than the bound are not remembered", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, most: 2 } });
  for (const name of ["a", "b", "c", "d"]) {
    rig.sink.event(podNamed(name), warning);
    await delivered(rig);
  }
  for (const name of ["d", "a"]) {
    rig.sink.event(podNamed(name), warning);
    await delivered(rig);
  }
  expect(rig.server.requests.slice(4).map(({ method }) => method)).toEqual(["PATCH", "POST"]);
});

test("more events than the bound: the oldest are dropped, and it is said how many", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, most: 5 } });
  for (let index = 0; index < 12; index++) rig.sink.event(podNamed("web"), added(index));
  await delivered(rig);
  expect(new Set(Array.from(rig.server.events.values(), ({ note }) => note))).toEqual(
    new Set([7, 8, 9, 10, 11].map((index) => added(index).message)),
  );
  expect(rig.log.errors).toEqual([]);
  rig.sink.close();
  expect(rig.log.errors).toEqual(["events dropped: too many, or the API was away for too long"]);
});

test("an event that cannot be sent in its time is dropped", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, keptMs: 50 } });
  rig.server.fault = () => ({ status: 503 });
  rig.sink.event(podNamed("web"), added(1));
  await until("dropped", () => rig.sink.pending === 0);
  expect(rig.server.events.size).toBe(0);
});

test("no right to events: said once, and none is sent any more", async () => {
  await using rig = await sinkRig({ eventBounds: { ...bounds, forbiddenMs: 100 } });
  rig.server.addPod("web", "uid-web");
  rig.server.fault = ({ path }) =>
    path.includes("/events") ? { status: 403, message: noRight("create", "events") } : undefined;
  const begin = performance.now();
  for (let index = 0; index < 10; index++) rig.sink.event(podNamed("web"), added(index));
  await delivered(rig);
  const tried = rig.server.of("POST");
  expect((tried.at(-1)?.at ?? 0) - begin).toBeGreaterThanOrEqual(95);
  rig.sink.event(podNamed("web"), added(11));
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.log.errors).toEqual(["no events are sent"]);
  expect(rig.server.of("POST")).toHaveLength(tried.length);
  expect(rig.server.statusOf("web")).toBeDefined();
});

test.each([
  [403, "unable to create new content in namespace default because it is being terminated"],
  [404, 'namespaces "default" not found'],
])("a namespace that goes: the event is not sent, others are (%i)", async (status, message) => {
  await using rig = await sinkRig({ eventBounds: bounds });
  rig.server.fault = ({ body }) => (body.reason === "NoNetworkFound" ? { status, message } : undefined);
  rig.sink.event(podNamed("web"), warning);
  await delivered(rig);
  rig.sink.event(podNamed("web"), added(1));
  await delivered(rig);
  expect(Array.from(rig.server.events.values(), ({ reason }) => reason)).toEqual(["AddedInterface"]);
  expect(rig.log.errors).toEqual([]);
});

test("a note of 1024 bytes stays as it is; a longer one is cut between two characters", () => {
  expect(eventNote("x".repeat(1024))).toBe("x".repeat(1024));
  expect(eventNote("x".repeat(1025))).toBe(`${"x".repeat(1021)}…`);
  expect(eventNote("é".repeat(512))).toBe("é".repeat(512));
  expect(eventNote("é".repeat(513))).toBe(`${"é".repeat(510)}…`);
  expect(eventNote("😀".repeat(300))).toBe(`${"😀".repeat(255)}…`);
  expect(eventNote("a\ud800")).toBe("a\ufffd");
  // Terminals show the text of plugins and authors.
  expect(eventNote("a\n\u001b[2Jb\u2028")).toBe("a\\n\\u001b[2Jb\\u2028");
  expect(Buffer.byteLength(eventNote("\u0000".repeat(1024)))).toBeLessThanOrEqual(1024);
});

test("a plugin that fails each time with another number of its own is one event; another link, network or cause is another one", async () => {
  await using rig = await sinkRig({ eventBounds: bounds });
  const failed = (ifName: string, problem: string) =>
    rig.sink.event(podNamed("web"), networkNotAttached(ifName, "default/a", problem));
  const netns = (id: string) => `interface net1 is already in /run/netns/cni-${id}`;
  const uuids = ["c4b5f64c-4f94-8b8b-393a-093c769adc2b", "5d810898-1f20-b8f4-6a3f-7b6656dd182c"];
  const [first = "", second = ""] = uuids;
  for (const id of [first, second, "99081234"]) failed("net1", netns(id));
  failed("net2", netns(first));
  failed("net1", 'Link not found (master "ens5f0")');
  failed("net1", 'Link not found (master "ens6f0")');
  await until("all are sent", () => rig.server.events.size === 4);
  await delivered(rig);
  const notes = [...rig.server.events.values()].map(({ note }) => String(note));
  expect(notes.toSorted()).toEqual([
    'network default/a is not attached as net1: Link not found (master "ens5f0")',
    'network default/a is not attached as net1: Link not found (master "ens6f0")',
    `network default/a is not attached as net1: ${netns(first)}`,
    `network default/a is not attached as net2: ${netns(first)}`,
  ]);
});

test("times have six digits; names fit where the pod's nearly does not", () => {
  expect(microTime({ milliseconds: 1_795_480_000_007, sequence: 42 })).toBe("2026-11-24T00:26:40.007042Z");
  const [, hex = ""] = eventName("web", { milliseconds: 1_795_480_000_007, sequence: 42 }).split(".");
  expect(BigInt(`0x${hex}`) / 1_000n).toBe(1_795_480_000_007_042n);
  expect(eventName("w".repeat(253), { milliseconds: 1, sequence: 0 })).toMatch(/^[0-9a-f-]{36}$/);
});

test("a waiting event is as long as the API takes it, and keeps no text alive that its message is a part of", async () => {
  await using rig = await sinkRig();
  // Each message is a part of a text of 2 MB, as an item is of an annotation.
  const size = 2_000_000;
  const before = usedHeap();
  for (let index = 0; index < 20; index++) {
    const text = `${index}`.padEnd(size, "x");
    rig.sink.event(podNamed(`web-${index}`), invalidNetwork(text.slice(0, 300)));
  }
  expect(rig.sink.pending).toBe(20);
  expect(usedHeap() - before).toBeLessThan(3 * size);
});
