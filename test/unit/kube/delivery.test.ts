import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { usualStatusBounds } from "../../../src/kube/pending-statuses.ts";
import { noRight } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { until } from "../../support/until.ts";
import { delivered, laidOut, podNamed, sinkRig, statusOf } from "./sink-rig.ts";

const names = (count: number) => Array.from({ length: count }, (_, index) => `pod-${index}`);
const uidsOf = (rig: Awaited<ReturnType<typeof sinkRig>>, pods: readonly string[]) =>
  pods.map((name) => rig.server.addPod(name, `uid-${name}`));
const reasonsOf = (rig: Awaited<ReturnType<typeof sinkRig>>) =>
  Array.from(rig.server.events.values(), ({ reason }) => reason);

test("nothing is waited for, and nothing is sent before the caller has gone on", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  expect(rig.sink.networkStatus(podNamed("web"), statusOf("first"))).toBeUndefined();
  expect(rig.sink.pending).toBe(1);
  expect(rig.server.requests).toEqual([]);
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBe(laidOut("first"));
});

test("a status does not change with the bytes that it was made of", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  const bytes = Buffer.from(statusOf("first"));
  rig.sink.networkStatus(podNamed("web"), bytes);
  bytes.fill(0);
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBe(laidOut("first"));
});

test.each([
  ["503", { status: 503 }],
  ["500", { status: 500 }],
  ["429", { status: 429 }],
  ["401: credentials are replaced in a while", { status: 401 }],
  ["a broken connection", "reset"],
  ["an answer that is lost", "reset-afterwards"],
] as const)("%s: tried again until it is delivered", async (_, fault) => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.server.fault = () => (rig.server.requests.length <= 5 ? fault : undefined);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  rig.sink.event(podNamed("web"), { type: "Normal", reason: "AddedInterface", message: "Add eth0" });
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBe(laidOut("first"));
  expect(reasonsOf(rig)).toEqual(["AddedInterface"]);
  expect(rig.log.errors).toEqual([]);
});

test("a server that is starting knows no roles: what it forbids is tried again, and nothing is concluded from it", async () => {
  await using rig = await sinkRig();
  const pods = names(12);
  uidsOf(rig, [...pods, "next"]);
  rig.server.fault = ({ method, path }) => {
    if (rig.server.requests.length > 20) return undefined;
    const resource = path.includes("/events") ? "events" : "pods";
    return { status: 403, message: noRight(method.toLowerCase(), resource) };
  };
  for (const name of pods) {
    rig.sink.networkStatus(podNamed(name), statusOf(name));
    rig.sink.event(podNamed(name), { type: "Normal", reason: "AddedInterface", message: "Add eth0" });
  }
  await delivered(rig);
  expect(pods.map((name) => rig.server.statusOf(name))).toEqual(pods.map(laidOut));
  expect(reasonsOf(rig)).toEqual(pods.map(() => "AddedInterface"));
  expect(rig.log.errors).toEqual([]);
  const before = rig.server.requests.length;
  rig.sink.networkStatus(podNamed("next"), statusOf("next"));
  await delivered(rig);
  expect(rig.server.requests.slice(before).map(({ method }) => method)).toEqual(["PATCH"]);
});

test("Retry-After is kept", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.server.fault = () => (rig.server.requests.length === 1 ? { status: 429, retryAfter: "1" } : undefined);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  const [first, second] = rig.server.requests;
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990);
});

test("while the server is away one request at a time asks for it; then all is delivered, some at once", async () => {
  await using rig = await sinkRig();
  const pods = names(60);
  uidsOf(rig, pods);
  let isAway = true;
  rig.server.fault = () => (isAway ? { status: 503 } : { delayMs: 5 });
  for (const name of pods) rig.sink.networkStatus(podNamed(name), statusOf(name));
  // The first ones are sent before it is known.
  await until("twenty tries", () => rig.server.requests.length >= 20);
  const away = rig.server.requests.slice(4);
  expect(away.map(({ beside }) => beside)).toEqual(away.map(() => 0));
  expect(rig.sink.pending).toBe(60);
  isAway = false;
  const asked = rig.server.requests.length;
  await delivered(rig);
  expect(pods.map((name) => rig.server.statusOf(name))).toEqual(pods.map(laidOut));
  const back = rig.server.requests.slice(asked);
  expect(back).toHaveLength(60);
  const most = Math.max(...back.map(({ beside }) => beside));
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(3);
  expect(rig.log.errors).toEqual([]);
});

test("the pauses grow, up to a bound", async () => {
  await using rig = await sinkRig({ pauses: { first: 1, most: 60_000 } });
  uidsOf(rig, ["web"]);
  rig.server.fault = () => ({ status: 503 });
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  expect(await rig.sink.flush(1_000)).toBe(1);
  // Without growth there would be hundreds; the longest of the first n pauses together are 2^n ms.
  expect(rig.server.requests.length).toBeGreaterThan(3);
  expect(rig.server.requests.length).toBeLessThan(60);
});

test("one request that always fails holds up no other", async () => {
  await using rig = await sinkRig();
  const pods = names(20);
  uidsOf(rig, ["bad", ...pods]);
  rig.server.fault = ({ path }) => (path.includes("/pods/bad/") ? { status: 500 } : undefined);
  rig.sink.networkStatus(podNamed("bad"), statusOf("bad"));
  for (const name of pods) rig.sink.networkStatus(podNamed(name), statusOf(name));
  await until("the others", () => rig.sink.pending === 1);
  expect(pods.filter((name) => rig.server.statusOf(name) === undefined)).toEqual([]);
});

test("a status that cannot be written in its time: the log and, when the server is back, an event name the pod", async () => {
  await using rig = await sinkRig({ statusBounds: { ...usualStatusBounds, keptMs: 150 } });
  uidsOf(rig, ["web"]);
  let isAway = true;
  rig.server.fault = () => (isAway ? { status: 503, message: "etcd is away" } : undefined);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await until("given up", () => rig.log.errors.length > 0);
  expect(rig.log.errors).toEqual(["network-status not written"]);
  expect(rig.log.causes[0]).toMatch(
    /^the API could not be written to for \d+ s: PATCH .*: 503 etcd is away$/,
  );
  isAway = false;
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBeUndefined();
  expect([...rig.server.events.values()]).toMatchObject([
    { reason: "NetworkStatusNotWritten", type: "Warning", regarding: { name: "web", uid: "uid-web" } },
  ]);
});

test("no more statuses than the bound are kept: the one that waits longest is given up", async () => {
  await using rig = await sinkRig({ statusBounds: { ...usualStatusBounds, most: 3 } });
  const pods = names(5);
  uidsOf(rig, pods);
  for (const name of pods) rig.sink.networkStatus(podNamed(name), statusOf(name));
  expect(rig.log.causes).toEqual(["3 others are waiting", "3 others are waiting"]);
  await delivered(rig);
  expect(pods.filter((name) => rig.server.statusOf(name) !== undefined)).toEqual(pods.slice(2));
  expect(reasonsOf(rig)).toEqual(["NetworkStatusNotWritten", "NetworkStatusNotWritten"]);
});

test("nor more bytes of them: those that wait longest are given up", async () => {
  await using rig = await sinkRig({ statusBounds: { ...usualStatusBounds, mostBytes: 10_000 } });
  const pods = names(6);
  uidsOf(rig, pods);
  for (const name of pods) rig.sink.networkStatus(podNamed(name), statusOf(name.padEnd(3_000, "x")));
  expect(rig.log.causes).toEqual(Array(3).fill("3 others are waiting"));
  await delivered(rig);
  expect(pods.filter((name) => rig.server.statusOf(name) !== undefined)).toEqual(pods.slice(3));
});

test("a newer status of a pod takes the place of the one that waits", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  rig.sink.networkStatus(podNamed("web"), statusOf("second"));
  expect(rig.sink.pending).toBe(1);
  await delivered(rig);
  expect(rig.server.of("PATCH")).toHaveLength(1);
  expect(rig.server.statusOf("web")).toBe(laidOut("second"));
});

test("a newer status waits for the older one that is under way, so that it arrives last", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.server.fault = () => (rig.server.requests.length === 1 ? { delayMs: 100 } : undefined);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await until("the first is under way", () => rig.server.requests.length === 1);
  rig.sink.networkStatus(podNamed("web"), statusOf("second"));
  await delivered(rig);
  expect(rig.server.requests.map(({ beside }) => beside)).toEqual([0, 0]);
  expect(rig.server.statusOf("web")).toBe(laidOut("second"));
});

test("a status that is withdrawn between two tries is not tried again", async () => {
  const { promise: waits, resolve } = Promise.withResolvers<void>();
  const log = new RecordingLogger();
  log.verbose = (message) => {
    if (message.includes("deliveries are pending")) resolve();
  };
  await using rig = await sinkRig({ log });
  uidsOf(rig, ["web"]);
  rig.server.fault = () => ({ status: 503 });
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await waits;
  rig.sink.withdraw(podNamed("web"));
  rig.server.fault = () => undefined;
  // A status that were tried again would be pending until the server has it.
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBeUndefined();
  expect(log.errors).toEqual([]);
});

test("one that is withdrawn before it was tried is not sent at all", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  rig.sink.withdraw(podNamed("web"));
  await delivered(rig);
  await sleep(50);
  expect(rig.server.requests).toEqual([]);
});

test("one that is withdrawn between GET and PUT is not written", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.server.fault = ({ method }) => {
    if (method === "PATCH") return { status: 403, message: 'cannot patch resource "pods/status"' };
    if (method === "GET") rig.sink.withdraw(podNamed("web"));
    return undefined;
  };
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["PATCH", "GET"]);
});

test.each([
  ["the sandbox", podNamed("web", { sandboxId: "old" }), podNamed("web", { sandboxId: "new" }), true],
  ["the uid", podNamed("web", { uid: "old" }), podNamed("web", { uid: "uid-web", sandboxId: "" }), true],
  ["the same sandbox", podNamed("web"), podNamed("web"), false],
  ["the same uid", podNamed("web", { sandboxId: "" }), podNamed("web"), false],
  ["the name alone", podNamed("web", { uid: "", sandboxId: "" }), podNamed("web"), false],
] as const)("withdrawn is what %s says", async (_, gone, added, stays) => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  rig.sink.networkStatus(added, statusOf("new"));
  rig.sink.withdraw(gone);
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBe(stays ? laidOut("new") : undefined);
});

test("a flush ends when all is delivered, and no later than its limit", async () => {
  await using rig = await sinkRig();
  uidsOf(rig, ["web"]);
  expect(await rig.sink.flush(60_000)).toBe(0);
  rig.server.fault = () => ({ status: 503 });
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  const begin = performance.now();
  expect(await rig.sink.flush(200)).toBe(1);
  expect(performance.now() - begin).toBeGreaterThanOrEqual(190);
});

test("closed: what is left goes to the log, under way or not, and nothing comes after", async () => {
  await using rig = await sinkRig();
  const pods = names(6);
  uidsOf(rig, pods);
  rig.server.fault = () => ({ delayMs: 60_000 });
  for (const name of pods) rig.sink.networkStatus(podNamed(name), statusOf(name));
  await until("four under way", () => rig.server.requests.length === 4);
  rig.sink.close();
  expect(rig.log.errors).toEqual(pods.map(() => "network-status not written"));
  rig.sink.networkStatus(podNamed("late"), statusOf("late"));
  rig.sink.event(podNamed("late"), { type: "Normal", reason: "AddedInterface", message: "Add" });
  rig.sink.withdraw(podNamed("late"));
  rig.sink.close();
  await sleep(50);
  expect(rig.server.requests).toHaveLength(4);
  expect(rig.log.errors).toHaveLength(6);
});
