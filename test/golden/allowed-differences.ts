/** Where ours does something else than Go multus on purpose: the one list of it, one reason each. Everything else has to be the same. */

import { type GoldenCase, type JsonObject, readCase, type Step } from "./cases.ts";
import { type ComparableCall, type Expectation, recordedExpectation } from "./expectation.ts";

interface AllowedDifference {
  readonly reason: string;
  applies(golden: GoldenCase, step: Step): boolean;
  /** What is expected instead of what was recorded. @param index of the step */
  instead(expected: Expectation, golden: GoldenCase, index: number): Partial<Expectation>;
}

const release430 = "-4.3.0";

/** The same case recorded from the release after 4.3.0. */
function repaired(golden: GoldenCase): GoldenCase {
  return golden.name.endsWith(release430) ? readCase(golden.name.slice(0, -release430.length)) : golden;
}

function stepAt(golden: GoldenCase, index: number): Step {
  const step = golden.steps[index];
  if (step === undefined) {
    throw new Error(`${golden.name} has no step ${index}`);
  }
  return step;
}

/** Networks below it have no CHECK. */
function hasCheck(version: unknown): boolean {
  return typeof version === "string" && !version.startsWith("0.3.") && !/^0\.[12]\./u.test(version);
}

function stepOf(golden: GoldenCase, command: string): Step {
  const step = golden.steps.find((candidate) => candidate.command === command);
  if (step === undefined) {
    throw new Error(`${golden.name} has no ${command}`);
  }
  return step;
}

/** The call's stdin with the runtimeConfig that the same plugin had at ADD. */
function withArgumentsOf(
  added: readonly ComparableCall[],
  { plugin, ifName, stdin }: ComparableCall,
): JsonObject {
  const runtimeConfig = added.find((call) => call.plugin === plugin && call.ifName === ifName)?.stdin
    .runtimeConfig;
  return runtimeConfig === undefined ? stdin : { ...stdin, runtimeConfig };
}

/** Cases whose ADD ends before its first delegate. */
const neverStarted = ["bad-json", "bad-mac", "missing-nad", "isolation-refused"];

const allowedDifferences: readonly AllowedDifference[] = [
  {
    reason:
      "Release 4.3.0 loses most of a chain's configuration in its plan; ours does what the release after it does.",
    applies: (golden) => golden.name.endsWith(release430),
    instead: (_expected, golden, index) => recordedExpectation(stepAt(repaired(golden), index)),
  },
  {
    reason:
      "CHECK runs the plugins of the cluster network, not only those given in the netconf, with the capability arguments of its ADD.",
    applies: (_golden, step) => step.command === "CHECK" && step.exit === 0,
    instead: (_expected, golden) => {
      const added = recordedExpectation(stepOf(repaired(golden), "ADD")).calls;
      const { delegates, clusterNetwork } = stepOf(golden, "CHECK").given.stdin;
      const given = clusterNetwork === undefined && Array.isArray(delegates) ? delegates.length : 1;
      // Each network has an interface of its own, and the calls of ADD are in the networks' order.
      const checked = [...new Set(added.map(({ ifName }) => ifName))].slice(0, given);
      return {
        // DEL has the same stdin, from the same plan and cache, in the opposite order; but the plan has not all of runtimeConfig.
        calls: recordedExpectation(stepOf(repaired(golden), "DEL"))
          .calls.filter(({ stdin, ifName }) => hasCheck(stdin.cniVersion) && checked.includes(ifName))
          .map((call) => ({ ...call, command: "CHECK", stdin: withArgumentsOf(added, call) }))
          .reverse(),
      };
    },
  },
  {
    reason: "The answer is in the version that the runtime's netconf names, not in the cluster network's.",
    applies: (golden, step) => golden.name === "old-runtime" && step.command === "ADD",
    instead: () => ({
      stdout: {
        cniVersion: "0.3.1",
        interfaces: [{ mac: "02:e5:13:9f:76:d9", name: "eth0", sandbox: "/run/netns/cni-golden" }],
        ips: [{ version: "4", address: "10.237.138.169/16", interface: 0 }],
        dns: {},
      },
    }),
  },
  {
    reason:
      "network-status has an entry for each attachment, also for a result of 0.2.0, which lists no interfaces.",
    applies: (golden) => golden.name === "old-runtime",
    instead: ({ networkStatus }) => ({
      networkStatus: [
        ...(Array.isArray(networkStatus) ? networkStatus : []),
        { name: "default/old", interface: "net1", ips: ["10.81.0.5"], dns: {}, gateway: ["10.81.0.1"] },
      ],
    }),
  },
  {
    reason: "network-status names the gateways that the selection left, not those that the plugins had set.",
    applies: (golden) => golden.name === "default-route",
    instead: () => ({
      networkStatus: [
        {
          name: "cbr0",
          interface: "eth0",
          ips: ["10.77.0.5"],
          mac: "02:e5:13:9f:76:d9",
          default: true,
          dns: {},
        },
        {
          name: "default/mv1",
          interface: "net1",
          ips: ["10.81.0.5"],
          mac: "02:40:97:77:da:25",
          dns: {},
          gateway: ["10.81.0.254"],
        },
      ],
    }),
  },
  {
    reason:
      "Default routes of a family are replaced, whatever their metric; Go multus leaves the kernel's beside the one that was asked for.",
    applies: (golden, step) => golden.name === "default-route" && step.command !== "DEL",
    instead: () => ({ routes: ["default via 10.81.0.254 dev net1"] }),
  },
  {
    reason: "The plan of a DEL that fails is kept until it has succeeded (delOnFailure, default retry).",
    applies: (_golden, step) =>
      step.command === "DEL" && step.exit !== 0 && Object.keys(step.files).length > 0,
    instead: ({ files }, golden) => {
      const plan = Object.entries(recordedExpectation(stepOf(golden, "ADD")).files).filter(
        ([path]) => !path.includes("/"),
      );
      return { files: { ...files, ...Object.fromEntries(plan) } };
    },
  },
  {
    reason:
      "A DEL without plan and results is only guessed: what fails of it is logged, and the answer is success.",
    applies: (golden, step) => golden.name === "a5-rebuilt-del" && step.command === "DEL",
    instead: () => ({ succeeds: true, stdout: "" }),
  },
  {
    reason: "A torn plan still undoes everything; Go multus answers success and leaks.",
    applies: (golden, step) => golden.name === "torn-plan" && step.command === "DEL",
    instead: () => ({ calls: recordedExpectation(stepOf(readCase("lost-plan"), "DEL")).calls, files: {} }),
  },
  {
    reason:
      "DEL has the capability arguments of its ADD, from the result cache; the plan, in Go multus's form, has neither port mappings nor bandwidth.",
    applies: (golden, step) => step === golden.steps.find(({ command }) => command === "DEL"),
    instead: ({ calls }, golden) => {
      const added = recordedExpectation(stepOf(golden, "ADD")).calls;
      return { calls: calls.map((call) => ({ ...call, stdin: withArgumentsOf(added, call) })) };
    },
  },
  {
    reason: "DEL after an ADD that never started a delegate calls none.",
    applies: (golden, step) => neverStarted.includes(golden.name) && step.command === "DEL",
    instead: () => ({ calls: [] }),
  },
  {
    reason: "A network that is found in a file is not missing: no NoNetworkFound beside it.",
    applies: (golden) => golden.name.startsWith("default-networks"),
    instead: ({ events }) => ({ events: events.filter((event) => !event.includes(" NoNetworkFound ")) }),
  },
  {
    reason:
      "Our event about a missing NAD is there at once; the recorded plugin ended before it had sent its own.",
    applies: (golden, step) => golden.name === "missing-nad" && step.command === "ADD",
    instead: (_expected, golden) => ({ events: recordedExpectation(stepOf(golden, "DEL")).events }),
  },
];

/** What ours has to do at a step: what Go multus did, but for the differences above. @param index of the step */
export function expectation(golden: GoldenCase, index: number): Expectation {
  const step = stepAt(golden, index);
  let expected = recordedExpectation(step);
  for (const difference of allowedDifferences) {
    if (difference.applies(golden, step)) {
      expected = { ...expected, ...difference.instead(expected, golden, index) };
    }
  }
  return expected;
}
