/** The plugin tuning behind the plugin that makes a link: what it changes of that link, and of nothing else. */

import { type LinkSetting, type LinkTuning, mostSettings, type NativeLink } from "../agent/executor.ts";
import { quoted } from "../log/quoted.ts";
import type { AttachmentArguments } from "./attachment-arguments.ts";
import { type ExactObject, LeftToPlugin, readMac, readText } from "./exact-object.ts";

/** Keys of a configuration, beside those of every plugin. */
export const tuningKeys = ["dataDir", "sysctl", "mac", "promisc", "mtu", "txQLen", "allmulti"] as const;
/** Keys of args.cni. */
export const tuningArgsKeys = ["ips", "mac"] as const;

/** A configuration's part of an attachment. */
export interface Tuning {
  /** Of the backup files, if there are any. */
  readonly directory: string;
  readonly settings: readonly LinkSetting[];
  /** Without the MAC address. */
  readonly change: LinkTuning;
  /** `mac`, "" where there is none. */
  readonly mac: string;
  /** args.cni.mac, which counts more than any other, even if it is "". */
  readonly argsMac: string | undefined;
  readonly capabilities: readonly string[];
}

/** The part of one attachment in tuning. */
export interface AttachedTuning {
  readonly of: Pick<NativeLink, "tuning" | "backups">;
  readonly settings: readonly LinkSetting[];
  /** The MAC address as it is written; undefined: none. */
  readonly mac: string | undefined;
}

const usualDataDir = "/run/cni/tuning";
/** Bytes of a value. */
const longestValue = 63;
/** The others of an order are those of the plugin that makes the link. */
const mostOwn = mostSettings - 8;
const longestQueue = 2_147_483_647;

/** Of the kernel. */
const flagPromiscuous = 0x100;
const flagAllMulticast = 0x200;

/** @throws {LeftToPlugin} */
export function readTuning(object: ExactObject): Omit<Tuning, "capabilities"> {
  const args = object.object("args", ["cni"])?.object("cni", tuningArgsKeys);
  args?.list("ips", readText);
  const isPromiscuous = object.flag("promisc");
  const isAllMulticast = object.flag("allmulti");
  return {
    directory: object.directory("dataDir", usualDataDir, ""),
    settings: settingsOf(object),
    change: {
      mtu: object.mtu("mtu"),
      queueLength: object.has("txQLen") ? object.count("txQLen", longestQueue) : undefined,
      flags: (isPromiscuous ? flagPromiscuous : 0) | (isAllMulticast ? flagAllMulticast : 0),
      // `promisc` false leaves the mode as it is, `allmulti` false does not.
      changedFlags: (isPromiscuous ? flagPromiscuous : 0) | (object.has("allmulti") ? flagAllMulticast : 0),
    },
    mac: object.text("mac") ?? "",
    argsMac: args?.text("mac"),
  };
}

/** Settings of the interface itself alone: others may be those of other networks of the pod as well. */
function settingsOf(object: ExactObject): readonly LinkSetting[] {
  const settings = new Map<string, LinkSetting>();
  for (const [key, value] of object.texts("sysctl") ?? []) {
    const place = quoted(`${object.place("sysctl")}.${key}`);
    const [, table, name = ""] =
      /^net[./](ipv[46][./](?:conf|neigh))[./]IFNAME[./]([a-z0-9_]{1,63})$/.exec(key) ?? [];
    if (table === undefined) {
      throw new LeftToPlugin(
        `key ${place} is not of the interface (net.ipv4.conf.IFNAME, net.ipv4.neigh.IFNAME, or ipv6)`,
      );
    }
    const bytes = Buffer.byteLength(value);
    if (bytes === 0 || bytes > longestValue) {
      throw new LeftToPlugin(`key ${place} must have 1 to ${longestValue} bytes`);
    }
    const path = `${table.replace(".", "/")}/${name}`;
    if (settings.has(path)) throw new LeftToPlugin(`key ${place} is there twice`);
    settings.set(path, { table: tableOf(table), name, value, isTuning: true });
  }
  if (settings.size > mostOwn) throw new LeftToPlugin(`more than ${mostOwn} settings`);
  return [...settings.values()];
}

function tableOf(written: string): LinkSetting["table"] {
  const family = written.startsWith("ipv4") ? "ipv4" : "ipv6";
  return written.endsWith("conf") ? `${family}/conf` : `${family}/neigh`;
}

/** @param asked by the attachment, with the capabilities of this plugin @throws {LeftToPlugin} */
export function tuningOfAttachment(
  { directory, settings, change, mac: configured, argsMac }: Tuning,
  asked: AttachmentArguments,
): AttachedTuning {
  const written = argsMac ?? (asked.mac || asked.argsMac || configured);
  const mac = written === "" ? undefined : readMac(written);
  const { mtu, queueLength, changedFlags } = change;
  const isChanged = mac !== undefined || mtu !== 0 || queueLength !== undefined || changedFlags !== 0;
  return {
    of: { tuning: { ...change, mac }, backups: isChanged ? directory : undefined },
    settings,
    mac: mac === undefined ? undefined : written,
  };
}
