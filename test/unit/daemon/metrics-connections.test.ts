/** The metrics port is open to everyone: a client that floods it, or is slow, blocks no scrape. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createMetrics } from "../../../src/daemon/metrics/registry.ts";
import { MetricsServer } from "../../../src/daemon/metrics/server.ts";
import { SharedCollection } from "../../../src/daemon/metrics/shared-collection.ts";
import { freePort } from "../../support/cluster/ports.ts";
import { quietState } from "../../support/daemon-state.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

const patience = 30_000;
const scraper = "127.0.0.1";
const request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

let port: number;
let server: MetricsServer;
let collections: number;
const opened: Socket[] = [];

beforeEach(async () => {
  port = await freePort();
  collections = 0;
  const metrics = createMetrics({ version: "1.2.3", protocol: 1 }, () => quietState);
  const counted = {
    ...metrics,
    text() {
      collections += 1;
      return metrics.text();
    },
  };
  server = new MetricsServer(counted, "127.0.0.1", port, new RecordingLogger());
  server.listen();
  await vi.waitFor(() => scrape(), patience);
});

afterEach(() => {
  vi.useRealTimers();
  for (const socket of opened.splice(0)) socket.destroy();
  server.close();
});

async function open(localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  opened.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** All that comes until the server closes. */
async function answerTo(bytes: string, localAddress = scraper): Promise<string> {
  const socket = await open(localAddress);
  socket.write(bytes);
  return text(socket);
}

async function scrape(localAddress = scraper): Promise<void> {
  const answer = await answerTo(request, localAddress);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toContain("# TYPE multus_requests_total counter\n");
}

const isClosed = (socket: Socket) => socket.destroyed || socket.readableEnded;

async function openMany(count: number, address: (index: number) => string): Promise<Socket[]> {
  const sockets = await Promise.all(Array.from({ length: count }, (_, index) => open(address(index))));
  for (const socket of sockets) socket.resume();
  return sockets;
}

describe("a scrape gets through", () => {
  test.each(["127.0.0.2", scraper])("beside 200 slow connections from %s", async (address) => {
    const slow = await openMany(200, () => address);
    for (const socket of slow) socket.write("GET /metrics HTTP/1.1\r\n");
    await scrape();
    await vi.waitFor(
      () => expect(slow.filter((socket) => !isClosed(socket)).length).toBeLessThanOrEqual(8),
      patience,
    );
    await scrape();
  });

  test("beside slow connections from 200 addresses", async () => {
    const slow = await openMany(200, (index) => `127.0.1.${index + 1}`);
    await scrape();
    await vi.waitFor(
      () => expect(slow.filter((socket) => !isClosed(socket)).length).toBeLessThanOrEqual(64),
      patience,
    );
    await scrape();
  });

  test("while another address opens one connection after the other", async () => {
    let goesOn = true;
    const flood = async () => {
      while (goesOn) await open("127.0.0.2").catch(() => {});
    };
    const floods = Array.from({ length: 20 }, flood);
    for (let time = 0; time < 10; time++) await scrape();
    goesOn = false;
    await Promise.all(floods);
  });

  test("beside connections that ask and do not read", async () => {
    const unread = await Promise.all(Array.from({ length: 100 }, () => open("127.0.0.2")));
    for (const socket of unread) socket.pause().write(request);
    await scrape();
  });
});

describe("a connection", () => {
  test("whose request does not come within 5 s is closed, however it trickles", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const slow = await open(scraper);
    slow.resume();
    const closed = once(slow, "close");
    slow.write("GET /met");
    // It has arrived, as one that came later is answered.
    const later = await answerTo("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(later).toMatch(/^HTTP\/1\.1 404 /);
    vi.advanceTimersByTime(4_999);
    slow.write("rics");
    vi.advanceTimersByTime(1);
    await closed;
  });

  test("is for one request: nothing idle stays", async () => {
    const answer = await answerTo(request.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n"));
    expect(answer).toMatch(/^Connection: close\r$/m);
  });

  test.each([
    ["a URL that is too long", `GET /metrics?${"a".repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
    ["headers that are too long", `GET /metrics HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(9_000)}\r\n\r\n`, 431],
    ["a body", "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n", 413],
    ["a body in chunks", "GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413],
  ])("with %s is refused", async (_, bytes, status) => {
    expect(await answerTo(bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});

test("scrapes at the same time share one collection", async () => {
  const collected = Promise.withResolvers<void>();
  let count = 0;
  const collection = new SharedCollection(async () => {
    count += 1;
    await collected.promise;
    return "text";
  });
  const texts = Array.from({ length: 40 }, () => collection.text());
  collected.resolve();
  expect(new Set(await Promise.all(texts))).toEqual(new Set(["text"]));
  expect(count).toBe(1);
  collections = 0;
  await Promise.all(Array.from({ length: 60 }, (_, index) => scrape(`127.0.2.${index + 1}`)));
  expect(collections).toBeLessThan(60);
});

test("collecting again and again takes a tenth of the time at most", async () => {
  const taken: { readonly begin: number; readonly end: number }[] = [];
  const collection = new SharedCollection(async () => {
    const begin = performance.now();
    while (performance.now() < begin + 5);
    taken.push({ begin, end: performance.now() });
    return String(taken.length);
  });
  for (let time = 0; time < 5; time++) expect(await collection.text()).toBe(String(time + 1));
  for (const [index, { begin, end }] of taken.entries()) {
    const next = taken[index + 1];
    // A timer may come a millisecond early.
    if (next !== undefined)
      expect(next.begin - end).toBeGreaterThanOrEqual(Math.min(9 * (end - begin), 1_000) - 2);
  }
});

test("a collection that fails fails those who share it, and the next one is tried", async () => {
  let time = 0;
  const collection = new SharedCollection(async () => {
    time += 1;
    if (time === 1) throw new Error("no");
    return "text";
  });
  const [first, second] = await Promise.allSettled([collection.text(), collection.text()]);
  expect([first.status, second.status]).toEqual(["rejected", "rejected"]);
  expect(await collection.text()).toBe("text");
});
