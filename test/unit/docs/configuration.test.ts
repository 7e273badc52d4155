/** docs/configuration.md has every key of the three schemas, and no other, with its type and with the default that the code has. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { findingCodes } from "../../../src/ctl/text/finding.ts";
import { parseDaemonConfig } from "../../../src/daemon-config/config.ts";
import daemonSchema from "../../../src/daemon-config/daemon-config.schema.json" with { type: "json" };
import { defaultDuration } from "../../../src/kube/certificates/duration.ts";
import netconfSchema from "../../../src/multus/input/netconf.schema.json" with { type: "json" };
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import selectionSchema from "../../../src/multus/input/selection.schema.json" with { type: "json" };
import { literal, readPage, root } from "./markdown.ts";

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema | readonly Schema[];
}

interface Row {
  readonly section: string;
  readonly key: string;
  readonly type: string;
  readonly standard: string;
  readonly since: string;
  readonly ofGo: string;
}

const header = ["key", "type", "default", "since", "Go's", "meaning"];
const { tables } = readPage("docs/configuration.md");
const rows: readonly Row[] = tables
  .filter(({ header: [first] }) => first === "key")
  .flatMap((table) =>
    table.rows.map(([key = "", type = "", standard = "", since = "", ofGo = ""]) => {
      return { section: table.section, key: literal(key) ?? key, type, standard, since, ofGo };
    }),
  );

/** Keys with their types in the document's words; those of what is in an object as `object.key`, in a list as `list[].key`. */
function keysOf(schema: Schema, prefix = ""): [string, string][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]): [string, string][] => {
    const key = `${prefix}${name}`;
    const element = itemOf(property);
    return [
      [key, typeOf(property)],
      ...keysOf(property, `${key}.`),
      ...(element === undefined ? [] : keysOf(element, `${key}[].`)),
    ];
  });
}

function itemOf({ items }: Schema): Schema | undefined {
  return Array.isArray(items) ? items[0] : (items as Schema | undefined);
}

/** null counts as absent everywhere, and is not said. */
function typeOf(schema: Schema): string {
  const type = [schema.type].flat().find((each) => each !== "null") ?? "";
  if (type !== "array") return type;
  const element = itemOf(schema)?.type;
  return element === undefined ? "array" : `${element}s`;
}

const schemas = {
  netconf: keysOf(netconfSchema as Schema),
  daemon: keysOf(daemonSchema as Schema),
  selection: keysOf(selectionSchema.items as Schema),
};
const daemonSections = ["The daemon's configuration", "The runtime's file", "A certificate of the node"];

describe("the tables of keys", () => {
  it("have the same columns", () => {
    const found = tables.filter(({ header: [first] }) => first === "key");
    expect(found.map((table) => table.header)).toEqual(found.map(() => header));
    expect(found.flatMap((table) => table.rows.filter((row) => row.length !== header.length))).toEqual([]);
  });

  it.each([
    ["netconf", ["The netconf"]],
    ["daemon", daemonSections],
    ["selection", ["Annotations"]],
  ] as const)("have every key of the %s schema", (name, sections) => {
    const documented = rows
      .filter(({ section }) => (sections as readonly string[]).includes(section))
      .map(({ key }) => key);
    expect(schemas[name].map(([key]) => key).filter((key) => !documented.includes(key))).toEqual([]);
  });

  it("have no key that is in no schema, and each type as it is there", () => {
    const types = new Map(Object.values(schemas).flat());
    const wrong = rows.filter(({ key, type }) => types.get(key) !== type);
    expect(wrong.map(({ section, key, type }) => [section, key, type, types.get(key)])).toEqual([]);
  });

  it("name a release and what Go multus has", () => {
    const releases = /^\d+\.\d+\.\d+$/;
    expect(rows.filter(({ since }) => !releases.test(since) || since > manifest.version)).toEqual([]);
    expect(rows.filter(({ ofGo }) => ofGo === "")).toEqual([]);
  });
});

/** A constant of a source file. */
function constantOf(path: string, pattern: RegExp): string | undefined {
  const [, value] = pattern.exec(readFileSync(join(root, path), "utf8")) ?? [];
  return value?.replaceAll("_", "");
}

/** The code's defaults, by section and key; "" and undefined for none. */
function defaultsOfCode(): Map<string, unknown> {
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
  const netconf = parseNetconf(bytes({ name: "n", delegates: [{ type: "t" }] }));
  const daemon = parseDaemonConfig(bytes({}), "test");
  const { eviction: evicting } = parseDaemonConfig(bytes({ onMissingNetworks: "evict" }), "test");
  const kept = parseDaemonConfig(bytes({ multusConfigFile: "auto" }), "test").runtimeConfig;
  if (kept === undefined || "file" in kept.from) throw new Error("no file is made");
  const { options, clusterNetwork } = kept.from;
  const inSection = (section: string, values: Readonly<Record<string, unknown>>) =>
    Object.entries(values).map(([key, value]): [string, unknown] => [`${section}: ${key}`, value]);
  return new Map([
    ...inSection("The netconf", {
      ...Object.fromEntries(Object.entries(netconf).filter(([key]) => key in netconfSchema.properties)),
      ...Object.fromEntries(
        Object.entries(netconf.logOptions).map(([key, value]) => [`logOptions.${key}`, value]),
      ),
      // Those that are required.
      name: "",
      delegates: "",
      // Their keys have rows of their own.
      logOptions: "",
      runtimeConfig: "",
      globalNamespaces: netconf.nonIsolatedNamespaces.join(","),
      readinessindicatorfile: netconf.readinessIndicatorFile,
      auxiliaryCNIChainName: netconf.auxiliaryCniChainName,
      daemonSocketDir: constantOf("shim/wire/connection.c", /connection_default_directory\[\] = "(.*)"/),
      daemonStartTimeoutMs: Number(constantOf("shim/netconf.c", /DEFAULT_START_TIMEOUT_MS = (\d+)/)),
      daemonWaitSeconds: Number(constantOf("shim/netconf.c", /DEFAULT_DAEMON_WAIT_SECONDS = (\d+)/)),
    }),
    ...inSection("The daemon's configuration", {
      ...Object.fromEntries(Object.entries(daemon).filter(([key]) => key in daemonSchema.properties)),
      tracing: "",
      "tracing.endpoint": daemon.tracing.endpoint,
      "tracing.samplingRatio": daemon.tracing.samplingRatio,
      kubeconfig: daemon.kubeconfig,
      onMissingNetworks: daemon.eviction === undefined ? "report" : "evict",
      evictAlso: Object.entries(evicting ?? {}).flatMap(([pods, isEvicted]) => (isEvicted ? [pods] : [])),
      delegateTimeoutMs: Number(constantOf("src/multus/services.ts", /defaultDelegateTimeoutMs = ([\d_]+)/)),
    }),
    ...inSection("The runtime's file", {
      cniConfigDir: kept.directory,
      multusMasterCNI: clusterNetwork.name,
      forceCNIVersion: options.forceCniVersion,
      overrideNetworkName: options.overrideNetworkName,
      type: options.type,
      capabilities: options.capabilities,
      readinessindicatorfile: kept.readinessIndicatorFile,
      cleanupConfigOnExit: kept.removeOnExit,
    }),
    ...inSection("A certificate of the node", { "perNodeCertificate.certDuration": defaultDuration }),
  ]);
}

/** Defaults that are no value, and those of a decision that no function has by itself. */
const inWords = [
  "The netconf: delOnDaemonDown",
  "The netconf: delOnFailure",
  "The runtime's file: multusAutoconfigDir",
  "The runtime's file: daemonSocketDir",
  "A certificate of the node: perNodeCertificate.enabled",
  "Annotations: interface",
];

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

describe("the defaults", () => {
  const ofCode = defaultsOfCode();

  it("are those of the code", () => {
    const compared = rows.filter(({ section, key }) => ofCode.has(`${section}: ${key}`));
    const documented = compared.map(({ section, key, standard }) => {
      const text = literal(standard);
      return [`${section}: ${key}`, text === undefined ? "" : valueIn(text)];
    });
    const expected = compared.map(({ section, key }) => {
      const name = `${section}: ${key}`;
      return [name, ofCode.get(name) ?? ""];
    });
    expect(documented).toEqual(expected);
    expect(compared.length).toBeGreaterThan(45);
  });

  it("are the plugin's where it looks for itself", () => {
    expect(constantOf("shim/netconf.c", /default_cni_directory\[\] = "(.*)"/)).toBe(
      ofCode.get("The netconf: cniDir"),
    );
  });

  it("are compared wherever a value is said", () => {
    const values = rows.filter(({ standard }) => literal(standard) !== undefined);
    const names = values.map(({ section, key }) => `${section}: ${key}`);
    expect(names.filter((name) => !ofCode.has(name) && !inWords.includes(name))).toEqual([]);
  });
});

test("every environment variable that is read has a row", () => {
  const directory = join(root, "src");
  const sources = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const read = sources.flatMap((name) => {
    const text = readFileSync(join(directory, name), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    return text.match(/\b(?:MULTUS|MULTUSCTL|KUBERNETES|OTEL)_[A-Z_]*[A-Z]\b|\bKUBECONFIG\b/g) ?? [];
  });
  const documented = tables
    .filter(({ header: [first] }) => first === "variable")
    .flatMap((table) => table.rows.map(([name = ""]) => name))
    .join(" ");
  expect([...new Set(read)].filter((name) => !documented.includes(name))).toEqual([]);
});

test("the codes of validate's findings are all there, and no others", () => {
  const codes = tables
    .filter(({ header: [first, second] }) => first === "code" && second === "finding")
    .flatMap((table) => table.rows.flatMap(([cell = ""]) => cell.split(", ").map((code) => literal(code))));
  expect(codes.sort()).toEqual([...findingCodes].sort());
});
