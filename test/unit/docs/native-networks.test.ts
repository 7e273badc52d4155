/** docs/configuration.md, "Native networks", has every key that recognition knows, and no other. */

import { expect, it, test } from "vitest";
import { knownCapabilities } from "../../../src/native/attachment-arguments.ts";
import { commonKeys, kinds } from "../../../src/native/configuration.ts";
import { hostLocalKeys } from "../../../src/native/host-local.ts";
import { staticKeys } from "../../../src/native/static.ts";
import { tuningArgsKeys, tuningKeys } from "../../../src/native/tuning.ts";
import { readPage } from "./markdown.ts";

const table = readPage("docs/configuration.md").tables.find(({ section }) => section === "Native networks");

/** Words in backticks of a row. */
function wordsOf(row: string): string[] {
  const [, cell = ""] = table?.rows.find(([of = ""]) => of.replaceAll("`", "") === row) ?? [];
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, word = ""]) => word);
}

const { bridge, macvlan, ptp } = kinds;
const ofArgs = (keys: readonly string[] = []) =>
  keys.filter((key) => key !== "ips").map((key) => `args.cni.${key}`);

it.each<[string, readonly string[], readonly string[]]>([
  [
    "all",
    [...commonKeys.filter((key) => key !== "args"), ...knownCapabilities, "args.cni.ips"],
    ["host-local", "static"],
  ],
  ["bridge", [...(bridge?.keys ?? []), ...ofArgs(bridge?.argsKeys)], []],
  ["macvlan", [...(macvlan?.keys ?? []), ...ofArgs(macvlan?.argsKeys)], []],
  ["ptp", [...(ptp?.keys ?? []), ...ofArgs(ptp?.argsKeys)], ["ipam"]],
  [
    "tuning",
    [...tuningKeys, ...ofArgs(tuningArgsKeys)],
    ["ipam", "net.ipv4.conf.IFNAME.", "net.ipv4.neigh.IFNAME.", "ipv6", ".."],
  ],
  ["host-local", hostLocalKeys.filter((key) => key !== "type"), [".."]],
  ["static", [...staticKeys.filter((key) => key !== "type"), "address", "gateway"], []],
  ["routes", ["dst", "gw", "priority"], []],
])("the row of %s has the keys of the code", (row, keys, values) => {
  expect(new Set(wordsOf(row))).toEqual(new Set([...keys, ...values]));
});

test("each plugin that can be native has a row", () => {
  const rows = table?.rows.map(([of = ""]) => of.replaceAll("`", ""));
  expect(rows).toEqual(["all", ...Object.keys(kinds), "tuning", "host-local", "static", "routes"]);
});
