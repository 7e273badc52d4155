/** Targets: what the shim and the daemon both read, the one in C and the other in TypeScript, must be the same for both. */

import { encodeFrame, FrameType } from "../../../src/agent/frames.ts";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { isJsonObject } from "../../../src/base/json.ts";
import { checkedNetconfKeys } from "../../../src/multus/input/netconf.ts";
import { spoolNameKind } from "../../../src/multus/spool/spool.ts";
import { readResultLink } from "../../../src/multus/state/expected-link.ts";
import { ShimReader } from "../../support/shim-reader.ts";
import { goldenNetconfs, goldenResults } from "../engine/golden.ts";
import { attempt, type FuzzTarget, must, mustEqual } from "../engine/target.ts";

const netconfReader = new ShimReader("netconf");
const numbers = ["daemonStartTimeoutMs", "daemonWaitSeconds"] as const;
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
    '"BinDir":"/b",',
    '"cniDir":"",',
    '"cniVersion":"1.0.0",',
    '"daemonCommand":["/a"],',
    '"DAEMONCOMMAND":null,',
    '"daemonStartTimeoutMs":600000,',
    '"daemonWaitSeconds":0,',
    '"delOnDaemonDown":"ignore",',
    "\\u0062inDir",
    "1e3",
  ],
  async run(input) {
    // The daemon runs no plugin for input that it refuses: the shim may read what it likes.
    const read = attempt(input, [ExpectedError], () => checkedNetconfKeys(input, "netconf on stdin"));
    const shim: unknown = JSON.parse(await netconfReader.ask(input));
    must(isJsonObject(shim), "the shim's reader says something else");
    if (read === undefined) return;
    const expected = Object.fromEntries(texts.map((key) => [key, read.object[key] ?? null]));
    // An empty string is an unset key; the shim's reader says both.
    mustEqual(
      Object.fromEntries(texts.map((key) => [key, shim[key] || null])),
      wellFormed(expected),
      "texts",
    );
    mustEqual(shim.daemonCommand, wellFormed(read.object.daemonCommand ?? null), "daemonCommand");
    for (const key of numbers) {
      // 5e3 is a whole number for JSON.parse; for the shim, as for Go, it is none.
      const isPlain = /^\d*$/.test(Buffer.from(read.members.get(key) ?? []).toString());
      mustEqual(shim[key], isPlain ? (read.object[key] ?? null) : false, key);
    }
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

const linkNetns = "/run/netns/pod";
const orderReader = new ShimReader("orders");

export const linkStatesTarget: FuzzTarget = {
  name: "both/link-states",
  covers: ["src/multus/state/expected-link.ts readResultLink"],
  needsShim: true,
  seeds: () => [
    ...goldenResults(),
    `{"interfaces":[{"name":"net1","mac":"02:00:00:00:00:01","sandbox":"${linkNetns}"}],"ips":[{"interface":0,"address":"10.0.0.1/24"},{"interface":0,"address":"fd00::1/64"}]}`,
    `{"interfaces":[{"name":"net1","mac":"0","sandbox":"${linkNetns}","pciID":"0000:00:1f.6"}],"ips":[{"version":"6","interface":0,"address":"::10.0.0.1"}]}`,
  ],
  words: [
    '"interface":0,',
    '"name":"net1"',
    `"sandbox":"${linkNetns}"`,
    "::ffff:",
    "%eth0",
    "/24",
    "0x",
    "010.",
  ],
  async run(input) {
    const link = attempt(input, [ExpectedError], () => readResultLink(input, "net1", [linkNetns]));
    if (link === undefined) return;
    must(link.mac === undefined || /^[0-9a-f]{12}$/.test(link.mac), `MAC address ${link.mac}`);
    // A result that made an order which the shim refuses would fail each CHECK of its pod.
    const { ifName, addresses } = link;
    const order = encodeFrame(FrameType.linkStates, 1, { netns: linkNetns, links: [{ ifName, addresses }] });
    mustEqual((await orderReader.ask(order)).split("\t"), ["ok", "end"], "the order");
  },
  close: () => orderReader.close(),
};

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
