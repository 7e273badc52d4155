/** Targets: netconf, annotations, plans, NAD manifests, names in the spool, and what a daemon answers. */

import * as yaml from "yaml";
import { ExpectedError, InputError } from "../../../src/base/input-error.ts";
import { isJsonObject, wholeElements } from "../../../src/base/json.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { decodeFailedDel } from "../../../src/multus/failed-dels.ts";
import { parseInterfaceAttributes } from "../../../src/multus/input/interface-attributes.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import { parseDefaultNetworkSelection, parseNetworkSelections } from "../../../src/multus/input/selection.ts";
import { parseManifests } from "../../../src/multus/plan/manifests.ts";
import { decodeRecord, namespaceInHead, RecordError } from "../../../src/multus/spool/record.ts";
import { brokenName, failedName, nameWithTries, spoolNameKind } from "../../../src/multus/spool/spool.ts";
import { plannedAttachments } from "../../../src/multus/state/container.ts";
import { decodePlan } from "../../../src/multus/state/plan-decoding.ts";
import { statusPage } from "../../../src/socket/client.ts";
import { encodeRecord, recordAround, recordBody } from "../../shim/support/spool.ts";
import { goldenAnnotations, goldenNetconfs, goldenResults, goldenTexts } from "../engine/golden.ts";
import { attempt, type FuzzTarget, must, mustEqual, mustKeepPrototypes } from "../engine/target.ts";

const kernels = loadKernels();
const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

export const netconfTarget: FuzzTarget = {
  name: "multus/netconf",
  covers: ["src/multus/input/netconf.ts parseNetconf"],
  seeds: goldenNetconfs,
  words: [
    '"binDir":"/opt/cni/bin"',
    '"BINDIR":null',
    '"globalNamespaces":"a,b"',
    '"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{}}',
    '"delegates":[{}]',
  ],
  run(input) {
    const netconf = attempt(input, [ExpectedError], () => parseNetconf(input));
    if (netconf === undefined) return;
    must(/^[A-Za-z0-9][\w.-]*$/.test(netconf.name), "a name that could leave a directory");
    for (const path of [netconf.binDir, netconf.confDir, netconf.cniDir])
      must(path.startsWith("/"), "a relative path");
    for (const delegate of netconf.delegates) {
      must(isJsonObject(JSON.parse(Buffer.from(delegate).toString())), "a delegate that is no object");
    }
    must(
      Object.values(netconf.podAnnotations ?? {}).every((text) => typeof text === "string"),
      "an annotation that is no text",
    );
    for (const raw of netconf.runtimeConfig.values()) JSON.parse(Buffer.from(raw).toString());
  },
};

export const selectionTarget: FuzzTarget = {
  name: "multus/selection",
  covers: [
    "src/multus/input/selection.ts parseNetworkSelections",
    "src/multus/input/selection.ts parseDefaultNetworkSelection",
  ],
  seeds: () => [
    ...goldenAnnotations("k8s.v1.cni.cncf.io/networks"),
    ...goldenAnnotations("v1.multus-cni.io/default-network"),
    "a,b/c@eth5, d ",
    '[{"name":"a","namespace":"b","interface":"net9","ips":["10.0.0.1/24"],"mac":"0a:00:00:00:00:01","default-route":["10.0.0.1"],"cni-args":{"a":1},"portMappings":[{"hostPort":1,"containerPort":2}],"bandwidth":{"ingressRate":1},"infiniband-guid":"c2:11:22:33:44:55:66:77"}]',
  ],
  words: ['"name":"', '"namespace":"', '"interface":"', '"ips":[', "@", "/", ",", "kube-system/"],
  run(input) {
    const text = input.toString("utf8");
    const selections = attempt(input, [ExpectedError], () => parseNetworkSelections(text, "own")) ?? [];
    for (const { name, namespace, request } of selections) {
      must(subdomain.test(name) && name.length <= 253, `name ${JSON.stringify(name)}`);
      must(label.test(namespace) && namespace.length <= 253, `namespace ${JSON.stringify(namespace)}`);
      must(!/[/\s\0]/.test(request.ifName ?? ""), "a bad interface");
    }
    const single = attempt(input, [ExpectedError], () => parseDefaultNetworkSelection(text, "own"));
    if (single !== undefined)
      mustEqual(
        [single.name, single.namespace],
        [selections[0]?.name, selections[0]?.namespace],
        "the default network",
      );
  },
};

export const attributesTarget: FuzzTarget = {
  name: "multus/interface-attributes",
  covers: ["src/multus/input/interface-attributes.ts parseInterfaceAttributes"],
  seeds: () => [
    '{"ips":["10.0.0.1/24","fd00::1"],"mac":"0a:00:00:00:00:01","cni-args":{"a":{"b":1}}}',
    "{}",
    "null",
  ],
  words: ['"IPS":', '"Mac":""', '"CNI-Args":{}'],
  run(input) {
    const attributes = attempt(input, [ExpectedError], () => parseInterfaceAttributes(input));
    for (const word of [...(attributes?.ips ?? []), attributes?.mac ?? ""]) {
      must(/^[0-9a-fA-F.:/-]*$/.test(word), `address ${JSON.stringify(word)}`);
    }
    if (attributes?.cniArgs !== undefined)
      must(isJsonObject(JSON.parse(Buffer.from(attributes.cniArgs).toString())), "cni-args");
  },
};

export const planTarget: FuzzTarget = {
  name: "multus/plan-file",
  covers: ["src/multus/state/plan-decoding.ts decodePlan", "src/multus/state/plan-decoding.ts decodeEntry"],
  seeds: () =>
    goldenTexts(
      (key, value) => /^[0-9a-f]{10,}$/.test(key) && (typeof value === "string" || Array.isArray(value)),
    ),
  words: [
    '"Bytes":"e30="',
    '"ConfList":{"plugins":[{}]}',
    '"ifnameRequest":"net1"',
    '"CNINetworkConfigList":{"Plugins":[{"Bytes":"e30="}],"Bytes":"e30="}',
    "],[",
  ],
  run(input) {
    const plan = decodePlan(input);
    mustKeepPrototypes(plan);
    must(plan.problem.length < 200, "a long problem");
    const cache = { read: () => undefined };
    for (const { ifName, networkName } of plannedAttachments(plan.entries, "c", { kernels, cache })) {
      must(typeof ifName === "string", "no interface");
      must(typeof networkName === "string", "no network");
    }
    const { elements, isWhole } = wholeElements(input);
    must(
      elements.length <= input.length && (!isWhole || Array.isArray(JSON.parse(input.toString()))),
      "not whole",
    );
  },
};

export const manifestsTarget: FuzzTarget = {
  name: "multus/manifests",
  covers: ["src/multus/plan/manifests.ts parseManifests"],
  seeds: () => [
    "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: one\n  annotations: {a: b}\nspec:\n  config: |\n    { }\n---\nkind: List\nitems:\n  - kind: NetworkAttachmentDefinition\n",
    '{"apiVersion":"k8s.cni.cncf.io/v1","kind":"NetworkAttachmentDefinition","metadata":{"name":"two","namespace":"x"},"spec":{"config":"{}"}}',
    "a: &a [1, *a]\nb: {<<: *a}\n? {c: d}\n: !!binary e30=\n",
  ],
  words: [
    "&a ",
    "*a",
    "<<: *a",
    "!!js/function x",
    "!!map ",
    "---\n",
    "...\n",
    "kind: NetworkAttachmentDefinition\n",
    "  name: x\n",
    "items:\n",
    "? ",
  ],
  run(input) {
    const text = input.toString("utf8");
    for (const path of ["nads.yaml", "nads.json"]) {
      const manifests = attempt(input, [], () => parseManifests(yaml, text, path));
      for (const problem of manifests?.broken ?? []) {
        must(problem instanceof InputError && problem.message.startsWith(path), "an error without its file");
        must(problem.message.length <= 4_096 + 8 * text.length, "a long error");
      }
      for (const entry of manifests?.entries.values() ?? []) {
        must(entry instanceof InputError || typeof entry.name === "string", "no name");
      }
    }
  },
};

export const spoolNameTarget: FuzzTarget = {
  name: "multus/spool-name",
  covers: [],
  seeds: () => ["1764460800000000-00-c0ffee", "failed-1764460800000000-16-c0ffee", "broken-x", ".recording"],
  words: ["failed-", "broken-", "-00-"],
  run(input) {
    const kind = spoolNameKind(input.toString("utf8"));
    must(["record", "failed", "broken", "hidden"].includes(kind.kind), "no kind");
    // As the directory's names are read: a byte is a character.
    const name = input.toString("latin1");
    const aside = brokenName(name);
    must(
      aside.length <= Math.max(255, name.length) && spoolNameKind(aside).kind === "broken",
      "not set aside",
    );
    must(name.length > 255 || aside.length <= 255, "a name that no file can have");
    if (kind.kind !== "record") return;
    must(kind.tries <= 99 && kind.microseconds < 1e16, "a number that is none");
    mustEqual(nameWithTries(name, kind.tries), name, "the same tries");
    mustEqual(spoolNameKind(nameWithTries(name, 7)), { ...kind, tries: 7 }, "other tries");
    const failed = spoolNameKind(failedName(name));
    mustEqual(failed, { kind: "failed", containerId: kind.containerId }, "set aside as failed");
  },
};

export const spoolRecordTarget: FuzzTarget = {
  name: "multus/spool-record",
  covers: ["src/multus/spool/record.ts decodeRecord", "src/agent/messagepack.ts decodeExactMessagePack"],
  seeds: () => {
    const namespace = {
      bootId: "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e",
      netnsDevice: 4,
      netnsInode: 2 ** 32 - 1,
    };
    const args =
      "K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-with-a-name-that-is-longer-than-thirty-one-bytes";
    const bodies = [
      recordBody(),
      recordBody({ ...namespace, netnsCookie: 2n ** 64n - 1n, netns: "/run/netns/pod", args }),
    ];
    return bodies.flatMap((body) => [encodeRecord(body), encodeRecord(body).subarray(16)]);
  },
  words: ["MWSPOOL1", "args", "netnsCookie", "K8S_POD_NAMESPACE=", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"],
  run(input) {
    // As a file, and as the body of one whose length and checksum fit.
    for (const file of [input, recordAround(input)]) {
      must(typeof namespaceInHead(file) === "string", "no text");
      const record = attempt(input, [RecordError], () => decodeRecord(file));
      if (record === undefined) continue;
      mustKeepPrototypes(record);
      const { config, identity, ...texts } = record;
      must(
        Object.values(texts).every((text) => typeof text === "string" && !text.includes("\0")),
        "a text with a zero byte",
      );
      must(record.command === "DEL" && Buffer.isBuffer(config), "no DEL");
      const namespace = namespaceInHead(encodeRecord({ ...recordBody(), ...texts, config }));
      must(namespace === "" || record.args.includes(namespace), "a namespace that is not in CNI_ARGS");
      if (identity === undefined) continue;
      const { bootId, ...numbers } = identity;
      must(bootId !== "" && identity.cookie > 0n, "a namespace that cannot be told from another");
      must(
        Object.values(numbers).every((number) => number >= 0n && number < 2n ** 64n),
        "a number that is none",
      );
    }
  },
};

export const failedDelTarget: FuzzTarget = {
  name: "multus/failed-del",
  covers: ["src/multus/failed-dels.ts decodeFailedDel"],
  seeds: () => [
    '{"namespace":"default","name":"web","count":2,"asked":2,"since":1764460800000,"state":"failing","bytes":0}',
    '{"namespace":"default","name":"web","count":79,"asked":3,"since":1764460800000,"state":"given-up","bytes":4096}',
  ],
  words: ['"state":"recorded"', '"count":-1', '"since":1e400', '"__proto__":{}'],
  run(input) {
    const failed = decodeFailedDel(input);
    mustKeepPrototypes(failed);
    if (failed === undefined) return;
    must(failed.namespace.length <= 253 && failed.name.length <= 253, "a long name");
    must(
      [failed.count, failed.asked, failed.since, failed.bytes].every(
        (number) => Number.isSafeInteger(number) && number >= 0,
      ),
      "a number that is none",
    );
    mustEqual(decodeFailedDel(Buffer.from(JSON.stringify(failed))), failed, "the same again");
  },
};

export const answersTarget: FuzzTarget = {
  name: "multus/answers",
  covers: [],
  seeds: () => [
    '{"version":"0.1.0","socketDir":"/run/multus","requests":{}}',
    ...goldenResults().slice(0, 10),
  ],
  run(input) {
    const body = input.toString("utf8");
    mustKeepPrototypes(statusPage({ status: 200, body }));
  },
};
