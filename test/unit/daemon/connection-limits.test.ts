import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setImmediate as immediately } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ConnectionBounds, ConnectionLimits } from "../../../src/daemon/connection-limits.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const patience = 30_000;
const bounds: ConnectionBounds = {
  most: 6,
  mostOfPeer: 3,
  requestWithinMs: 60_000,
  answerWithinMs: 60_000,
};

let directory: ScratchDirectory;
let server: Server;
let limits: ConnectionLimits;
/** The server's ends, in order of arrival. */
let accepted: Socket[];
const clients: Socket[] = [];

beforeEach(async () => {
  directory = new ScratchDirectory("limits");
  accepted = [];
  server = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => {}).resume();
  });
  server.listen(join(directory.path, "socket"));
  await once(server, "listening");
});

afterEach(() => {
  vi.useRealTimers();
  for (const socket of [...clients.splice(0), ...accepted]) socket.destroy();
  server.close();
  directory[Symbol.dispose]();
});

/** @returns the server's end of a new connection */
async function open(): Promise<Socket> {
  const count = accepted.length;
  clients.push(connect(join(directory.path, "socket")));
  await vi.waitFor(() => expect(accepted).toHaveLength(count + 1), patience);
  const socket = accepted[count];
  if (socket === undefined) throw new Error("no connection");
  return socket;
}

async function add(peer: string, hasRequest = false): Promise<Socket> {
  const socket = await open();
  limits.add(socket, peer);
  if (hasRequest) limits.hasRequest(socket);
  return socket;
}

const closed = (...sockets: Socket[]) => sockets.map(({ destroyed }) => destroyed);

describe("where a peer has too many", () => {
  test("its oldest without a request is closed", async () => {
    limits = new ConnectionLimits(bounds);
    const sockets = [await add("a", true), await add("a"), await add("a"), await add("b"), await add("a")];
    expect(closed(...sockets)).toEqual([false, true, false, false, false]);
  });

  test("and all of them have requests, the newest is", async () => {
    limits = new ConnectionLimits(bounds);
    const sockets = [await add("a", true), await add("a", true), await add("a", true), await add("a")];
    expect(closed(...sockets)).toEqual([false, false, false, true]);
  });
});

test("where there are too many in all, one of a peer that has most is closed", async () => {
  limits = new ConnectionLimits(bounds);
  const quiet = await add("quiet");
  const sockets = [await add("a"), await add("a"), await add("a"), await add("b"), await add("b")];
  const newest = await add("other");
  expect(closed(quiet, ...sockets, newest)).toEqual([false, true, false, false, false, false, false]);
  expect(limits.size).toBe(6);
});

test("one that is released counts no more, and is not late", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  limits = new ConnectionLimits({ ...bounds, mostOfPeer: 1, requestWithinMs: 100 });
  const released = await add("a");
  limits.release(released);
  const other = await add("a");
  vi.advanceTimersByTime(100);
  await vi.waitFor(() => expect(closed(released, other)).toEqual([false, true]), patience);
});

test("one whose request has come has time for its answer", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const late: number[] = [];
  limits = new ConnectionLimits({
    ...bounds,
    requestWithinMs: 100,
    answerWithinMs: 1_000,
    onLate: (milliseconds) => late.push(milliseconds),
  });
  const [silent, answered] = [await add("a"), await add("a")];
  // In time, though the daemon reads it only after that.
  vi.advanceTimersByTime(100);
  limits.hasRequest(answered);
  await immediately();
  await immediately();
  await immediately();
  expect([closed(silent, answered), late]).toEqual([[true, false], [100]]);
  vi.advanceTimersByTime(1_000);
  await vi.waitFor(() => expect([closed(answered), late]).toEqual([[true], [100, 1_000]]), patience);
});

test("none is closed for another while its request may be on its way, and then there are no more than may be", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  limits = new ConnectionLimits({
    ...bounds,
    most: 2,
    mostOfPeer: 2,
    grace: { milliseconds: 500, most: 100 },
  });
  const sockets = [await open(), await open(), await open(), await open()];
  for (const socket of sockets) limits.add(socket, "");
  expect(closed(...sockets)).toEqual([false, false, false, false]);
  const [first] = sockets;
  if (first !== undefined) limits.release(first);
  vi.advanceTimersByTime(499);
  await immediately();
  await immediately();
  await immediately();
  expect(closed(...sockets)).toEqual([false, false, false, false]);
  vi.advanceTimersByTime(1);
  expect(closed(...sockets)).toEqual([false, true, false, false]);
});

test("there is a bound for those whose request may be on its way, too: they are closed when what came has been read", async () => {
  limits = new ConnectionLimits({ ...bounds, grace: { milliseconds: 60_000, most: 3 } });
  const sockets = [await open(), await open(), await open(), await open()];
  for (const socket of sockets) limits.add(socket, "");
  expect(closed(...sockets)).toEqual([false, false, false, false]);
  await vi.waitFor(() => expect(closed(...sockets)).toEqual([true, false, false, false]), patience);
});
