import { beforeEach, describe, expect, test } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/log/logger.ts";
import { findPod, isStaticPod } from "../../../src/multus/cluster/pod-lookup.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import { selecting } from "./rig.ts";

const pod = { namespace: "default", name: "web", uid: "u-1", sandboxId: "s-1" };
const staticPod = { "kubernetes.io/config.source": "file" };
const apiPod = { "kubernetes.io/config.source": "api" };

let cluster: PretendedCluster;
let lines: string[];
let log: Logger;

beforeEach(() => {
  cluster = new PretendedCluster();
  lines = [];
  const keep = (message: string, fields: LogFields = {}) =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  log = { ...silentLogger, verbose: keep, error: keep };
});

const find = (given?: Readonly<Record<string, string>>, of = pod) => findPod(cluster.pods, of, given, log);

describe("without annotations in the request", () => {
  test("the cluster's count, and the API is asked again while it cannot answer", async () => {
    cluster.addPod("default/web", selecting("a"));
    expect(await find()).toEqual({ annotations: selecting("a"), object: pod });
    expect(cluster.trace).toEqual(["find web retry"]);
  });

  test("a pod that is not there is gone", async () => {
    expect(await find()).toBeUndefined();
  });

  test("an API that is away is code 11", async () => {
    cluster.away = true;
    await expect(find()).rejects.toMatchObject({ code: 11 });
  });

  test("a static pod is found by its mirror, whatever its UID", async () => {
    cluster.addPod("default/web", selecting("a"), "u-mirror", true);
    expect(await find()).toEqual({ annotations: selecting("a"), object: { ...pod, uid: "u-mirror" } });
  });
});

describe("a static pod without a mirror, whose UID is a hash of its manifest", () => {
  const ofFile = { ...pod, uid: "9c3f6a0e5b7d41f28a6b0c1d2e3f4a5b" };

  test("is no pod that is gone: it has no annotations that are known, and the log says so", async () => {
    expect(await find(undefined, ofFile)).toEqual({ annotations: {}, object: undefined });
    expect(cluster.trace).toEqual(["find web retry"]);
    expect(lines).toEqual([expect.stringContaining("no mirror in the cluster")]);
  });

  test("has the annotations of the request, whatever they say of where it is from", async () => {
    expect(await find(selecting("a"), ofFile)).toEqual({ annotations: selecting("a"), object: undefined });
  });

  test("has its mirror's annotations, where that is there", async () => {
    cluster.addPod("default/web", selecting("a"), "u-mirror", true);
    expect(await find(undefined, ofFile)).toMatchObject({ annotations: selecting("a") });
    expect(lines).toEqual([]);
  });

  test("waits for the API: it may have a mirror with annotations", async () => {
    cluster.away = true;
    await expect(find(undefined, ofFile)).rejects.toMatchObject({ code: 11 });
  });

  test("is another pod than one of the API that has its name", async () => {
    cluster.addPod("default/web", selecting("a"), "u-2");
    await expect(find(undefined, ofFile)).rejects.toMatchObject({ code: 4 });
  });

  test.each([
    "00000000-0000-0000-0000-000000000001",
    "9C3F6A0E5B7D41F28A6B0C1D2E3F4A5B",
    "9c3f6a0e5b7d41f28a6b0c1d2e3f4a5",
    "9c3f6a0e5b7d41f28a6b0c1d2e3f4a5b0",
    "9c3f6a0e5b7d41f28a6b0c1d2e3f4a5b\n",
    "",
  ])("not with UID %j: that pod is gone", async (uid) => {
    expect(await find(undefined, { ...pod, uid })).toBeUndefined();
  });
});

describe("with annotations in the request", () => {
  test("that are the watch's, nothing else is asked", async () => {
    cluster.addPod("default/web", selecting("a"));
    const given = { ...selecting("a"), ...apiPod, other: "only here" };
    expect(await find(given)).toEqual({ annotations: given, object: pod });
    expect(cluster.trace).toEqual(["find web"]);
    expect(lines).toEqual([]);
  });

  test("a pod that is not there is gone all the same", async () => {
    expect(await find({ ...selecting("a"), ...apiPod })).toBeUndefined();
    expect(await find(selecting("a"))).toBeUndefined();
  });

  test("an API that is away is no obstacle, and is logged", async () => {
    cluster.away = true;
    expect(await find(selecting("a"))).toEqual({ annotations: selecting("a"), object: pod });
    expect(lines).toEqual([expect.stringContaining("the API does not answer")]);
  });

  test("errors that are not the API's are not taken for its own", async () => {
    const broken = { ...cluster.pods, find: () => Promise.reject(new TypeError("a bug")) };
    await expect(findPod(broken, pod, selecting("a"), log)).rejects.toThrow(TypeError);
  });
});

describe("annotations that differ between request and watch", () => {
  const given = selecting("old");

  test.each([
    ["the watch was late", "old", "request"],
    ["the request is older", "new", "API"],
    ["both are older", "newest", "API"],
  ])("%s: one question to the API settles it, and it is said who was right", async (_case, live, used) => {
    cluster.addPod("default/web", selecting("new"));
    cluster.live.set("default/web", { annotations: selecting(live), uid: "u-1", isStatic: false });
    expect(await find(given)).toEqual({ annotations: selecting(live), object: pod });
    expect(cluster.trace).toEqual(["find web", "ask web"]);
    expect(lines).toEqual([expect.stringContaining(`"used":"${used}"`)]);
    expect(lines).toEqual([expect.stringContaining("k8s.v1.cni.cncf.io/networks")]);
  });

  test("count as the request has them where the API does not answer", async () => {
    cluster.addPod("default/web", selecting("new"));
    cluster.away = true;
    expect(await find(given)).toEqual({ annotations: given, object: pod });
    expect(lines).toEqual([
      expect.stringContaining("the API does not answer"),
      expect.stringContaining('"used":"request"'),
    ]);
  });

  test("may be the last that was heard of a pod that is gone", async () => {
    cluster.addPod("default/web", selecting("new"));
    cluster.live.set("default/web", undefined);
    expect(await find(given)).toBeUndefined();
  });

  test("may be those of another pod by now", async () => {
    cluster.addPod("default/web", selecting("new"));
    cluster.live.set("default/web", { annotations: given, uid: "u-2", isStatic: false });
    await expect(find(given)).rejects.toMatchObject({ code: 4, message: expect.stringContaining("u-2") });
  });

  test("differ also where only one has the annotation, or it is the default network's", async () => {
    cluster.addPod("default/web", { "v1.multus-cni.io/default-network": "x" });
    await find({});
    expect(cluster.trace).toEqual(["find web", "ask web"]);
  });
});

describe("a UID that is another", () => {
  test.each([undefined, selecting("a")])("is an error of code 4 with both, given %o", async (given) => {
    cluster.addPod("default/web", selecting("a"), "u-2");
    const error: unknown = await find(given).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CniError);
    expect(error).toMatchObject({
      code: 4,
      message: expect.stringMatching(/K8S_POD_UID is u-1.*default\/web.*has UID u-2/),
    });
  });

  test("is none where the runtime names no UID: the cluster's is used", async () => {
    cluster.addPod("default/web", selecting("a"), "u-2");
    expect(await find(undefined, { ...pod, uid: "" })).toMatchObject({ object: { uid: "u-2" } });
  });
});

describe("a static pod whose annotations come with the request", () => {
  const given = { ...selecting("a"), ...staticPod };

  test("needs no mirror", async () => {
    expect(await find(given)).toEqual({ annotations: given, object: undefined });
  });

  test("is reported on at its mirror, and what somebody wrote there changes nothing", async () => {
    cluster.addPod("default/web", selecting("edited"), "u-mirror", true);
    expect(await find(given)).toEqual({ annotations: given, object: { ...pod, uid: "u-mirror" } });
    expect(cluster.trace).toEqual(["find web"]);
  });

  test("is not reported on at an ordinary pod of its name", async () => {
    cluster.addPod("default/web", selecting("a"), "u-2");
    expect(await find(given)).toEqual({ annotations: given, object: undefined });
  });

  test("is reported on without a UID where the API is away, as the mirror's is not known", async () => {
    cluster.away = true;
    expect(await find(given)).toEqual({ annotations: given, object: { ...pod, uid: "" } });
  });
});

test("a pod is static if its source is named, and is not the API", () => {
  expect([staticPod, apiPod, {}].map(isStaticPod)).toEqual([true, false, false]);
});
