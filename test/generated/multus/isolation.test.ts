/** With namespaceIsolation no annotation, however it is written, gives a pod a network of a foreign namespace. Judged by the plan that comes of it, with all those networks there. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { largeTurnsOf } from "../../../src/base/large-work.ts";
import { NetworkConfigFiles } from "../../../src/cni/files.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import { defaultNetworkAnnotation, networksAnnotation } from "../../../src/multus/input/selection.ts";
import { NetworkCatalog } from "../../../src/multus/plan/networks.ts";
import { makePlan } from "../../../src/multus/plan/plan.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

/** The pod's namespace; one that shares its networks; multusNamespace; two that are nobody's business. */
const own = "tenant";
const shared = "shared";
const system = "kube-system";
const foreign = ["secret", "default"];
const namespaces = [own, shared, system, ...foreign];
/** In each namespace: two with a configuration, and one that stands for the node's file of its name. */
const written = ["vault", "net.a"];
const standIn = "node-file";

const kernels = loadKernels();
let scratch: ScratchDirectory;
let catalog: NetworkCatalog;

beforeAll(() => {
  scratch = new ScratchDirectory("isolation");
  const file = { cniVersion: "1.0.0", name: standIn, type: "of-node" };
  writeFileSync(join(scratch.path, "10-node.conf"), JSON.stringify(file));
  catalog = new NetworkCatalog(kernels, new NetworkConfigFiles(kernels, () => {}));
});

afterAll(() => scratch?.[Symbol.dispose]());

/** As in a cluster: found by one text of both names. A plugin's type says whose network it is; where it is the node's, the definition does. */
const definitions = new Map(
  namespaces.flatMap((namespace) =>
    [...written, standIn].map((name) => {
      const config = { cniVersion: "1.0.0", type: `of-${namespace}` };
      const text = name === standIn ? "" : JSON.stringify(config);
      const nad = {
        namespace,
        name,
        config: Buffer.from(text),
        annotations: {},
        where: `${namespace}/${name}`,
      };
      return [`${namespace}/${name}`, nad] as const;
    }),
  ),
);
const nads = {
  source: {
    get: async (namespace: string, name: string) => definitions.get(`${namespace}/${name}`),
  },
  onMissing() {},
  onInvalid() {},
  onPassedOver() {},
  largeWork: largeTurnsOf("ADD", ""),
};

/** The plugins of the pod's plan: the cluster network's, and the others'; undefined: the ADD is refused. */
async function planned(
  annotations: Readonly<Record<string, string>>,
  namespaceIsolation: boolean,
  podNamespace: string,
): Promise<{ readonly cluster: string; readonly others: readonly string[] } | undefined> {
  const netconf = parseNetconf(
    Buffer.from(
      JSON.stringify({
        cniVersion: "1.0.0",
        name: "n",
        type: "multus",
        confDir: scratch.path,
        delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "of-cluster" }],
        namespaceIsolation,
        globalNamespaces: shared,
      }),
    ),
  );
  const pod = { namespace: podNamespace, name: "web", uid: "u", sandboxId: "c" };
  try {
    const plan = await makePlan(catalog, { netconf, pod, annotations, nads });
    const [cluster = "", ...others] = plan.map(({ name, network }) => {
      const type = network.plugins[0]?.type ?? "";
      return type === "of-node" ? `of-node by ${name.split("/")[0]}` : type;
    });
    return { cluster, others };
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

/** Names, and what looks like them to somebody: other cases, letters of other alphabets, invisible characters, paths. */
const disguised = (names: readonly string[]) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...names) },
    fc
      .constantFrom(...names)
      .chain((name) =>
        fc.constantFrom(
          name.toUpperCase(),
          name.replace("e", "е"),
          name.replace("s", "ſ"),
          name.replace("k", "\u212a"),
          name.normalize("NFKD").replace("a", "\uff41"),
          `${name}\u200b`,
          `\ufeff${name}`,
          ` ${name} `,
          `${name}\u0000`,
          `${name}.`,
          `./${name}`,
          `${own}/../${name}`,
          `${name}/`,
          `${name}@x`,
          `${name},${name}`,
          `%73${name.slice(1)}`,
        ),
      ),
  );
const namespaceText = fc.oneof(
  { weight: 4, arbitrary: disguised(namespaces) },
  fc.constantFrom("", " ", own, "*", "."),
);
const nameText = fc.oneof(
  { weight: 4, arbitrary: disguised([...written, standIn]) },
  fc
    .tuple(namespaceText, fc.constantFrom(...written, standIn))
    .map(([namespace, name]) => `${namespace}/${name}`),
);

/** A text as JSON has it, with some of its characters escaped. */
const jsonText = (text: string) =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((escapes) => {
    const units = Array.from({ length: text.length }, (_, index) => {
      const code = `\\u${text.charCodeAt(index).toString(16).padStart(4, "0")}`;
      return escapes[index] === true ? code : JSON.stringify(text.charAt(index)).slice(1, -1);
    });
    return `"${units.join("")}"`;
  });
const keyText = (key: string) =>
  fc
    .constantFrom(
      key,
      key.toUpperCase(),
      key.charAt(0).toUpperCase() + key.slice(1),
      key.replace("s", "ſ"),
      `${key} `,
    )
    .chain(jsonText);
const namespaceValue = fc.oneof(
  { weight: 5, arbitrary: namespaceText.chain(jsonText) },
  fc.constantFrom("null", '""', "[]", "{}", "0", '["secret"]', '{"namespace":"secret"}'),
);
/** Members in any order, each any number of times, under any spelling of its key. */
const members = fc
  .tuple(
    fc.array(fc.tuple(keyText("name"), nameText.chain(jsonText)), { minLength: 1, maxLength: 2 }),
    fc.array(fc.tuple(keyText("namespace"), namespaceValue), { maxLength: 3 }),
    fc.array(fc.tuple(keyText("cni-args"), fc.constant('{"namespace":"secret","name":"vault"}')), {
      maxLength: 1,
    }),
  )
  .chain((parts) => fc.shuffledSubarray(parts.flat(), { minLength: parts.flat().length }))
  .map((pairs) => `{${pairs.map(([key, value]) => `${key}:${value}`).join(",")}}`);
const jsonForm = fc.array(members, { minLength: 1, maxLength: 2 }).map((items) => `[${items.join(" ,\n")}]`);
const blank = fc.constantFrom("", " ", "\t", "\n", "\u00a0", "\u3000");
const commaForm = fc
  .array(
    fc
      .tuple(
        blank,
        namespaceText,
        blank,
        fc.constantFrom("/", "", "//"),
        blank,
        nameText,
        fc.constantFrom("", "@net7"),
      )
      .map((parts) => parts.join("")),
    { minLength: 1, maxLength: 2 },
  )
  .map((items) => items.join(","));
const annotation = fc.oneof(
  jsonForm,
  commaForm,
  fc.tuple(commaForm, jsonForm).map(([left, right]) => `${left},${right}`),
);
const annotations = fc.record(
  { [networksAnnotation]: annotation, [defaultNetworkAnnotation]: annotation },
  { requiredKeys: [] },
);

/** Required inputs: without them the test would prove nothing. */
const examples: [Record<string, string>, string][] = [
  ...[own, shared, "secret", "default"].flatMap((namespace) =>
    [networksAnnotation, defaultNetworkAnnotation].map((key): [Record<string, string>, string] => [
      { [key]: `${namespace}/vault` },
      own,
    ]),
  ),
  ...[shared, "secret"].flatMap((namespace) =>
    [networksAnnotation, defaultNetworkAnnotation].map((key): [Record<string, string>, string] => [
      { [key]: `[{"name":"${namespace}/vault"}]` },
      own,
    ]),
  ),
  [{ [defaultNetworkAnnotation]: "vault" }, own],
  [{ [defaultNetworkAnnotation]: standIn }, ""],
  [{ [networksAnnotation]: `${shared}/${standIn}` }, own],
  [{ [networksAnnotation]: `secret/${standIn}` }, own],
];

it("attaches networks of the pod's namespace and of those that are not isolated, and no others", async () => {
  const reached = new Set<string>();
  const unprotected = new Set<string>();
  await fc.assert(
    fc.asyncProperty(annotations, fc.constantFrom(own, own, own, ""), async (asked, podNamespace) => {
      const plan = await planned(asked, true, podNamespace);
      const free = await planned(asked, false, podNamespace);
      for (const type of free === undefined ? [] : [free.cluster, ...free.others]) unprotected.add(type);
      if (plan === undefined) return;
      const own = podNamespace === "" ? [] : [podNamespace];
      const others = [...own, shared].map((namespace) => `of-${namespace}`);
      expect([...others, `of-node by ${shared}`]).toEqual(expect.arrayContaining([...plan.others]));
      const asCluster = ["of-cluster", `of-${system}`, `of-node by ${system}`, `of-node by ${shared}`];
      expect([...others, ...asCluster]).toContain(plan.cluster);
      for (const type of [plan.cluster, ...plan.others]) reached.add(type);
    }),
    { numRuns: 2000, examples },
  );
  // All of this is asked for. Without isolation all of it is given.
  expect([...unprotected]).toEqual(
    expect.arrayContaining([...namespaces.map((name) => `of-${name}`), "of-node by secret", "of-cluster"]),
  );
  expect([...reached]).toEqual(
    expect.arrayContaining([
      "of-cluster",
      ...[own, shared, system].map((name) => `of-${name}`),
      `of-node by ${shared}`,
      `of-node by ${system}`,
    ]),
  );
});

it("gives the node's files to definitions of multusNamespace and of namespaces that are not isolated, and to no others", async () => {
  for (const namespace of namespaces) {
    const name = `${namespace}/${standIn}`;
    const asked = { [networksAnnotation]: name };
    const asCluster = { [defaultNetworkAnnotation]: name };
    const isSelectable = namespace === shared;
    expect([namespace, await planned(asked, true, own)]).toEqual([
      namespace,
      isSelectable ? { cluster: "of-cluster", others: [`of-node by ${namespace}`] } : undefined,
    ]);
    expect([namespace, await planned(asCluster, true, own)]).toEqual([
      namespace,
      isSelectable || namespace === system ? { cluster: `of-node by ${namespace}`, others: [] } : undefined,
    ]);
    expect(await planned(asked, false, own)).toEqual({
      cluster: "of-cluster",
      others: [`of-node by ${namespace}`],
    });
  }
});
