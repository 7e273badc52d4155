/** Targets: what the shim and the daemon both read, the one in C and the other in TypeScript, must be the same for both. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { CniError } from "../../../src/cni/errors.ts";
import { isJsonObject } from "../../../src/cni/json.ts";
import { checkedNetconfKeys } from "../../../src/multus/netconf.ts";
import { spoolNameKind } from "../../../src/multus/spool.ts";
import { goldenNetconfs } from "../engine/golden.ts";
import { attempt, type FuzzTarget, must, mustEqual } from "../engine/target.ts";

const binary = join(import.meta.dirname, "../../../build/fuzz-shim");

/** The shim's readers as a process that answers each input with a line. */
class ShimReader {
  readonly #mode: string;
  #child:
    | {
        readonly process: ChildProcessWithoutNullStreams;
        readonly lines: Interface;
        readonly ended: Promise<never>;
      }
    | undefined;

  constructor(mode: "netconf" | "spool-name") {
    this.#mode = mode;
  }

  async ask(input: Buffer): Promise<string> {
    if (this.#child === undefined) {
      const child = spawn(binary, [this.#mode]);
      child.stderr.pipe(process.stderr, { end: false });
      const ended = once(child, "exit").then(() => {
        throw new Error("the shim's reader has ended");
      });
      // While nothing is asked, nobody waits for it.
      ended.catch(() => {});
      this.#child = { process: child, lines: createInterface(child.stdout), ended };
    }
    const { process: child, lines, ended } = this.#child;
    const head = Buffer.alloc(4);
    head.writeUInt32BE(input.length);
    const answer = once(lines, "line", { signal: AbortSignal.timeout(60_000) });
    child.stdin.write(Buffer.concat([head, input]));
    const [line] = await Promise.race([answer, ended]);
    return String(line);
  }

  close(): void {
    this.#child?.process.stdin.end();
    this.#child?.lines.close();
    this.#child = undefined;
  }
}

const netconfReader = new ShimReader("netconf");
const texts = ["cniVersion", "daemonSocketDir", "binDir", "cniDir", "delOnDaemonDown"] as const;

export const netconfTarget: FuzzTarget = {
  name: "both/netconf",
  covers: [],
  needsShim: true,
  seeds: () => [
    ...goldenNetconfs(),
    '{"cniVersion":"1.0.0","binDir":"/a","BINDIR":"/b","cniDir":"/c","CniDir":null,"daemonSocketDir":"/run/x","delOnDaemonDown":"fail"}',
    '{"binDir":"/a","binDir":null,"daemonCommand":["/usr/bin/multusd","--config","\\u002fx"],"daemonStartTimeoutMs":5000}',
    '{ "daemonCommand" : [ "/a" , "" ] , "daemonStartTimeoutMs" : 1 , "x":{"binDir":"/no","l":[{"cniDir":"/no"}]}}',
  ],
  words: [
    '"binDir":"/a",',
    '"BinDir":null,',
    '"cniVersion":"1.0.0",',
    '"daemonCommand":["/a"],',
    '"DAEMONCOMMAND":null,',
    '"daemonStartTimeoutMs":600000,',
    '"delOnDaemonDown":"ignore",',
    "\\u0062inDir",
    "1e3",
  ],
  async run(input) {
    // What the daemon refuses no plugin is run for: there the shim may read what it likes.
    const read = attempt(input, [CniError], () => checkedNetconfKeys(input, "netconf on stdin").object);
    const shim: unknown = JSON.parse(await netconfReader.ask(input));
    must(isJsonObject(shim), "the shim's reader says something else");
    if (read === undefined) return;
    const expected = Object.fromEntries(texts.map((key) => [key, read[key] ?? null]));
    mustEqual(Object.fromEntries(texts.map((key) => [key, shim[key]])), wellFormed(expected), "texts");
    mustEqual(shim.daemonCommand, wellFormed(read.daemonCommand ?? null), "daemonCommand");
    mustEqual(shim.daemonStartTimeoutMs, read.daemonStartTimeoutMs ?? null, "daemonStartTimeoutMs");
  },
  close: () => netconfReader.close(),
};

/** A lone surrogate has no UTF-8: the shim's reader says U+FFFD. */
function wellFormed(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, wellFormed(member)]));
}

const nameReader = new ShimReader("spool-name");

export const spoolNameTarget: FuzzTarget = {
  name: "both/spool-name",
  covers: [],
  needsShim: true,
  seeds: () => [
    "1764460800000000-00-c0ffee",
    "failed-1764460800000000-16-c0ffee",
    "broken-x",
    ".recording",
    `1764460800000000-00-${"x".repeat(228)}`,
  ],
  words: ["failed-", "broken-", "-00-", "é", "x".repeat(100)],
  async run(input) {
    // Of one directory entry: no zero byte, no slash, and text, as Node reads names as UTF-8.
    const name = input
      .toString("utf8")
      .replaceAll(/[\0/\n]/g, "_")
      .toWellFormed();
    const bytes = Buffer.from(name);
    if (bytes.length === 0 || bytes.length > 255) return;
    const [kind, time, tries] = (await nameReader.ask(bytes)).split(" ");
    const here = spoolNameKind(name);
    if (here.kind === "record") {
      mustEqual([kind, Number(time), Number(tries)], ["record", here.microseconds, here.tries], "a record");
    } else {
      const kinds = {
        failed: "aside",
        hidden: "passed",
        broken: name.startsWith("broken-") ? "aside" : "foreign",
      };
      must(kind === kinds[here.kind], `${kind} for the shim, ${here.kind} here`);
    }
  },
  close: () => nameReader.close(),
};
