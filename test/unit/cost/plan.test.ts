/** A plan costs in proportion to its networks, when it is made, written and read. */

import { describe, expect, test } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { NetworkConfigList } from "../../../src/cni/types.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { longestPlan, mostEntriesRead, mostPlugins } from "../../../src/multus/input/bounds.ts";
import type { AttachmentRequest } from "../../../src/multus/input/selection.ts";
import { capabilityArgs } from "../../../src/multus/plan/capability-args.ts";
import { askedRoutes, checkDefaultRoutes, defaultRouteEdit } from "../../../src/multus/plan/default-route.ts";
import type { Delegate } from "../../../src/multus/plan/delegate.ts";
import { encodePlan, entryLength } from "../../../src/multus/plan/plan-encoding.ts";
import { PlanSize } from "../../../src/multus/plan/plan-size.ts";
import { pluginArgs } from "../../../src/multus/request/plugin-environment.ts";
import { decodePlan, type PlanFile } from "../../../src/multus/state/plan-decoding.ts";
import { growth, linear, refused } from "../../support/growth.ts";
import { filled } from "./filled.ts";

const kernels = loadKernels();

function networkOf(config: object): NetworkConfigList {
  return parseNetworkConfig(Buffer.from(JSON.stringify(config)), "test", kernels);
}

const macvlan = networkOf({ cniVersion: "1.0.0", name: "a", type: "macvlan" });

function delegatesOf(count: number, request: AttachmentRequest = {}, network = macvlan): Delegate[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `default/a${index}`,
    network,
    request,
    isChainFile: false,
  }));
}

/** Larger than any plan can be, so that what is quadratic in the number of networks shows. */
const counts = [500, 4000];

describe("a plan of many networks", () => {
  test.each<readonly [string, AttachmentRequest]>([
    ["that ask for nothing", {}],
    ["that ask for the routes of their networks", { defaultRoute: [] }],
    ["that ask for a gateway each", { defaultRoute: ["10.0.0.1"] }],
  ])("%s is written in proportion to their number", (_, request) => {
    const work = (size: number) => {
      const delegates = delegatesOf(size, request);
      return () => encodePlan(delegates);
    };
    expect(growth({ sizes: counts, work })).toBeLessThan(linear);
  });

  test("has its default routes told apart in proportion to their number", () => {
    const work = (size: number) => {
      const delegates = delegatesOf(size);
      return () => {
        checkDefaultRoutes(delegates);
        const asked = askedRoutes(delegates);
        return delegates.map((delegate) => defaultRouteEdit(delegate, asked));
      };
    };
    expect(growth({ sizes: counts, work })).toBeLessThan(linear);
  });

  test("that ask for a gateway each is refused with a short error", () => {
    const refusal = refused(() => checkDefaultRoutes(delegatesOf(4000, { defaultRoute: ["10.0.0.1"] })))();
    expect(refusal).toMatchObject({ code: 7, message: expect.stringContaining("4000 in all") });
    expect((refusal as Error).message.length).toBeLessThan(400);
  });
});

describe("the size of a plan", () => {
  const large = networkOf({ cniVersion: "1.0.0", name: "large", type: "a", note: "x".repeat(1_000_000) });

  test("is known before it is written, within some bytes for each network", () => {
    const requests: AttachmentRequest[] = [
      {},
      { ifName: "net7", mac: "02:00:00:00:00:01", ips: ["10.0.0.1/8", "fd00::1/64"], deviceID: 'a"\n\u00e4' },
      { defaultRoute: [], infinibandGUID: "00:11:22:33:44:55:66:77" },
    ];
    for (const network of [
      macvlan,
      large,
      networkOf({ name: "list", plugins: [{ type: "a", dns: { domain: "\u00e4\u00e4" } }] }),
    ]) {
      const delegates = requests.flatMap((request) => delegatesOf(1, request, network));
      const written = Buffer.byteLength(encodePlan(delegates));
      const counted = delegates.reduce((sum, delegate) => sum + entryLength(delegate), 0);
      expect(counted).toBeGreaterThanOrEqual(written - 2);
      expect(counted - written).toBeLessThan(100 * delegates.length);
    }
  });

  test("is bounded: the error names the network that is too much, and how much it is", () => {
    const size = new PlanSize();
    const delegates = delegatesOf(10, {}, large);
    const refusal = refused(() => delegates.map((delegate) => size.add(delegate)))();
    expect(refusal).toMatchObject({
      code: 7,
      message: expect.stringMatching(
        /^network default\/a3: the pod's plan has 53\d{5} bytes with it, and at most 4194304 are allowed$/,
      ),
    });
    // A plan that was let through can be written and read.
    const plan = encodePlan(delegates.slice(0, 3));
    expect(plan.length).toBeLessThan(longestPlan);
    expect(decodePlan(Buffer.from(plan))).toMatchObject({ problem: "", entries: { length: 3 } });
  });

  test("counts plugins: each is a process for each ADD and DEL", () => {
    const many = networkOf({ name: "many", plugins: Array(mostPlugins / 2).fill({ type: "a" }) });
    const size = new PlanSize();
    for (const delegate of delegatesOf(2, {}, many)) size.add(delegate);
    expect(() => size.add(delegatesOf(1)[0] as Delegate)).toThrow(
      `network default/a0: the pod's plan has ${mostPlugins + 1} plugins with it, and at most ${mostPlugins} are allowed`,
    );
  });
});

describe("a plan on disk", () => {
  const entry = encodePlan(delegatesOf(1)).slice(1, -1);
  const sizes = [longestPlan / 64, longestPlan / 8];

  test.each<readonly [string, (length: number) => string]>([
    ["whole", (length) => filled("[", () => entry, "]", length)],
    ["torn", (length) => filled("[", () => entry, "", length)],
    [
      "torn in a text",
      (length) => `${filled("[", () => entry, "", length / 2)},{"Bytes":"${"A".repeat(length / 2)}`,
    ],
    ["of brackets that are not closed", (length) => "[{".repeat(length / 2)],
    ["of quotes", (length) => '"'.repeat(length)],
    ["of backslashes", (length) => `["${"\\".repeat(length)}`],
    ["of entries that are none", (length) => filled("[", () => "1", "]", length)],
    ["of entries without anything", (length) => filled("[", () => "{}", "]", length)],
    ["of nothing but commas", (length) => ",".repeat(length)],
    [
      "nested",
      (length) => `[{"Conf":{"type":"a","dns":${"[".repeat(length / 2)}${"]".repeat(length / 2)}}}]`,
    ],
  ])("%s is read in proportion to its length", (_, textOf) => {
    const work = (size: number) => {
      const text = textOf(size);
      return () => decodePlan(Buffer.from(text));
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });

  test("has at most so many networks that are read", () => {
    const plan: PlanFile = decodePlan(
      Buffer.from(
        `[${Array(mostEntriesRead + 1)
          .fill(entry)
          .join()}]`,
      ),
    );
    expect(plan.problem).toBe(`more than ${mostEntriesRead} entries`);
    expect(plan.entries).toHaveLength(mostEntriesRead);
  });

  test("keeps the entry whose projection is nested too deeply to be written again", () => {
    const nested = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const bytes = Buffer.from('{"name":"a","type":"b"}').toString("base64");
    const { entries, problem } = decodePlan(
      Buffer.from(`[{"Conf":{"type":"b","dns":${nested}},"Bytes":"${bytes}"}]`),
    );
    expect(problem).toBe("");
    expect(entries[0]?.configurations).toHaveLength(1);
  });
});

describe("the cost of a runtime's request", () => {
  test("pairs of CNI_ARGS are put together in proportion to their number", () => {
    const pod = { namespace: "default", name: "web", uid: "u", sandboxId: "s" };
    const work = (size: number) => {
      const args = Array.from({ length: size }, (_, index) => [`K${index}`, ""] as const);
      return () => pluginArgs(pod, args);
    };
    expect(growth({ sizes: counts, work })).toBeLessThan(linear);
  });

  test("capability arguments are looked up in proportion to them and to the capabilities", () => {
    const work = (size: number) => {
      const names = Array.from({ length: size }, (_, index) => `capability-${index}`);
      const network = networkOf({
        name: "a",
        plugins: [{ type: "a", capabilities: Object.fromEntries(names.map((name) => [name, true])) }],
      });
      const runtimeConfig = new Map(names.map((name) => [name, Buffer.from("1")]));
      return () => capabilityArgs(runtimeConfig, {}, network, "/devinfo/cni/a-c_net1");
    };
    expect(growth({ sizes: counts, work })).toBeLessThan(linear);
  });
});
