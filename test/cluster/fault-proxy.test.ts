/** The proxy between a client and the real API server: what it passes on, what it keeps account of, and each way of going wrong. */

import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ApiServer } from "../support/cluster/api-server.ts";
import { FaultProxy } from "../support/cluster/fault-proxy.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Did its end arrive? */
  readonly complete: boolean;
}

describe("a proxy in front of an API server", () => {
  let server: ApiServer;
  let proxy: FaultProxy;
  let authority: Buffer;
  let token: string;

  beforeAll(async () => {
    server = await ApiServer.start();
    proxy = await FaultProxy.start(server);
    authority = readFileSync(server.certificates.authority.certificate);
    await server.kubectl("create", "serviceaccount", "client");
    await server.kubectl(
      ...["create", "clusterrolebinding", "client"],
      ...["--clusterrole=cluster-admin", "--serviceaccount=default:client"],
    );
    token = await server.createToken("default", "client");
    await server.untilServed(configMaps, token);
  });

  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  afterEach(() => proxy.clear());

  /** Sends a request and resolves with the head of its answer. */
  function open(
    method: string,
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        `${proxy.url}${path}`,
        {
          method,
          agent: false,
          ca: authority,
          headers: {
            Authorization: `Bearer ${token}`,
            "User-Agent": "proxy-test",
            ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          },
          ...(signal === undefined ? {} : { signal }),
        },
        resolve,
      );
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await open(method, path, body, AbortSignal.timeout(60_000));
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => {
      answer.on("error", () => {});
      answer.on("close", resolve);
    });
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      text: Buffer.concat(chunks).toString(),
      complete: answer.complete,
    };
  }

  const exists = async (name: string) => (await server.ask("GET", `${configMaps}/${name}`)).status === 200;

  test("passes requests on as they are, for who sends them, and keeps account of them", async () => {
    const since = Date.now();
    const created = await ask("POST", configMaps, { metadata: { name: "passed-on" }, data: { key: "ä" } });
    expect(created.status).toBe(201);
    expect(created.complete).toBe(true);
    expect(JSON.parse((await ask("GET", `${configMaps}/passed-on?x=1`)).text).data).toEqual({ key: "ä" });
    const missing = await ask("GET", `${configMaps}/missing`);
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.text)).toMatchObject({ kind: "Status", reason: "NotFound" });
    const review = await ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "SelfSubjectReview",
    });
    expect(JSON.parse(review.text).status.userInfo.username).toBe("system:serviceaccount:default:client");

    expect(proxy.requests.map(({ method, path, query, status }) => [method, path, query, status])).toEqual([
      ["POST", configMaps, "", 201],
      ["GET", `${configMaps}/passed-on`, "x=1", 200],
      ["GET", `${configMaps}/missing`, "", 404],
      ["POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "", 201],
    ]);
    for (const { at, millis, userAgent } of proxy.requests) {
      expect(at).toBeGreaterThanOrEqual(since);
      expect(millis).toBeGreaterThan(0);
      expect(userAgent).toBe("proxy-test");
    }
    expect(proxy.seen({ method: "GET", path: /passed-on\?x=1$/ })).toEqual([proxy.requests[1]]);
    await proxy.clear();
    expect(proxy.requests).toEqual([]);
  });

  test("passes a watch on as it comes, and its end", async () => {
    const watch = await open("GET", `${configMaps}?watch=1&fieldSelector=metadata.name%3Dwatched`);
    let text = "";
    watch.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = new Promise((resolve) => watch.on("close", resolve));
    watch.on("error", () => {});
    const [request] = proxy.requests;
    expect(request?.status).toBe(200);
    await server.kubectl("create", "configmap", "watched");
    await vi.waitFor(() => expect(text).toContain('"ADDED"'), 30_000);
    await server.kubectl("delete", "configmap", "watched");
    await vi.waitFor(() => expect(text).toContain('"DELETED"'), 30_000);
    expect(request?.millis).toBeUndefined();

    expect(proxy.cut({ path: /secrets/ })).toBe(0);
    expect(proxy.cut({ path: /watch=1/ })).toBe(1);
    await ended;
    expect(watch.complete).toBe(false);
    await vi.waitFor(() => expect(request?.millis).toBeGreaterThan(0), 30_000);
  });

  test("answers in the server's place, so many times", async () => {
    const rule = proxy.fault(
      { method: "POST", path: /configmaps$/ },
      { answer: { status: 503, reason: "ServiceUnavailable", retryAfterSeconds: 7 } },
      2,
    );
    expect((await ask("GET", configMaps)).status).toBe(200);
    for (let time = 0; time < 2; time += 1) {
      const answer = await ask("POST", configMaps, { metadata: { name: "refused" } });
      expect(answer.status).toBe(503);
      expect(answer.headers["retry-after"]).toBe("7");
      expect(JSON.parse(answer.text)).toMatchObject({
        kind: "Status",
        code: 503,
        reason: "ServiceUnavailable",
      });
    }
    expect(await exists("refused")).toBe(false);
    expect((await ask("POST", configMaps, { metadata: { name: "refused" } })).status).toBe(201);
    expect(rule.hits).toBe(2);
    expect(proxy.requests.map(({ status }) => status)).toEqual([200, 503, 503, 201]);
  });

  test("the first rule with times left counts", async () => {
    const first = proxy.fault({}, { answer: { status: 500, reason: "InternalError" } }, 1);
    const second = proxy.fault({}, { answer: { status: 429, reason: "TooManyRequests" } });
    expect((await ask("GET", "/version")).status).toBe(500);
    expect((await ask("GET", "/version")).status).toBe(429);
    expect([first.hits, second.hits]).toEqual([1, 1]);
    await proxy.clear();
    expect((await ask("GET", "/version")).status).toBe(200);
  });

  test("is late", async () => {
    proxy.fault({ path: /version/ }, { delayMs: 700 }, 1);
    const started = performance.now();
    expect((await ask("GET", "/version")).status).toBe(200);
    // A timer may be a millisecond early.
    expect(performance.now() - started).toBeGreaterThanOrEqual(699);
    expect(proxy.requests[0]?.millis).toBeGreaterThanOrEqual(699);
  });

  test("resets a connection before the server has seen the request", async () => {
    proxy.fault({ method: "POST" }, { reset: true }, 1);
    await expect(ask("POST", configMaps, { metadata: { name: "reset" } })).rejects.toThrow(
      /ECONNRESET|socket hang up/,
    );
    expect(await exists("reset")).toBe(false);
    await vi.waitFor(() => expect(proxy.requests[0]?.millis).toBeGreaterThan(0), 30_000);
    expect(proxy.requests[0]?.status).toBeUndefined();
  });

  test("loses an answer after the server has done what it was asked", async () => {
    proxy.fault({ method: "POST" }, { cutAfterBytes: 0 }, 1);
    await expect(ask("POST", configMaps, { metadata: { name: "answer-lost" } })).rejects.toThrow(
      /ECONNRESET|socket hang up/,
    );
    expect(await exists("answer-lost")).toBe(true);
  });

  test("cuts an answer off", async () => {
    proxy.fault({ path: /version/ }, { cutAfterBytes: 10 }, 1);
    const cut = await ask("GET", "/version");
    expect({ status: cut.status, complete: cut.complete }).toEqual({ status: 200, complete: false });
    const whole = await ask("GET", "/version");
    expect(whole.complete).toBe(true);
    expect(cut.text).toBe(whole.text.slice(0, 10));

    // An answer that is shorter than that arrives whole.
    proxy.fault({ path: /version/ }, { cutAfterBytes: whole.text.length + 1 }, 1);
    expect(await ask("GET", "/version")).toMatchObject({ complete: true, text: whole.text });
  });

  test("falls silent in the middle of an answer, and keeps the connection", async () => {
    proxy.fault({ path: /configmaps\?watch=1/ }, { stallAfterBytes: 10 }, 1);
    const stalled = await open("GET", `${configMaps}?watch=1&resourceVersion=0`);
    const whole = await open("GET", `${configMaps}?watch=1&resourceVersion=0`);
    const texts = [stalled, whole].map((answer) => {
      const heard = { text: "" };
      answer.on("data", (chunk: Buffer) => {
        heard.text += chunk.toString();
      });
      answer.on("error", () => {});
      return heard;
    });
    await server.kubectl("create", "configmap", "not-told");
    await vi.waitFor(() => expect(texts[1]?.text).toContain("not-told"), 30_000);
    expect(texts[0]?.text).toBe(texts[1]?.text.slice(0, 10));
    expect(proxy.requests[0]).toMatchObject({ status: 200, millis: undefined });
    expect(proxy.cut({ path: /watch=1/ })).toBe(2);
  });

  test("answers with what no API server says", async () => {
    proxy.fault({}, { answer: { status: 200, reason: "OK", text: "<p>Welcome" } }, 1);
    const { status, headers, text } = await ask("GET", "/version");
    expect([status, headers["content-type"], text]).toEqual([200, "text/html", "<p>Welcome"]);
  });

  test("never answers, until its client gives up", async () => {
    const rule = proxy.fault({ method: "POST" }, { hang: true }, 1);
    const patience = new AbortController();
    const hanging = open("POST", configMaps, { metadata: { name: "hung" } }, patience.signal);
    await vi.waitFor(() => expect(rule.hits).toBe(1), 30_000);
    expect((await ask("GET", "/version")).status).toBe(200);
    expect(proxy.requests[0]?.millis).toBeUndefined();
    patience.abort();
    await expect(hanging).rejects.toThrow("abort");
    await vi.waitFor(() => expect(proxy.requests[0]?.millis).toBeGreaterThan(0), 30_000);
    expect(await exists("hung")).toBe(false);
  });

  test("is down and up again, on the same port", async () => {
    const watch = await open("GET", `${configMaps}?watch=1`);
    watch.on("error", () => {});
    watch.resume();
    const ended = new Promise((resolve) => watch.on("close", resolve));
    const { url } = proxy;
    await proxy.down();
    await ended;
    await expect(ask("GET", "/version")).rejects.toThrow("ECONNREFUSED");
    await proxy.up();
    expect(proxy.url).toBe(url);
    expect((await ask("GET", "/version")).status).toBe(200);
  });

  test("shows its client that the server is gone, and serves again when it is back", async () => {
    const watch = await open("GET", `${configMaps}?watch=1`);
    watch.on("error", () => {});
    watch.resume();
    const ended = new Promise((resolve) => watch.on("close", resolve));
    await server.stop();
    await ended;
    expect(watch.complete).toBe(false);
    await expect(ask("GET", "/version")).rejects.toThrow(/ECONNRESET|socket hang up/);
    await server.restart();
    expect((await ask("GET", "/version")).status).toBe(200);
  });
});
