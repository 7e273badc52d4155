/** validate says what the daemon would refuse, and points at it in the file. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CheckContext } from "../../../src/ctl/configuration/configuration.ts";
import { checkText } from "../../../src/ctl/configuration/files.ts";
import { formatFinding } from "../../../src/ctl/text/finding.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

let context: CheckContext;
const scratch = new ScratchDirectory("bin");
const binDir = scratch.path;

beforeAll(async () => {
  for (const plugin of ["bridge", "macvlan", "host-local"]) {
    writeFileSync(join(binDir, plugin), "", { mode: 0o755 });
  }
  context = { kernels: loadKernels(), binDirs: [binDir] };
});

afterAll(() => scratch[Symbol.dispose]());

const findings = (text: string) => checkText(text, "f", context).findings.map(formatFinding);
const kinds = (text: string) => checkText(text, "f", context).documents;

describe("network configurations", () => {
  it("finds nothing wrong with a good list", () => {
    const text = JSON.stringify({
      cniVersion: "1.0.0",
      name: "net",
      plugins: [{ type: "bridge", capabilities: { ips: true }, ipam: { type: "host-local" } }],
    });
    expect(findings(text)).toEqual([]);
    expect(kinds(text)).toEqual(["conflist"]);
  });

  it.each(['"type":"bridge"', '"plugins":[{"type":"bridge"}]', '"cniVersion":"","type":"bridge"'])(
    "says what happens to one without cniVersion: {%s}",
    (rest) => {
      expect(findings(`{"name":"net",${rest}}`)).toEqual([
        expect.stringMatching(/^f:1:\d+: warning: names no cniVersion: it runs in the highest version/),
      ]);
    },
  );

  it.each([
    ["bridge", {}, 'is attached natively with nativeNetworks "auto"'],
    ["bridge", { ipMasq: true }, 'its plugins are always run: key "ipMasq" is true'],
    ["macvlan", { Master: "eth0" }, 'its plugins are always run: key "Master" must be written "master"'],
  ])("says of %s with %j, where it is asked, whether it is native", (type, keys, said) => {
    const text = JSON.stringify({ cniVersion: "1.0.0", name: "net", type, ...keys });
    const asked = checkText(text, "f", { ...context, saysNative: true });
    expect(asked.findings.map(formatFinding)).toEqual([`f:1:1: note: ${said}`]);
    expect(findings(text)).toEqual([]);
  });

  it.each([
    [
      '{"type": "host-local", "subnet": "10.0.0.0/8"}',
      [
        "error: plugin host-local gives addresses, and makes no interface: it belongs into ipam.type of one that does (macvlan, bridge, …)",
      ],
    ],
    [
      '{"type": "macvlan", "master": "ens5f0"}',
      ['warning: master "ens5f0": this node has no such link (it has eth0, eth1)'],
    ],
    ['{"type": "macvlan", "master": "eth1"}', []],
    ['{"type": "macvlan", "master": "net1", "linkInContainer": true}', []],
    ['{"type": "macvlan"}', []],
    [
      '{"type": "macvlan", "mastr": "eth1", "ipam": {"type": "host-local", "subent": "10.0.0.0/8"}}',
      [
        'warning: "mastr" is no key of macvlan, which takes no notice of it: did you mean "master"?',
        'warning: "ipam.subent" is no key of host-local, which takes no notice of it: did you mean "ipam.subnet"?',
      ],
    ],
  ])("says what this node cannot serve of %s", (plugin, says) => {
    const text = `{"cniVersion": "1.0.0", "name": "net", "plugins": [${plugin}]}`;
    const onNode = { ...context, links: new Set(["eth1", "eth0"]) };
    const found = checkText(text, "f", onNode).findings.map(formatFinding);
    expect(found.map((line) => line.replace(/^f:1:\d+: /, ""))).toEqual(says);
    // On a machine that is no node nothing is said of links.
    expect(findings(text).join()).not.toContain("link");
  });

  it("points at the key that the plugin does not know, and at the link that is not there", () => {
    const text = `{\n "cniVersion": "1.0.0",\n "name": "net",\n "type": "macvlan",\n "mastr": "eth1",\n "ipam": {\n  "type": "host-local",\n  "subent": ""\n }\n}`;
    expect(findings(text).map((line) => line.slice(0, line.indexOf(": ")))).toEqual(["f:5:11", "f:8:13"]);
  });

  it.each<[readonly object[], string]>([
    [[{ type: "bridge" }, { type: "tuning" }], 'is attached natively with nativeNetworks "auto"'],
    [
      [{ type: "bridge" }, { type: "tuning", sysctl: { "net.core.somaxconn": "512" } }],
      'its plugins are always run: key "sysctl.net.core.somaxconn" is not of the interface (net.ipv4.conf.IFNAME, net.ipv4.neigh.IFNAME, or ipv6)',
    ],
    [[{ type: "ptp" }], "its plugins are always run: ptp without an IPAM plugin"],
    [
      [{ type: "bridge" }, { type: "portmap" }],
      'its plugins are always run: a chain with type "portmap", and only tuning may come second',
    ],
  ])("says of the list %j, where it is asked, whether it is native", (plugins, said) => {
    const text = JSON.stringify({ cniVersion: "1.0.0", name: "net", plugins });
    const asked = checkText(text, "f", { ...context, saysNative: true });
    expect(asked.findings.map(formatFinding)).toContain(`f:1:1: note: ${said}`);
  });

  it("points at the character that is no JSON", () => {
    expect(findings('{\n  "name": "net",\n  "type": bridge\n}')).toEqual([
      expect.stringMatching(/^f:3:11: error: not valid JSON/),
    ]);
  });

  it("points at the plugin without a type", () => {
    const text = '{"cniVersion":"1.0.0","name":"net",\n "plugins":[{"type":"bridge"},\n   {"type":""}]}';
    expect(findings(text)).toEqual([expect.stringMatching(/^f:3:\d+: error: .*plugins\[1\]/)]);
  });

  it("points at a version that is not supported", () => {
    expect(findings('{"name":"net",\n "cniVersion":"9.0.0", "type":"bridge"}')).toEqual([
      expect.stringMatching(/^f:2:15: error: .*9\.0\.0/),
    ]);
  });

  it("says that a name is too long for the file of a result, always or for some interfaces", () => {
    const named = (length: number) =>
      findings(`{"cniVersion":"1.0.0",\n"name":"${"n".repeat(length)}","type":"bridge"}`);
    expect(named(174)).toEqual([]);
    expect(named(175)).toEqual([
      expect.stringMatching(/^f:2:8: warning: network name "n+" has 175 characters/),
    ]);
    expect(named(188)).toEqual([expect.stringMatching(/^f:2:8: warning: .*room for 174, or up to 188/)]);
    for (const length of [189, 251, 252]) {
      expect(named(length)).toEqual([
        expect.stringMatching(new RegExp(`^f:2:8: error: network name "n+…?".* has ${length} characters`)),
      ]);
    }
  });

  it("says that the name is missing", () => {
    expect(findings('{"cniVersion":"1.0.0","type":"bridge"}')).toEqual([
      expect.stringMatching(/^f:1:1: error: .*name/),
    ]);
  });

  it("warns of plugins that are not installed and of capabilities that nobody fills", () => {
    const text = `{
  "cniVersion": "1.0.0", "name": "net",
  "plugins": [
    { "type": "absent",
      "capabilities": { "mac": true, "maac": true },
      "ipam": { "type": "no-ipam" } }
  ]
}`;
    expect(findings(text)).toEqual([
      expect.stringMatching(/^f:4:15: warning: plugin absent is not installed/),
      expect.stringMatching(/^f:5:46: warning: capability maac/),
      expect.stringMatching(/^f:6:25: warning: plugin no-ipam is not installed/),
    ]);
  });

  it("takes the last of repeated keys, as the daemon does", () => {
    expect(findings('{"name":"a","name":"b","cniVersion":"1.0.0","type":"bridge"}')).toEqual([]);
  });

  it("refuses one in YAML", () => {
    expect(findings("cniVersion: 1.0.0\nname: net\ntype: bridge\n")).toEqual([
      expect.stringMatching(/^f:1:1: error: .*JSON/),
    ]);
  });
});

describe("netconf", () => {
  it("checks its own keys", () => {
    const text =
      '{"cniVersion":"1.0.0","name":"n","type":"multus",\n"clusterNetwork":"x","logToStderr":"yes"}';
    expect(findings(text)).toEqual([expect.stringMatching(/^f:2:36: error: logToStderr must be boolean/)]);
    expect(kinds(text)).toEqual(["netconf"]);
  });

  it("reports each wrong key at its own place", () => {
    const text =
      '{"cniVersion":"1.0.0","name":"n","type":"multus","clusterNetwork":"x",\n"binDir":1,\n"confDir":2}';
    expect(findings(text)).toEqual([
      expect.stringMatching(/^f:2:10: error: binDir/),
      expect.stringMatching(/^f:3:11: error: confDir/),
    ]);
  });

  it("checks the delegates in it, and points into them", () => {
    const text =
      '{"cniVersion":"1.0.0","name":"n","type":"multus",\n"delegates":[\n  {"cniVersion":"1.0.0","name":"d","type":"absent"},\n  {"cniVersion":"7","name":"d",\n   "type":"bridge"}],"capabilities":{"io.kubernetes.cri.pod-annotations":true}}';
    expect(findings(text)).toEqual([
      expect.stringMatching(/^f:3:43: warning: plugin absent/),
      expect.stringMatching(/^f:4:17: error: .*"?7"?/),
    ]);
  });

  it("refuses Multus as one of the delegates in it, or in the cluster network's file", () => {
    const own = { "io.kubernetes.cri.pod-annotations": true };
    const evil = { cniVersion: "1.0.0", name: "evil", plugins: [{ type: "bridge" }, { type: "mine" }] };
    const netconf = { cniVersion: "1.0.0", name: "n", type: "mine", capabilities: own };
    expect(findings(JSON.stringify({ ...netconf, delegates: [evil] }))).toEqual([
      expect.stringMatching(/^f:1:\d+: error: plugins\[1\]: type "mine" is Multus itself/),
    ]);
    const inline = { ...netconf, type: "multus", delegates: [{ ...evil, plugins: [{ type: "multusd" }] }] };
    expect(findings(JSON.stringify(inline))).toEqual([
      expect.stringMatching(/^f:1:\d+: error: plugins\[0\]: type "multusd" is Multus itself/),
    ]);
    const directory = join(binDir, "net.d");
    mkdirSync(directory);
    writeFileSync(join(directory, "00-multus.conf"), JSON.stringify({ ...netconf, type: "multus" }));
    const outer = { ...netconf, type: "multus", clusterNetwork: directory };
    expect(findings(JSON.stringify(outer))).toEqual([
      expect.stringMatching(/^f:1:\d+: error: clusterNetwork: type "multus" is Multus itself/),
    ]);
  });

  it("says that the cluster network's file is not there", () => {
    const text =
      '{"cniVersion":"1.0.0","name":"n","type":"multus","clusterNetwork":"/no/such/file","capabilities":{"io.kubernetes.cri.pod-annotations":true}}';
    expect(findings(text)).toEqual([expect.stringMatching(/^f:1:67: warning: .*\/no\/such\/file/)]);
  });

  it("is checked inside a list too, with the list's name and version", () => {
    const text =
      '{"cniVersion":"1.0.0","name":"n","plugins":[\n {"type":"bridge"},\n {"type":"multus","clusterNetwork":7}]}';
    expect(findings(text)).toEqual([
      expect.stringMatching(/^f:3:10: warning: plugin multus is not installed/),
      expect.stringMatching(/^f:3:36: error: clusterNetwork must be string/),
    ]);
  });

  it("says that pods get no networks by annotation where the runtime sends no annotations", () => {
    const netconf = (capabilities: string) =>
      `{"cniVersion":"1.0.0","name":"n","type":"multus","clusterNetwork":"x"${capabilities}}`;
    const warned = [expect.stringMatching(/^f:1:\d+: warning: capabilities: .*pod-annotations/)];
    expect(findings(netconf(""))).toEqual(warned);
    expect(findings(netconf(',"capabilities":null'))).toEqual(warned);
    expect(findings(netconf(',"capabilities":{"portMappings":true}'))).toEqual(warned);
    expect(findings(netconf(',"capabilities":{"io.kubernetes.cri.pod-annotations":false}'))).toEqual(warned);
    expect(findings(netconf(',"capabilities":{"io.kubernetes.cri.pod-annotations":true}'))).toEqual([]);
  });

  it("passes on the daemon's own warnings", () => {
    const text =
      '{"cniVersion":"1.0.0","name":"n","type":"multus","clusterNetwork":"x","logLevel":"loud","capabilities":{"io.kubernetes.cri.pod-annotations":true}}';
    expect(findings(text)).toEqual([expect.stringMatching(/^f:1:\d+: warning: logLevel "loud"/)]);
  });
});

/** A manifest with this text as spec.config, written as a block. */
const manifest = (config: string, name = "net") => `apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: ${name}
spec:
  config: |
${config.replace(/^/gm, "    ")}
`;

describe("NetworkAttachmentDefinitions", () => {
  it("finds nothing wrong with good ones, of which the name may be missing", () => {
    const text = `${manifest('{"cniVersion":"1.0.0","type":"macvlan"}')}---\n${manifest('{"cniVersion":"1.0.0","type":"bridge"}', "other")}`;
    expect(findings(text)).toEqual([]);
    expect(kinds(text)).toEqual(["nad", "nad"]);
  });

  it("passes over objects of other kinds beside them, and what is empty", () => {
    const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: { name: media }\n";
    const text = `${namespace}---\n---\n${manifest('{"cniVersion":"1.0.0","type":"macvlan"}')}---\n`;
    expect(findings(text)).toEqual([]);
    expect(kinds(text)).toEqual(["other", "nad"]);
  });

  it("says that one is larger than the daemon takes", () => {
    const text = manifest('{"cniVersion":"1.0.0","type":"macvlan"}'.padEnd(1024 * 1024));
    expect(findings(text)).toEqual([
      expect.stringMatching(/^f:6:11: error: default\/net: spec\.config has 10485\d\d bytes, and at most/),
    ]);
  });

  it("maps an error in the configuration to the file's line", () => {
    const text = manifest('{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}');
    expect(findings(text)).toEqual([expect.stringMatching(/^f:9:15: error: default\/net: spec\.config:/)]);
  });

  it("maps warnings too", () => {
    const text = manifest('{\n  "cniVersion": "1.0.0",\n  "type": "absent"\n}');
    expect(findings(text)).toEqual([expect.stringMatching(/^f:9:15: warning: .*plugin absent/)]);
  });

  it("gives both places where the configuration is written with escapes", () => {
    const text = JSON.stringify({
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name: "net" },
      spec: { config: '{\n "type": macvlan}' },
    });
    const [finding = ""] = findings(text);
    expect(finding).toMatch(/^f:1:\d+: error: .*\(line 2, column 10\)$/);
    expect(Number(finding.split(":")[2])).toBe(text.indexOf('"{') + 1);
  });

  it("finds them in lists", () => {
    const item = {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name: "net", namespace: "other" },
      spec: { config: '{"cniVersion":"1.0.0","type":"absent"}' },
    };
    const text = JSON.stringify({ apiVersion: "v1", kind: "List", items: [item] });
    expect(findings(text)).toEqual([
      expect.stringContaining("warning: other/net: spec.config: plugin absent"),
    ]);
  });

  it("points at a field of the object itself", () => {
    expect(findings(manifest("{}").replace("k8s.cni.cncf.io/v1", "v1"))).toEqual([
      expect.stringMatching(/^f:1:13: error: .*apiVersion/),
    ]);
  });

  it.each([
    [
      "that expands without end",
      [
        "a: &a [x, x, x, x, x]",
        "b: &b [*a, *a, *a, *a]",
        "c: &c [*b, *b, *b, *b]",
        "d: [*c, *c, *c, *c]",
      ].join("\n"),
    ],
    ["to nothing", "a: *nothing"],
  ])("points at an alias %s", (_what, text) => {
    expect(findings(text)).toEqual([expect.stringMatching(/^f:1:1: error: not valid YAML: .*alias/)]);
  });

  it("points at what is no YAML", () => {
    expect(findings(`${manifest('{"cniVersion":"1.0.0","type":"bridge"}')}---\na: [1\nb: 2\n`)).toEqual([
      expect.stringMatching(/^f:\d+:\d+: error: not valid YAML/),
    ]);
  });

  it("warns where the configuration is empty", () => {
    const text = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: net}\n";
    expect(findings(text)).toEqual([
      expect.stringMatching(/^f:1:1: warning: default\/net: spec.config is empty/),
    ]);
  });

  it("refuses Multus as a plugin of one, at any place", () => {
    const config = (plugin: object) => JSON.stringify({ cniVersion: "1.0.0", ...plugin });
    const nad = (text: string) =>
      JSON.stringify({
        apiVersion: "k8s.cni.cncf.io/v1",
        kind: "NetworkAttachmentDefinition",
        metadata: { name: "net" },
        spec: { config: text },
      });
    expect(findings(nad(config({ type: "multus", clusterNetwork: "x", name: "n" })))).toEqual([
      expect.stringMatching(/^f:1:\d+: error: default\/net: spec\.config: type "multus" is Multus itself/),
    ]);
    expect(findings(nad(config({ plugins: [{ type: "bridge", ipam: { type: "multus" } }] })))).toEqual([
      expect.stringMatching(/error: default\/net: spec\.config: plugins\[0\]: ipam\.type "multus" is Multus/),
    ]);
    expect(findings(nad(config({ type: ".x" })))).toEqual([expect.stringMatching(/begins with a dot/)]);
  });
});

describe("anything else", () => {
  it("is said to be nothing that is checked", () => {
    expect(findings("apiVersion: v1\nkind: Pod\n")).toEqual([
      expect.stringMatching(/^f:1:1: warning: .*not checked/),
    ]);
    expect(findings("apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: Secret\n")).toEqual([
      "f:1:1: warning: has objects of other kinds only; not checked",
    ]);
    expect(findings("apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinitions\n")).toEqual([
      expect.stringMatching(/^f:1:1: warning: .*not checked/),
    ]);
    expect(findings("")).toEqual(["f:1:1: error: is empty"]);
    expect(findings('\ufeff{"cniVersion":"1.0.0","name":"x","type":"bridge"}')).toEqual([
      "f:1:1: error: begins with a byte order mark, which no runtime accepts: save it as UTF-8 without one",
    ]);
  });
});
