import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleEnd } from "../../../src/daemon/idle-end.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function newIdleEnd(seconds: number | undefined, undelivered = () => 0) {
  const end = vi.fn();
  return { end, idleEnd: new IdleEnd({ seconds, undelivered, end }) };
}

/** Works as a request's handler does. */
async function during<Result>(
  idleEnd: IdleEnd,
  command: string,
  work: () => Promise<Result>,
): Promise<Result> {
  idleEnd.begun(command);
  try {
    return await work();
  } finally {
    idleEnd.ended(command);
  }
}

test("ends once after so many seconds without a request", async () => {
  const { end, idleEnd } = newIdleEnd(60);
  idleEnd.begin();
  await vi.advanceTimersByTimeAsync(59_900);
  expect(end).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(end).toHaveBeenCalledTimes(1);
});

test("does not end while a request is worked on, and counts from the last one's end", async () => {
  const { end, idleEnd } = newIdleEnd(60);
  const requests = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
  idleEnd.begin();
  const works = requests.map(({ promise }) => during(idleEnd, "ADD", () => promise));
  await vi.advanceTimersByTimeAsync(600_000);
  requests[0].resolve("first");
  await vi.advanceTimersByTimeAsync(600_000);
  requests[1].reject(new Error("second"));
  await expect(Promise.allSettled(works)).resolves.toMatchObject([
    { value: "first" },
    { status: "rejected" },
  ]);
  await vi.advanceTimersByTimeAsync(59_900);
  expect(end).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(200);
  expect(end).toHaveBeenCalledTimes(1);
});

test("ends once, whoever is still served meanwhile", async () => {
  const { end, idleEnd } = newIdleEnd(60);
  idleEnd.begin();
  await vi.advanceTimersByTimeAsync(60_100);
  await during(idleEnd, "ADD", async () => {});
  await vi.advanceTimersByTimeAsync(600_000);
  expect(end).toHaveBeenCalledTimes(1);
});

test("is not kept by a runtime that asks for STATUS", async () => {
  const { end, idleEnd } = newIdleEnd(60);
  idleEnd.begin();
  for (let second = 0; second < 60; second += 5) {
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await during(idleEnd, "STATUS", async () => "served")).toBe("served");
  }
  await vi.advanceTimersByTimeAsync(1_000);
  expect(end).toHaveBeenCalledTimes(1);
});

test("waits for what is to be delivered", async () => {
  let undelivered = 2;
  const { end, idleEnd } = newIdleEnd(60, () => undelivered);
  idleEnd.begin();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(end).not.toHaveBeenCalled();
  undelivered = 0;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(end).toHaveBeenCalledTimes(1);
});

test("never ends where nothing says so", async () => {
  const { end, idleEnd } = newIdleEnd(undefined);
  idleEnd.begin();
  await during(idleEnd, "ADD", async () => {});
  await vi.advanceTimersByTimeAsync(1_000_000_000);
  expect(end).not.toHaveBeenCalled();
});
