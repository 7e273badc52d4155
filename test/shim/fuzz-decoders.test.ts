/** The shim's decoders for a short while, with a seed that is new each time, and what shim and daemon both read. `npm run fuzz` goes on for longer. */

import { afterAll, expect, it } from "vitest";
import { FuzzFailure, runCampaign } from "../fuzz/engine/campaign.ts";
import { freshSeed } from "../fuzz/engine/random.ts";
import { fuzzTargets } from "../fuzz/targets/index.ts";
import { runCommand } from "../support/command.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { ShimReader } from "../support/shim-reader.ts";
import { fuzzBinary } from "./support/binaries.ts";

const seed = freshSeed();
const milliseconds = 3_000;
const both = fuzzTargets.filter(({ needsShim }) => needsShim === true);

afterAll(() => {
  for (const target of both) target.close?.();
});

it("survive mutated inputs of every kind", async () => {
  const { exitCode, stdout, stderr } = await runCommand([
    fuzzBinary,
    "loop",
    "all",
    String(seed),
    String(milliseconds),
  ]);
  const again = `again: ${fuzzBinary} loop all ${seed} ${10 * milliseconds}`;
  expect({ exitCode, stderr, again }).toEqual({ exitCode: 0, stderr: "", again });
  // At the least every target some times, however slow the machine is.
  expect(Number.parseInt(stdout.toString(), 10)).toBeGreaterThan(500);
});

/** NLMSG_DONE and NLMSG_ERROR with a status that has no counterpart above 0. */
const leastStatus = (type: number, further: number) => {
  const message = Buffer.alloc(20 + further);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeInt32LE(-(2 ** 31), 16);
  return message;
};

/** A key twice, which programs read in two ways. */
const sameKeyTwice = Buffer.from("\x82\xabCNI_COMMAND\xa3ADD\xabCNI_COMMAND\xa3DEL", "latin1");

it.each([
  { target: "netlink", what: "the least status at the end of a dump", input: leastStatus(3, 0) },
  { target: "netlink", what: "the least status of an error", input: leastStatus(2, 16) },
  { target: "environment", what: "a key that comes twice", input: sameKeyTwice },
  { target: "spool-name", what: "a name longer than NAME_MAX", input: Buffer.alloc(300, "1") },
])("$target survives $what", async ({ target, input }) => {
  using directory = new ScratchDirectory();
  const file = directory.write("input", input);
  const { exitCode, stderr } = await runCommand([fuzzBinary, "run", target, file]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
});

it.each([
  ['{"binDir":"/a","BINDIR":null}', { binDir: "/a" }],
  ['{"binDir":"/a","binDir":null,"BinDir":"/b"}', { binDir: "/a" }],
  ['{"BINDIR":"/a","BinDir":"/b","binDir":null}', { binDir: "/b" }],
  ['{"DaemonCommand":["/a"],"daemonCommand":["/b"],"DAEMONCOMMAND":["/c"]}', { daemonCommand: ["/b"] }],
  ['{"daemonCommand":["/a"],"DaemonCommand":null}', { daemonCommand: ["/a"] }],
  ['{"daemonCommand":""}', { daemonCommand: null }],
  ['{"daemonStartTimeoutMs":null,"cniDir":null}', { daemonStartTimeoutMs: null, cniDir: null }],
])(
  "of keys that mean the same the exact one counts, else the last that is not null: %s",
  async (text, expected) => {
    const reader = new ShimReader("netconf");
    try {
      expect(JSON.parse(await reader.ask(Buffer.from(text)))).toMatchObject(expected);
    } finally {
      reader.close();
    }
  },
);

it.each(both)("$name is the same for the daemon", async (target) => {
  try {
    const { runs } = await runCampaign(target, { seed, goesOn: (done) => done < 1_500 });
    expect(runs).toBe(1_500);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    throw new Error(
      `${error.message}\nseed ${seed}; again: FUZZ_SEED=${seed} npm test -- --project shim test/shim/fuzz-decoders.test.ts\n` +
        `the input (base64): ${error.input.toString("base64")}`,
      { cause: error.cause },
    );
  }
});
