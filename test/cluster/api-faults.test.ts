/**
 * The API server goes wrong, one way at a time: the ADD succeeds all the same, its network-status arrives once and as it must be, and annotations that
 * somebody else writes meanwhile stay.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  ApiNode,
  type ApiPod,
  nadsPath,
  nadWatch,
  networksAnnotation,
  type PlacedPod,
  podsPath,
  podWatch,
  statusAnnotation,
  statusOf,
} from "../support/cluster/api-node.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import type { Fault, FaultProxy } from "../support/cluster/fault-proxy.ts";

const patch = { method: "PATCH", path: /\/pods\/[^/]+\/status$/ };
/** One object by its name, not a list. */
const nadLookup = { method: "GET", path: /network-attachment-definitions\/[^/]+$/ };
const podLookup = { method: "GET", path: /\/pods\/[^/]+$/ };
/** Not that of pods which run and lack their networks: it may be open or not. */
const watches = { method: "GET", path: /^(?!.*status\.phase).*[?&]watch=1/ };

const refusal = (status: number, reason: string, retryAfterSeconds?: number): Fault => ({
  answer: { status, reason, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
});
/** In the server's words. */
const lacksRight = (verb: string, resource: string): Fault => ({
  answer: {
    status: 403,
    reason: "Forbidden",
    message: `x is forbidden: User "system:serviceaccount:kube-system:multus" cannot ${verb} resource "${resource}" in API group "" at the cluster scope`,
  },
});
const welcome: Fault = { answer: { status: 200, reason: "OK", text: "<html>Welcome to nginx!</html>" } };
const emptyObject: Fault = { answer: { status: 200, reason: "OK", text: "{}" } };
const noPage: Fault = { answer: { status: 404, reason: "", text: "404 page not found" } };

/** Somebody who adds one annotation after the other, so that none can get lost unseen: to the end, or as long as `goesOn` says. */
class OtherWriter implements AsyncDisposable {
  readonly #cluster: ApiNode;
  readonly #pod: string;
  readonly #goesOn: () => boolean;
  readonly #written: string[] = [];
  readonly #work: Promise<void>;
  #ends = false;

  constructor(cluster: ApiNode, pod: string, goesOn: () => boolean) {
    this.#cluster = cluster;
    this.#pod = pod;
    this.#goesOn = goesOn;
    this.#work = this.#write();
  }

  async #write(): Promise<void> {
    while (!this.#ends && this.#goesOn()) {
      const key = `writer.test/number-${this.#written.length}`;
      await this.#cluster.annotate(this.#pod, { [key]: "written" });
      this.#written.push(key);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /** @returns the keys that it wrote */
  async end(): Promise<readonly string[]> {
    this.#ends = true;
    await this.#work;
    return this.#written;
  }
}

describe("an API server that goes wrong", () => {
  const resources = new AsyncDisposableStack();
  let api: ApiServer;
  let cluster: ApiNode;
  let proxy: FaultProxy;
  /** Every network-status that a pod has had, by its uid. */
  const statuses = new Map<string, Set<string>>();
  let named = 0;
  /** A name that no other test has. */
  const newName = (word: string) => `${word}-${named++}`;

  beforeAll(async () => {
    api = resources.use(await ApiServer.start());
    await api.applyDeployment();
    cluster = resources.use(await ApiNode.start(api, "node-1"));
    ({ proxy } = cluster);
    await cluster.createNetwork("storage", cluster.macvlan("storage", "10.130.0.0/24"));
    await cluster.createNetwork("video", cluster.macvlan("video", "10.131.0.0/24"));
    resources.use(
      await api.watch<ApiPod>(podsPath, ({ metadata }) => {
        const status = metadata.annotations?.[statusAnnotation];
        if (status === undefined) return;
        statuses.set(metadata.uid, (statuses.get(metadata.uid) ?? new Set()).add(status));
      }),
    );
  });

  afterAll(() => resources.disposeAsync());

  /** As it was, for the next test: no rules, and watches that are asked for anew. The daemon's belief about its rights goes with it. */
  afterEach(async () => {
    await proxy.clear();
    await cluster.node.daemon.stop();
    await cluster.node.daemon.start();
    await cluster.untilWatching();
    await cluster.node.untilReady();
  });

  /** Ends the watches; their next tries meet the fault. */
  const disturbWatches = (fault: Fault, times?: number, match: typeof watches = watches) => {
    const rule = proxy.fault(match, fault, times);
    proxy.cut(match);
    return rule;
  };

  /** Waits for the network-status, and that it is the pod's only one and in the daemon's log. */
  async function untilReported(pod: PlacedPod, networks: readonly string[]): Promise<void> {
    const expected = await pod.expectedStatus(networks);
    expect(expected).toHaveLength(1 + networks.length);
    await cluster.until(
      `the network-status of ${pod.name}`,
      async () => statusOf(await cluster.apiPod(pod.name)) !== undefined,
    );
    await cluster.until("the daemon to know that it has arrived", () =>
      new RegExp(`network-status written .*${pod.uid}`).test(cluster.node.daemon.output),
    );
    expect(statusOf(await cluster.apiPod(pod.name))).toEqual(expected);
    await cluster.until("the watch to bring it", () => statuses.has(pod.uid));
    expect([...(statuses.get(pod.uid) ?? [])].map((text) => JSON.parse(text))).toEqual([expected]);
  }

  interface Expectations {
    /** Annotations with the request? Default true. */
    readonly inRequest?: boolean;
    readonly afterAdd?: () => void;
    /** Does the other writer go on? Asked before each of its writes; default yes. */
    readonly writerGoesOn?: () => boolean;
  }

  /** A pod with two networks, from ADD to DEL, with another writer of its annotations, all the time if nothing else is said. */
  async function attach(
    name: string,
    { inRequest = true, afterAdd, writerGoesOn = () => true }: Expectations = {},
    networks: readonly string[] = ["storage", "video"],
  ): Promise<void> {
    const selection = networks.join(",");
    const pod = await cluster.place(name, selection);
    await using writer = new OtherWriter(cluster, name, writerGoesOn);
    const added = await pod.call("ADD", inRequest ? selection : undefined);
    afterAdd?.();
    expect(added.result.ips).toHaveLength(1);
    await untilReported(
      pod,
      networks.map((network) => `default/${network}`),
    );
    const written = await writer.end();
    const { metadata } = await cluster.apiPod(name);
    expect(Object.keys(metadata.annotations ?? {}).sort()).toEqual(
      [...written, networksAnnotation, statusAnnotation].sort(),
    );
    (await pod.call("DEL", selection)).expectSuccess();
    expect(await pod.pod.network.links()).toEqual([]);
  }

  test("late with the network-status: the ADD does not wait", async () => {
    proxy.fault(patch, { delayMs: 2_000 });
    await attach("late", {
      // It is sent with the answer, or right after it.
      afterAdd: () => expect(proxy.seen(patch).map(({ status }) => status)).not.toContain(200),
    });
    expect(proxy.seen(patch).map(({ status }) => status)).toEqual([200]);
  });

  test.each<{ what: string; fault: Fault; times: number; requests: number }>([
    { what: "refused with 503", fault: refusal(503, "ServiceUnavailable"), times: 3, requests: 4 },
    { what: "reset", fault: { reset: true }, times: 3, requests: 4 },
    { what: "done, and its answer lost", fault: { cutAfterBytes: 0 }, times: 2, requests: 3 },
    { what: "answered in part", fault: { cutAfterBytes: 20 }, times: 2, requests: 3 },
    { what: "refused with 409", fault: refusal(409, "Conflict"), times: 3, requests: 4 },
    { what: "answered by something that is no API server", fault: welcome, times: 2, requests: 3 },
    { what: "not found by something that is no API server", fault: noPage, times: 2, requests: 3 },
  ])("the network-status is $what: sent again", async ({ fault, times, requests }) => {
    const rule = proxy.fault(patch, fault, times);
    await attach(newName("patched"));
    expect(rule.hits).toBe(times);
    // A connection that was kept may have to be tried once more for each.
    expect(proxy.seen(patch).length).toBeGreaterThanOrEqual(requests);
    expect(cluster.node.daemon.output).not.toMatch(/network-status not written/);
  });

  test("the network-status is refused with 429: sent again when the server said", async () => {
    const delayMs = 400;
    proxy.fault(patch, { ...refusal(429, "TooManyRequests", 2), delayMs }, 1);
    // Events that get through meanwhile do not say that the status may, too.
    proxy.fault({ method: "POST", path: /events$/ }, { delayMs: 2 * delayMs }, 2);
    await attach("too-many");
    const [refused, sent, ...further] = proxy.seen(patch);
    expect(further).toEqual([]);
    expect((sent?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(delayMs + 1_990);
  });

  test("no right to patch: the pod is read and updated, though it changes again and again", async () => {
    const role = "multus-updates";
    await api.kubectl("create", "clusterrole", role, "--verb=update", "--resource=pods/status");
    await api.kubectl(
      ...["create", "clusterrolebinding", role],
      ...[`--clusterrole=${role}`, "--serviceaccount=kube-system:multus"],
    );
    proxy.fault(patch, lacksRight("patch", "pods/status"));
    const statusesOfPuts = () => proxy.seen({ ...patch, method: "PUT" }).map(({ status }) => status);
    // More conflicts than one try has. A writer that never ends may be the faster one each time.
    const most = 7;
    await attach("no-patch", {
      writerGoesOn: () => statusesOfPuts().filter((status) => status === 409).length < most,
    });
    const puts = statusesOfPuts();
    expect(puts.filter((status) => status === 200)).toHaveLength(1);
    expect(puts.filter((status) => status !== 200 && status !== 409 && status !== 403)).toEqual([]);
  });

  test.each<{ what: string; fault: Fault; times: number }>([
    { what: "refused with 500", fault: refusal(500, "InternalError"), times: 3 },
    { what: "refused with 503", fault: refusal(503, "ServiceUnavailable"), times: 3 },
    { what: "refused with 429", fault: refusal(429, "TooManyRequests", 1), times: 1 },
    { what: "reset", fault: { reset: true }, times: 3 },
    { what: "answered in part", fault: { cutAfterBytes: 20 }, times: 2 },
    { what: "answered by something that is no API server", fault: welcome, times: 2 },
    { what: "answered with another object", fault: emptyObject, times: 2 },
  ])("pod and network have to be asked for, and that is $what: asked again", async ({ fault, times }) => {
    disturbWatches({ hang: true });
    const name = newName("asked");
    await cluster.createNetwork(name, cluster.macvlan(name, "10.132.0.0/24"));
    const rules = [nadLookup, podLookup].map((match) => proxy.fault(match, fault, times));
    await attach(name, { inRequest: false }, ["storage", name]);
    expect(rules.map(({ hits }) => hits)).toEqual([times, times]);
  });

  test("something that is no API server does not know the pod's path: it is not taken for gone", async () => {
    disturbWatches({ hang: true });
    const rule = proxy.fault(podLookup, noPage, 2);
    await attach("no-page", { inRequest: false });
    expect(rule.hits).toBe(2);
  });

  test("a network cannot be asked for within 2.5 s: the ADD fails, and says so", async () => {
    disturbWatches({ hang: true });
    await cluster.createNetwork("unanswered", cluster.macvlan("unanswered", "10.132.0.0/24"));
    proxy.fault(nadLookup, refusal(503, "ServiceUnavailable"));
    const pod = await cluster.place("unanswered", "unanswered");
    const added = await pod.call("ADD", "unanswered");
    expect(added.error).toMatchObject({ code: 11 });
    expect(added.error.msg).toMatch(/default\/unanswered cannot be looked up.*503/);
    expect(added.milliseconds).toBeGreaterThanOrEqual(2_400);
    expect(proxy.seen(nadLookup).length).toBeGreaterThanOrEqual(3);
    expect(await pod.pod.network.links()).toEqual([]);
    (await pod.call("DEL", "unanswered")).expectSuccess();
  });

  test("no right to watch: pods and networks are asked for, as they are now", async () => {
    disturbWatches(lacksRight("watch", "pods"));
    for (const watch of [nadWatch, podWatch]) {
      await cluster.until("a refused watch", () => proxy.seen(watch).some(({ status }) => status === 403));
    }
    await cluster.changeNetwork("video", cluster.macvlan("video", "10.133.0.0/24"));
    // The log says so once the refusal has been read.
    await cluster.until("the daemon to know", () =>
      /network-attachment-definitions: not watched/.test(cluster.node.daemon.output),
    );
    const pod = await cluster.place("unwatched", "storage,video");
    (await pod.call("ADD", undefined)).expectSuccess();
    const { addr_info } = await pod.pod.network.link("net2");
    expect(addr_info.map(({ local }) => local)).toContainEqual(expect.stringMatching(/^10\.133\.0\./));
    await untilReported(pod, ["default/storage", "default/video"]);
    expect(proxy.seen(podLookup).map(({ path }) => path)).toEqual([`${podsPath}/unwatched`]);
    (await pod.call("DEL", undefined)).expectSuccess();
    await attach("unwatched-too");
  });

  test.each<{ what: string; fault: Fault }>([
    { what: "do not begin", fault: { hang: true } },
    { what: "begin and are silent", fault: { stallAfterBytes: 0 } },
  ])("watches that $what: who is not known is asked for", async ({ fault }) => {
    const rule = disturbWatches(fault);
    await cluster.until("both to be met", () => rule.hits >= 2);
    const name = newName("unwatched");
    await cluster.createNetwork(name, cluster.macvlan(name, "10.134.0.0/24"));
    await attach(name, { inRequest: false }, ["storage", name]);
    expect(proxy.seen(podLookup).length).toBeGreaterThanOrEqual(1);
    expect(proxy.seen({ ...nadLookup, path: new RegExp(`${nadsPath}/${name}$`) })).toHaveLength(1);
  });

  test.each<{ what: string; fault: Fault; times: number }>([
    { what: "reset", fault: { reset: true }, times: 6 },
    { what: "refused with 500", fault: refusal(500, "InternalError"), times: 6 },
    { what: "cut in the middle of a line", fault: { cutAfterBytes: 50 }, times: 4 },
    { what: "answered by something that is no API server", fault: welcome, times: 4 },
  ])("watches that are $what: nothing of what happens meanwhile is missed", async ({ fault, times }) => {
    const rule = disturbWatches(fault, times);
    const name = newName("not-missed");
    // Every change is a line of a watch, and one to be cut.
    await cluster.createNetwork(name, cluster.macvlan(name, "10.135.0.0/24"));
    const pods = Array.from({ length: times }, (_, number) => `${name}-${number}`);
    for (const pod of pods) {
      await cluster.createPod(pod, "storage");
      await cluster.changeNetwork(name, cluster.macvlan(name, `10.136.${pods.indexOf(pod)}.0/24`));
    }
    await cluster.until("the last of the faults", () => rule.hits === times);
    await cluster.untilWatching();
    for (const pod of pods) await cluster.deletePod(pod);
    await attach(name, { inRequest: false }, ["storage", name]);
    expect(proxy.seen(nadLookup)).toEqual([]);
    expect(proxy.seen(podLookup)).toEqual([]);
  });

  describe("the pod changes", () => {
    test("another one takes its name before the network-status is delivered: that one gets none", async () => {
      const rule = proxy.fault(patch, refusal(503, "ServiceUnavailable"));
      const pod = await cluster.place("taken", "storage");
      (await pod.call("ADD", "storage")).expectSuccess();
      await cluster.until("a try", () => rule.hits > 0);
      await cluster.deletePod("taken");
      const other = await cluster.createPod("taken", "storage");
      expect(other.metadata.uid).not.toBe(pod.uid);
      await proxy.clear();
      await cluster.until("the daemon to see it", () =>
        /network-status not written: the name is another pod's by now .*default\/taken/.test(
          cluster.node.daemon.output,
        ),
      );
      expect(statusOf(await cluster.apiPod("taken"))).toBeUndefined();
      expect(statuses.has(other.metadata.uid)).toBe(false);
      (await pod.call("DEL", "storage")).expectSuccess();
    });

    test("it is deleted before the network-status is delivered: no error", async () => {
      const rule = proxy.fault(patch, refusal(503, "ServiceUnavailable"));
      const pod = await cluster.place("deleted", "storage");
      (await pod.call("ADD", "storage")).expectSuccess();
      await cluster.until("a try", () => rule.hits > 0);
      await cluster.deletePod("deleted");
      await proxy.clear();
      await cluster.until("the daemon to see it", () =>
        /network-status not written: there is no such pod any more .*default\/deleted/.test(
          cluster.node.daemon.output,
        ),
      );
      expect(cluster.node.daemon.output).not.toMatch(/\[error\].*default\/deleted/);
      (await pod.call("DEL", "storage")).expectSuccess();
    });

    const differing = (used: string) =>
      new RegExp(`annotations in the request and in the watch differ.*used=${used}`);

    test("its annotations in the request are newer than the watch: they are used", async () => {
      const pod = await cluster.place("newer", "storage");
      // The watch has it.
      (await pod.call("ADD", undefined)).expectSuccess();
      (await pod.call("DEL", undefined)).expectSuccess();
      const rule = disturbWatches({ stallAfterBytes: 0 });
      await cluster.until("both watches held back", () => rule.hits >= 2);
      await cluster.annotate("newer", { [networksAnnotation]: "video" });
      await cluster.node.untilReady();
      (await pod.call("ADD", "video")).expectSuccess();
      await cluster.untilLogged(differing("request"));
      await cluster.untilReported(pod, ["default/video"]);
    });

    test("its annotations in the API are newer than the request: those are used; the request's where the API does not answer", async () => {
      const pod = await cluster.place("older", "video");
      (await pod.call("ADD", "storage")).expectSuccess();
      await cluster.untilLogged(differing("API"));
      await cluster.untilReported(pod, ["default/video"]);
      (await pod.call("DEL", "storage")).expectSuccess();

      proxy.fault(podLookup, { reset: true });
      (await pod.call("ADD", "storage")).expectSuccess();
      await cluster.untilLogged(differing("request"));
      await cluster.untilReported(pod, ["default/storage"]);
    });
  });
});
