import { describe, expect, test } from "vitest";
import { type Api, ApiError, type ApiRequest, ApiUnreachable } from "../../../src/kube/api.ts";
import { fateOfDaemonSet } from "../../../src/kube/daemon-set.ts";
import { ownDaemonSetIn } from "../../../src/kube/own-daemon-set.ts";

const own = { namespace: "kube-system", name: "kube-multus-ds", pod: "kube-multus-ds-x7k2p" };
const path = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-multus-ds";

const there = { metadata: { name: own.name, deletionTimestamp: null } };
const beingDeleted = { metadata: { name: own.name, deletionTimestamp: "2026-11-30T03:00:00Z" } };
const review = (allowed: boolean) => ({ status: { allowed } });
const refused = (status: number, reason: string) => new ApiError(status, reason, `GET: ${status} ${reason}`);
const unauthorized = refused(401, "Unauthorized");
const forbidden = refused(403, "Forbidden");

/** The API's answers to the question for the DaemonSet, and to that for the daemon's rights; the last answer is given again and again. */
interface Answers {
  readonly object: readonly unknown[];
  readonly rights?: readonly unknown[];
}

class AnsweringApi implements Api {
  readonly requests: ApiRequest[] = [];
  readonly #object: unknown[];
  readonly #rights: unknown[];

  constructor({ object, rights = [] }: Answers) {
    this.#object = [...object];
    this.#rights = [...rights];
  }

  async request<Answer>(request: ApiRequest): Promise<Answer> {
    this.requests.push(request);
    const answers = request.method === "GET" ? this.#object : this.#rights;
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === undefined) throw new Error(`nobody expected ${request.path}`);
    if (answer instanceof Error) throw answer;
    return answer as Answer;
  }

  watch(): Promise<void> {
    throw new Error("not part of this test");
  }
}

/** @param podEnding what the watch of pods says */
async function fate(answers: Answers, { podEnding = true, withinMs = 1_500, lastingMs = 400 } = {}) {
  const api = new AnsweringApi(answers);
  const { isEnding, because } = await fateOfDaemonSet({
    api,
    own,
    isPodEnding: () => podEnding,
    withinMs,
    lastingMs: { gone: lastingMs, refused: lastingMs },
  });
  return { isEnding, because, api };
}

describe.concurrent("a DaemonSet", () => {
  test("that is there is told by one request for its metadata", async () => {
    const { isEnding, because, api } = await fate({ object: [there] });
    expect([isEnding, because]).toEqual([false, "DaemonSet kube-system/kube-multus-ds is there"]);
    expect(api.requests).toMatchObject([
      { method: "GET", path, accept: expect.stringContaining("PartialObjectMetadata") },
    ]);
  });

  test.each([
    ["is being deleted, in the foreground", beingDeleted],
    ["is deleted", refused(404, "NotFound")],
  ])("that %s is ending, whatever the pod's own state is known to be", async (what, answer) => {
    const { isEnding, because } = await fate({ object: [answer] }, { podEnding: false });
    expect([isEnding, because]).toEqual([
      true,
      `DaemonSet kube-system/kube-multus-ds ${what.replace(", in the foreground", "")}`,
    ]);
  });

  test("is asked for again until the API answers", async () => {
    const away = new ApiUnreachable("https://127.0.0.1:6443: ECONNREFUSED");
    expect(await fate({ object: [away, refused(503, ""), refused(404, "NotFound")] })).toMatchObject({
      isEnding: true,
    });
    expect(await fate({ object: [away, refused(500, "InternalError"), there] })).toMatchObject({
      isEnding: false,
    });
  });

  test("that is deleted and created again is there, as with kubectl replace --force", async () => {
    expect((await fate({ object: [refused(404, "NotFound"), there] })).isEnding).toBe(false);
    const { isEnding, api } = await fate({ object: [refused(404, "NotFound")] });
    expect(isEnding).toBe(true);
    expect(api.requests.length).toBeGreaterThan(1);
  });

  test("that is deleted is ending, too, where the API has no time to say it again", async () => {
    const { isEnding } = await fate({ object: [refused(404, "NotFound")] }, { lastingMs: 60_000 });
    expect(isEnding).toBe(true);
  });

  test.each([
    ["no answer", new ApiUnreachable("https://127.0.0.1:6443: ECONNREFUSED")],
    ["a 404 that is no Status", refused(404, "")],
    ["another object", { metadata: { name: "other" } }],
    ["no object", "a proxy's page"],
    ["too many requests", refused(429, "TooManyRequests")],
  ])("of which there is nothing but %s counts as there", async (_, answer) => {
    const { isEnding, because } = await fate({ object: [answer] });
    expect(isEnding).toBe(false);
    expect(because).toContain("DaemonSet kube-system/kube-multus-ds cannot be asked for: ");
  });
});

describe.concurrent("an API that refuses", () => {
  test.each<[string, Answers]>([
    ["the credentials", { object: [unauthorized] }],
    ["everything that the role allowed", { object: [forbidden], rights: [review(false)] }],
    ["first the right, then the credentials", { object: [forbidden, unauthorized], rights: [review(false)] }],
    ["the right, and the credentials in the next request", { object: [forbidden], rights: [unauthorized] }],
  ])("%s of a pod that is being deleted: the DaemonSet is ending", async (_, answers) => {
    expect(await fate(answers)).toMatchObject({
      isEnding: true,
      because: expect.stringContaining("the daemon's rights are deleted, and its pod"),
    });
  });

  test.each<[string, Answers, { podEnding?: boolean; lastingMs?: number }]>([
    ["a pod that was deleted by force", { object: [unauthorized] }, { podEnding: false }],
    ["a container that is restarted", { object: [forbidden], rights: [review(false)] }, { podEnding: false }],
    ["the one right, and no other", { object: [forbidden], rights: [review(true)] }, {}],
    ["everybody, as its roles are not loaded", { object: [forbidden], rights: [forbidden] }, {}],
    ["for a moment only", { object: [unauthorized, there] }, {}],
    ["for shorter than it takes", { object: [unauthorized] }, { lastingMs: 60_000 }],
    [
      "now and then",
      { object: [unauthorized, new ApiUnreachable("away"), unauthorized, new ApiUnreachable("away")] },
      { lastingMs: 300 },
    ],
  ])("%s: the DaemonSet counts as there", async (_, answers, options) => {
    expect((await fate(answers, options)).isEnding).toBe(false);
  });

  test("is asked no longer than there is time", async () => {
    const began = performance.now();
    await fate({ object: [unauthorized] }, { podEnding: false, withinMs: 700 });
    expect(performance.now() - began).toBeGreaterThan(600);
  });
});

test.each([
  [{ MULTUS_NAMESPACE: "kube-system", MULTUS_DAEMONSET: "kube-multus-ds", MULTUS_POD: own.pod }, own],
  [{}, undefined],
  [{ MULTUS_NAMESPACE: "kube-system", MULTUS_DAEMONSET: "kube-multus-ds" }, undefined],
  [{ MULTUS_NAMESPACE: "kube-system/x", MULTUS_DAEMONSET: "a", MULTUS_POD: "b" }, undefined],
  [{ MULTUS_NAMESPACE: "kube-system", MULTUS_DAEMONSET: "../secrets/x", MULTUS_POD: "b" }, undefined],
])("the environment %j names the DaemonSet %j", (environment, expected) => {
  expect(ownDaemonSetIn(environment)).toEqual(expected);
});
