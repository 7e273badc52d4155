import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Api, ApiError, type ApiRequest, ApiUnreachable } from "../../../src/kube/api.ts";
import { ClusterStatusSink } from "../../../src/kube/cluster-status-sink.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import type { PodReference } from "../../../src/multus/input/pod.ts";

const names = ["a", "b", "c", "d", "e", "f"];
const answer = fc.constantFrom("done" as const, "lost" as const, "conflict" as const, "unavailable" as const);

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("status" as const), name: fc.constantFrom(...names) }),
  },
  fc.record({
    kind: fc.constant("withdraw" as const),
    name: fc.constantFrom(...names),
    // Of the newest sandbox, or of one before it.
    back: fc.nat(2),
  }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("answer" as const), which: fc.nat(5), answer }) },
  fc.record({ kind: fc.constant("event" as const), name: fc.constantFrom(...names) }),
);

interface UnderWay {
  readonly request: ApiRequest;
  readonly end: (how: "done" | "lost" | "conflict" | "unavailable") => void;
}

/** An API whose answers come when, and as, the test says: no server can be made to answer in every order. */
class HeldApi implements Api {
  readonly underWay: UnderWay[] = [];
  onBegin: (request: ApiRequest) => void = () => {};
  onDone: (request: ApiRequest) => void = () => {};

  request<Answer>(request: ApiRequest): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const held: UnderWay = {
        request,
        end: (how) => {
          this.underWay.splice(this.underWay.indexOf(held), 1);
          if (how === "done") {
            this.onDone(request);
            resolve({} as Answer);
          } else if (how === "lost") reject(new ApiUnreachable("no answer"));
          else reject(new ApiError(how === "conflict" ? 409 : 503, "", how));
        },
      };
      this.underWay.push(held);
      this.onBegin(request);
    });
  }

  async watch(): Promise<void> {}
}

const isStatus = ({ path }: ApiRequest) => path.endsWith("/status");
const podOf = ({ path }: ApiRequest) => /\/pods\/([^/]+)\/status$/.exec(path)?.[1] ?? "";
/** Statuses are numbered: the number is all that is in one. */
const numberOf = ({ body }: ApiRequest) => Number(/\[(\d+)\]/.exec(JSON.stringify(body))?.[1]);

test("whatever the order of adding, withdrawing and answers: one at a time for a pod, nothing withdrawn or outdated is begun, and the newest that is wanted arrives last", async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const api = new HeldApi();
      const sink = new ClusterStatusSink({
        api,
        nodeName: "node-1",
        log: silentLogger,
        pauses: { first: 4, most: 16 },
      });
      /** The model: the status that each pod is to have, if any. */
      const wanted = new Map<string, number>();
      const arrived = new Map<string, number>();
      const sandboxes = new Map<string, PodReference[]>();
      const statuses = new Map<string, { readonly number: number; readonly sandbox: string }>();
      let count = 0;
      let hasFailed = false;
      let events = 0;

      api.onBegin = (request) => {
        expect(api.underWay.length).toBeLessThanOrEqual(4);
        if (!isStatus(request)) return;
        const name = podOf(request);
        expect(wanted.get(name)).toBe(numberOf(request));
        expect(
          api.underWay.filter((other) => isStatus(other.request) && podOf(other.request) === name),
        ).toHaveLength(1);
      };
      api.onDone = (request) => {
        hasFailed = false;
        if (!isStatus(request)) {
          events--;
          return;
        }
        arrived.set(podOf(request), numberOf(request));
        // Delivered is delivered: nobody wants it again.
        if (wanted.get(podOf(request)) === numberOf(request)) wanted.delete(podOf(request));
      };
      const settle = () => vi.advanceTimersByTimeAsync(20);

      for (const next of steps) {
        if (next.kind === "status") {
          count++;
          const sandbox = { namespace: "default", name: next.name, uid: "", sandboxId: `s${count}` };
          sandboxes.set(next.name, [...(sandboxes.get(next.name) ?? []), sandbox]);
          wanted.set(next.name, count);
          statuses.set(next.name, { number: count, sandbox: sandbox.sandboxId });
          sink.networkStatus(sandbox, Buffer.from(`[${count}]`));
        } else if (next.kind === "withdraw") {
          const sandbox = sandboxes.get(next.name)?.at(-1 - next.back);
          if (sandbox !== undefined) sink.withdraw(sandbox);
          if (sandbox?.sandboxId === statuses.get(next.name)?.sandbox) wanted.delete(next.name);
        } else if (next.kind === "event") {
          count++;
          events++;
          const pod = { namespace: "default", name: next.name, uid: "", sandboxId: "" };
          sink.event(pod, { type: "Normal", reason: "AddedInterface", message: `Add ${count}` });
        } else {
          const held = api.underWay[next.which % Math.max(1, api.underWay.length)];
          // A conflict of an event would be one that is there already.
          const how =
            next.answer === "conflict" && held !== undefined && !isStatus(held.request)
              ? "lost"
              : next.answer;
          const before = api.underWay.length;
          held?.end(how);
          await settle();
          if (held !== undefined && (how === "lost" || how === "unavailable")) {
            // One request asks whether the server is back, and none beside it.
            if (hasFailed || before === 1)
              expect(api.underWay.length).toBeLessThanOrEqual(Math.max(1, before - 1));
            hasFailed = true;
          } else if (held !== undefined) hasFailed = false;
          continue;
        }
        await settle();
      }

      // The server answers everything from now on.
      for (let rounds = 0; sink.pending > 0; rounds++) {
        expect(rounds).toBeLessThan(2_000);
        for (const held of [...api.underWay]) held.end("done");
        await vi.advanceTimersByTimeAsync(50);
      }
      expect([...wanted]).toEqual([]);
      expect(events).toBe(0);
      for (const [name, number] of arrived)
        expect(number).toBeLessThanOrEqual(statuses.get(name)?.number ?? 0);
      sink.close();
    }),
    { numRuns: 300 },
  );
});
