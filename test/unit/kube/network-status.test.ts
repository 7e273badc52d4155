import { expect, test } from "vitest";
import { usualStatusBounds } from "../../../src/kube/pending-statuses.ts";
import { noRight, type SeenRequest } from "../../support/pretended-api-server.ts";
import { delivered, laidOut, podNamed, sinkRig, statusOf } from "./sink-rig.ts";

const statusPath = "/api/v1/namespaces/default/pods/web/status";
const isPatch = ({ method }: SeenRequest) => method === "PATCH";

test("one PATCH that carries the uid and this annotation only; other annotations stay", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-web", { "example.com/own": "kept" });
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(
    rig.server.requests.map(({ method, path, contentType, body }) => [method, path, contentType, body]),
  ).toEqual([
    [
      "PATCH",
      statusPath,
      "application/merge-patch+json",
      {
        metadata: {
          uid: "uid-web",
          annotations: { "k8s.v1.cni.cncf.io/network-status": laidOut("first") },
        },
      },
    ],
  ]);
  expect(rig.server.annotationsOf("web")?.["example.com/own"]).toBe("kept");
  expect(rig.log.errors).toEqual([]);
});

test("without a known uid nothing is compared", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-of-the-api");
  rig.sink.networkStatus(podNamed("web", { uid: "" }), statusOf("first"));
  await delivered(rig);
  expect(rig.server.requests.map(({ body }) => body.metadata)).toEqual([
    { annotations: { "k8s.v1.cni.cncf.io/network-status": laidOut("first") } },
  ]);
  expect(rig.server.statusOf("web")).toBe(laidOut("first"));
});

test("the name is another pod's by now: nothing is written, and it is no error", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-of-another");
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["PATCH", "GET"]);
  expect(rig.server.statusOf("web")).toBeUndefined();
  expect(rig.log.errors).toEqual([]);
});

test("a static pod is known to the runtime by the uid that its mirror names", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-of-mirror", { "kubernetes.io/config.mirror": "uid-web" });
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBe(laidOut("first"));
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["PATCH", "GET", "PATCH"]);
});

test("a pod that is gone: one request, no error", async () => {
  await using rig = await sinkRig();
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["PATCH"]);
  expect(rig.log.errors).toEqual([]);
});

test("a conflict on PATCH with the right uid is tried again", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-web");
  rig.server.fault = (request) =>
    isPatch(request) && rig.server.of("PATCH").length <= 2 ? { status: 409 } : undefined;
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.statusOf("web")).toBe(laidOut("first"));
  expect(rig.server.of("PATCH")).toHaveLength(3);
});

test("no right to patch: GET and PUT, and no PATCH for the next pods", async () => {
  await using rig = await sinkRig();
  for (const name of ["web", "next"]) rig.server.addPod(name, `uid-${name}`, { "example.com/own": "kept" });
  rig.server.fault = (request) =>
    isPatch(request) ? { status: 403, message: noRight("patch", "pods/status") } : undefined;
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  rig.sink.networkStatus(podNamed("next"), statusOf("second"));
  await delivered(rig);
  expect(rig.server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `PATCH ${statusPath}`,
    "GET /api/v1/namespaces/default/pods/web",
    `PUT ${statusPath}`,
    "GET /api/v1/namespaces/default/pods/next",
    "PUT /api/v1/namespaces/default/pods/next/status",
  ]);
  expect(rig.server.annotationsOf("web")).toEqual({
    "example.com/own": "kept",
    "k8s.v1.cni.cncf.io/network-status": laidOut("first"),
  });
  expect(rig.server.statusOf("next")).toBe(laidOut("second"));
  // All of the object goes back.
  expect(rig.server.of("PUT")[0]?.body.spec).toEqual({ containers: [{ name: "main" }] });
  expect(rig.log.errors).toEqual([]);
});

test("a PUT that another writer got ahead of begins with a new GET", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-web");
  let version = 1;
  rig.server.fault = (request) => {
    if (isPatch(request)) return { status: 403, message: noRight("patch", "pods/status") };
    if (request.method === "PUT" && rig.server.of("PUT").length <= 7) {
      version++;
      rig.server.annotate("web", { other: String(version) });
    }
    return undefined;
  };
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.of("PUT")).toHaveLength(8);
  expect(rig.server.annotationsOf("web")).toEqual({
    other: "8",
    "k8s.v1.cni.cncf.io/network-status": laidOut("first"),
  });
});

test("GET and PUT write to no other pod of the name either", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-of-another");
  rig.server.fault = (request) =>
    isPatch(request) ? { status: 403, message: noRight("patch", "pods/status") } : undefined;
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.requests.map(({ method }) => method)).toEqual(["PATCH", "GET"]);
  expect(rig.log.errors).toEqual([]);
});

test("neither is allowed for long: one error in the log, one event, no more tries, and PATCH has its chance with the next pod", async () => {
  await using rig = await sinkRig({ statusBounds: { ...usualStatusBounds, forbiddenMs: 100 } });
  for (const name of ["web", "next"]) rig.server.addPod(name, `uid-${name}`);
  let isAllowed = false;
  rig.server.fault = ({ method, path }) => {
    const isWrite = path.includes("/pods/") && method !== "GET";
    return isWrite && !isAllowed
      ? { status: 403, message: noRight(method.toLowerCase(), "pods/status") }
      : undefined;
  };
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  const methods = rig.server.requests.map(({ method }) => method);
  const tries = (methods.length - 1) / 3;
  expect(tries).toBeGreaterThan(1);
  expect(methods).toEqual([...Array(tries).fill(["PATCH", "GET", "PUT"]).flat(), "POST"]);
  expect(rig.log.errors).toEqual(["network-status not written"]);
  expect(
    [...rig.server.events.values()].map(({ reason, type, regarding }) => [reason, type, regarding]),
  ).toEqual([
    [
      "NetworkStatusNotWritten",
      "Warning",
      { apiVersion: "v1", kind: "Pod", namespace: "default", name: "web", uid: "uid-web" },
    ],
  ]);
  isAllowed = true;
  rig.sink.networkStatus(podNamed("next"), statusOf("second"));
  await delivered(rig);
  expect(rig.server.of("PATCH")).toHaveLength(tries + 1);
  expect(rig.server.statusOf("next")).toBe(laidOut("second"));
});

test("a role that gets patch in place of update is noticed", async () => {
  await using rig = await sinkRig();
  for (const name of ["web", "next"]) rig.server.addPod(name, `uid-${name}`);
  let forbidden = "PATCH";
  rig.server.fault = ({ method }) =>
    method === forbidden ? { status: 403, message: noRight(method.toLowerCase(), "pods/status") } : undefined;
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  forbidden = "PUT";
  rig.sink.networkStatus(podNamed("next"), statusOf("second"));
  await delivered(rig);
  expect(rig.server.requests.slice(3).map(({ method }) => method)).toEqual(["GET", "PUT", "PATCH"]);
  expect(rig.server.statusOf("next")).toBe(laidOut("second"));
});

test("a refusal by admission says nothing about rights", async () => {
  await using rig = await sinkRig();
  for (const name of ["web", "next"]) rig.server.addPod(name, `uid-${name}`);
  rig.server.fault = ({ path }) =>
    path === statusPath ? { status: 403, message: 'admission webhook "w" denied the request' } : undefined;
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  rig.sink.networkStatus(podNamed("next"), statusOf("second"));
  await delivered(rig);
  expect(rig.server.of("PUT")).toEqual([]);
  expect(rig.server.of("PATCH")).toHaveLength(2);
  expect(rig.log.causes).toEqual([`PATCH ${statusPath}: 403 admission webhook "w" denied the request`]);
});

test("a status that the server finds invalid is not retried", async () => {
  await using rig = await sinkRig();
  rig.server.addPod("web", "uid-web");
  rig.server.fault = (request) =>
    isPatch(request) ? { status: 422, message: "metadata.annotations: Too long" } : undefined;
  rig.sink.networkStatus(podNamed("web"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.of("PATCH")).toHaveLength(1);
  expect(rig.log.causes).toEqual([`PATCH ${statusPath}: 422 metadata.annotations: Too long`]);
});

test("names that are none of Kubernetes' never get into a path", async () => {
  await using rig = await sinkRig();
  for (const pod of [
    { ...podNamed("web"), name: "../../secrets" },
    { ...podNamed("web"), name: "web?x" },
    { ...podNamed("web"), name: ".." },
    { ...podNamed("web"), name: "a..b" },
    { ...podNamed("web"), name: "" },
    { ...podNamed("web"), namespace: "" },
    { ...podNamed("web"), namespace: "a/b" },
    { ...podNamed("web"), namespace: "a.b" },
  ]) {
    rig.sink.networkStatus(pod, statusOf("first"));
    rig.sink.event(pod, { type: "Normal", reason: "AddedInterface", message: "Add" });
    rig.sink.withdraw(pod);
  }
  expect(rig.sink.pending).toBe(0);
  rig.server.addPod("a.b-c", "uid-a.b-c");
  rig.sink.networkStatus(podNamed("a.b-c"), statusOf("first"));
  await delivered(rig);
  expect(rig.server.requests.map(({ path }) => path)).toEqual([
    "/api/v1/namespaces/default/pods/a.b-c/status",
  ]);
});
