/** Plugins get at CHECK and DEL the keys that they got at ADD, whatever these are: byte for byte, plus prevResult, and nothing else. */

import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { arrayElements, objectMembers } from "../../../src/base/json.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { PluginCall } from "../../support/pretended-plugins.ts";
import { containerId, Rig, selecting } from "../../unit/multus/rig.ts";
import { containerText, jsonText, keys, memberText, stringText } from "../arbitraries/json.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** Those that Multus itself reads or writes. */
const ownKeys = ["name", "cniversion", "type", "plugins", "capabilities", "prevresult", "runtimeconfig"];
const pluginTypes = fc.constantFrom("bridge", "macvlan", "tuning", "host-device");

const anyMember = memberText(
  keys.filter((key) => !ownKeys.includes(key.toLowerCase()) && !key.startsWith("disable")),
  jsonText,
);
const ipamText = fc.constantFrom("{}", '{"type":"host-local","subnet":"10.0.0.0/24"}', '{"type":"static"}');
const members = fc.oneof(
  anyMember,
  memberText(fc.constantFrom("device", "Device", "mtu", "MTU", "sysctl", "a"), jsonText),
  memberText(fc.constantFrom("ipam", "IPAM", "Ipam"), ipamText),
  // Those in another case stand beside the exact ones.
  memberText(fc.constantFrom("Type", "TYPE"), stringText(pluginTypes)),
  memberText(fc.constant("Name"), stringText(fc.constantFrom("other", "1.0.0"))),
  // Without an exact one, as in the files of the subdirectory, it is the version.
  memberText(fc.constant("CNIVersion"), stringText(fc.constantFrom("0.4.0", "1.0.0"))),
  fc.constantFrom('"capabilities":{"mac":true}', '"capabilities":{"mac":true,"portMappings":true}'),
);
const pluginText = fc
  .tuple(fc.array(members, { maxLength: 5 }), fc.nat(5), pluginTypes, fc.boolean())
  .map(([others, place, type, isTwice]) => {
    const texts = [...others.slice(0, place), `"type":"${type}"`, ...others.slice(place)];
    return isTwice ? ['"type":"first"', ...texts] : texts;
  })
  .chain((texts) => containerText("{", fc.constant(texts), "}"));
const versions = fc.constantFrom("0.3.1", "0.4.0", "1.0.0", "1.1.0");

/** A list's members beside its plugins. */
const listMembers = fc.array(anyMember, { maxLength: 2 });

function listText(name: string): fc.Arbitrary<string> {
  return fc
    .tuple(
      versions,
      listMembers,
      containerText("[", fc.array(pluginText, { minLength: 1, maxLength: 4 }), "]"),
    )
    .map(([version, others, plugins]) =>
      [
        "{",
        [`"cniVersion":"${version}","name":"${name}"`, ...others, `"plugins":${plugins}`].join(),
        "}",
      ].join(""),
    );
}

function singleText(name: string): fc.Arbitrary<string> {
  return fc
    .tuple(versions, pluginText)
    .map(([version, text]) => text.replace("{", `{"cniVersion":"${version}","name":"${name}",`));
}

const drawnPod = fc.record({
  cluster: listText("cluster"),
  /** Of the cluster network's subdirectory. */
  further: fc.array(pluginText, { maxLength: 2 }),
  nad: fc.oneof(listText("extra"), singleText("extra")),
});

const clusterIfName = "eth0";
const podIfName = "net1";
const networks = [
  { name: "cluster", ifName: clusterIfName },
  { name: "extra", ifName: podIfName },
];
const annotations = selecting([
  { name: "extra", mac: "02:00:00:00:00:07", portMappings: [{ hostPort: 8080, containerPort: 80 }] },
]);

/** State on disk after ADD, and the part of it that a daemon finds later. */
interface Remains {
  readonly what: string;
  /** There is no result cache: no result, and no capability arguments but those that the plan has. */
  readonly isWithoutCache?: boolean;
  change(rig: Rig, pod: { readonly cluster: string }): void;
}

const planOf = (rig: Rig) => join(rig.cniDir, containerId);
const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64");

function editPlan(rig: Rig, change: (entry: Record<string, unknown>, place: number) => object): void {
  writeFileSync(planOf(rig), JSON.stringify(JSON.parse(readFileSync(planOf(rig), "utf8")).map(change)));
}

/** A chain file as release 4.3.0 wrote it: `Bytes` from its types, libcni's list as it was read, and all plugins. */
function as430(entry: Record<string, unknown>, place: number, read: string): object {
  const none = { Name: "", CNIVersion: "", Plugins: null, Bytes: null };
  if (place > 0) return { ...entry, CNINetworkConfigList: none };
  const whole = Buffer.from(String(entry.Bytes), "base64");
  const plugins = arrayElements(objectMembers(whole, "plan").get("plugins") ?? whole, "plugins");
  const list = {
    ...none,
    Name: "cluster",
    Plugins: plugins.map((plugin) => ({ Network: {}, Bytes: base64(plugin) })),
    Bytes: base64(read),
  };
  return { ...entry, CNINetworkConfigList: list, Bytes: base64(JSON.stringify(entry.ConfList)) };
}

const remains: readonly Remains[] = [
  { what: "all", change: () => {} },
  {
    what: "all, in the form of release 4.3.0",
    change: (rig, { cluster }) => {
      editPlan(rig, (entry, place) => as430(entry, place, cluster));
      const file = join(rig.cniDir, "results", `cluster-${containerId}-${clusterIfName}`);
      const cached = readFileSync(file, "utf8");
      writeFileSync(file, cached.replace(/"config":"[^"]*"/u, `"config":"${base64(cluster)}"`));
    },
  },
  { what: "the result cache", change: (rig) => rmSync(planOf(rig)) },
  {
    what: "the result cache and a plan without Bytes",
    change: (rig) => editPlan(rig, (entry) => ({ ...entry, Bytes: undefined })),
  },
  {
    what: "the plan",
    isWithoutCache: true,
    change: (rig) => rmSync(join(rig.cniDir, "results"), { recursive: true }),
  },
];

function cachedResult(rig: Rig, { name, ifName }: (typeof networks)[number]): string {
  const file = join(rig.cniDir, "results", `${name}-${containerId}-${ifName}`);
  return Buffer.from(objectMembers(readFileSync(file), file).get("result") ?? []).toString("utf8");
}

/** The plugins' stdins at one interface, without the result, in the order of ADD. */
function givenAt(calls: readonly PluginCall[], ifName: string, result: string): string[] {
  const stdins = calls
    .filter((call) => call.ifName === ifName)
    .map(({ plugin, stdinText }) => `${plugin}: ${stdinText.replace(`,"prevResult":${result}`, "")}`);
  return calls[0]?.command === "DEL" ? stdins.reverse() : stdins;
}

/** Without the capability arguments, which end a plugin's stdin. */
const withoutArguments = (stdin: string) =>
  stdin.replace(/,"runtimeConfig":\{[^{]*(?:\{[^{}]*\}\]?)*\}\}$/u, "}");

/** Versions below 0.4.0 have no CHECK, and no result at DEL. */
const hasNoCheck = ([first = ""]: readonly string[]) => first.includes('"cniVersion":"0.3.1"');

async function callsOf(rig: Rig, command: string, netconf: object): Promise<readonly PluginCall[]> {
  rig.plugins.calls.length = 0;
  const isCollection = command === "GC";
  await rig.run(command, {
    netconf: { ...netconf, ...(isCollection ? { "cni.dev/valid-attachments": [] } : {}) },
    ...(isCollection ? { request: { containerId: "", netns: "", ifName: "", args: "" } } : {}),
  });
  const asked = isCollection ? "DEL" : command;
  return rig.plugins.calls.filter((call) => call.command === asked);
}

test("of any plugins: ADD, CHECK, DEL and GC, whatever is left of plan and result cache", async () => {
  await fc.assert(
    fc.asyncProperty(drawnPod, async (pod) => {
      using rig = new Rig(kernels);
      rig.addNad("default/extra", pod.nad);
      const clusterNetwork = rig.writeFile("d/10-cluster.conflist", pod.cluster);
      for (const [index, plugin] of pod.further.entries()) rig.writeFile(`d/cluster/${index}.conf`, plugin);
      const netconf = { cniVersion: "1.1.0", delegates: undefined, clusterNetwork, checkDelegates: "all" };
      const handled = await rig.run("ADD", { netconf, annotations });
      expect(handled.exitCode, `ADD: ${Buffer.from(handled.stdout).toString("utf8")}`).toBe(0);
      const results = networks.map((network) => cachedResult(rig, network));
      const added = networks.map(({ ifName }, index) =>
        givenAt(rig.plugins.calls, ifName, results[index] ?? ""),
      );
      cpSync(rig.cniDir, rig.path("state"), { recursive: true });
      for (const { what, isWithoutCache, change } of remains) {
        for (const command of ["CHECK", "DEL", "GC"]) {
          rmSync(rig.cniDir, { recursive: true });
          cpSync(rig.path("state"), rig.cniDir, { recursive: true });
          change(rig, pod);
          rig.restart();
          const calls = await callsOf(rig, command, netconf);
          for (const [index, { ifName }] of networks.entries()) {
            const given = givenAt(calls, ifName, results[index] ?? "");
            const expected = added[index] ?? [];
            const about = `${command} with ${what}, ${ifName}`;
            if (command === "CHECK" && hasNoCheck(expected)) continue;
            if (command === "CHECK" && isWithoutCache) {
              // No plugin can compare anything with a result that is gone.
              expect(given, about).toEqual([]);
              continue;
            }
            expect(given.length, about).toBeGreaterThan(0);
            const hasResult = !isWithoutCache && !hasNoCheck(expected);
            for (const { stdinText, ifName: asked } of calls) {
              if (asked === ifName)
                expect(stdinText.includes(`,"prevResult":${results[index]}`), about).toBe(hasResult);
            }
            if (isWithoutCache) {
              expect(given.map(withoutArguments), about).toEqual(expected.map(withoutArguments));
            } else {
              expect(given, about).toEqual(expected);
            }
          }
        }
      }
    }),
    { numRuns: 20 },
  );
});
