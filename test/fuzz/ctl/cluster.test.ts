/** Validate reports on any objects that an API server answers with, and every place that it names is in the text that it counts in. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { checkCluster } from "../../../src/ctl/cluster/check.ts";
import { clusterReportJson, formatClusterFindings } from "../../../src/ctl/cluster/finding.ts";
import type { CheckContext } from "../../../src/ctl/configuration/configuration.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { type Api, ApiError } from "../../../src/kube/api.ts";

let context: CheckContext;
beforeAll(() => {
  context = { kernels: loadKernels(), binDirs: ["/no/such/directory"] };
});

/** Answers lists; single objects are not there. */
function answering(definitions: unknown, pods: unknown): Api {
  return {
    async request<Answer>({ path }: { path: string }) {
      if (!path.includes("?")) throw new ApiError(404, "NotFound", "it is not there");
      const items = path.startsWith("/api/v1/") ? pods : definitions;
      // As it comes off the wire: no undefined, no -0.
      return JSON.parse(JSON.stringify({ metadata: {}, items })) as Answer;
    },
    async watch() {},
  };
}

const scope = {
  server: "https://here",
  namespace: undefined,
  multusNamespace: "kube-system",
  secondLookMs: 0,
};

/** Checks a cluster, and that what is said of it makes sense. @param text that every place counts in; undefined: places are not looked at */
async function check(definitions: unknown[], pods: unknown[], text?: string): Promise<void> {
  const report = await checkCluster(answering(definitions, pods), scope, context);
  for (const { message, line, column } of clusterReportJson(report).findings) {
    expect(message).not.toBe("");
    if (text === undefined || line === undefined || column === undefined) continue;
    const written = text.split("\n")[line - 1];
    expect(written).toBeDefined();
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((written?.length ?? 0) + 1);
  }
  expect(formatClusterFindings(report).split("\n").length).toBeGreaterThan(report.findings.length);
}

const value = fc.jsonValue({ maxDepth: 2 });
const name = fc.oneof({ weight: 3, arbitrary: fc.constantFrom("a", "b") }, value);

/** Its name has no text: a template literal throws. */
const podNamedByObject = {
  metadata: {
    namespace: "a",
    name: { toString: false },
    annotations: { "v1.multus-cni.io/default-network": "false" },
  },
};

describe("validate of a cluster", () => {
  it("survives objects of the right shape with wrong values", async () => {
    const config = fc.oneof(value, fc.json(), fc.constant('{"cniVersion":"1.0.0","type":"bridge"}'));
    const definition = fc.oneof(
      value,
      fc.record(
        {
          metadata: fc.oneof(value, fc.record({ namespace: name, name, annotations: value })),
          spec: fc.oneof(value, fc.record({ config })),
        },
        { requiredKeys: [] },
      ),
    );
    const annotation = fc.oneof(
      value,
      fc.json(),
      fc.constantFrom("a", "b/a", "a@b@c", '[{"name":"a"}]', "[", ""),
    );
    const pod = fc.oneof(
      value,
      fc.record(
        {
          metadata: fc.oneof(
            value,
            fc.record({
              namespace: name,
              name,
              annotations: fc.oneof(
                value,
                fc.record(
                  {
                    "k8s.v1.cni.cncf.io/networks": annotation,
                    "v1.multus-cni.io/default-network": annotation,
                  },
                  { requiredKeys: [] },
                ),
              ),
            }),
          ),
          spec: fc.oneof(value, fc.record({ hostNetwork: value })),
        },
        { requiredKeys: [] },
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(definition, { maxLength: 4 }),
        fc.array(pod, { maxLength: 4 }),
        (definitions, pods) => check(definitions, pods),
      ),
      { numRuns: 1000, examples: [[[], [podNamedByObject]]] },
    );
  });

  it("names places that are in the text", async () => {
    const texts = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.json({ maxDepth: 3 }),
      // Cut off anywhere.
      fc
        .tuple(
          fc.constantFrom(
            '{\n "cniVersion": "1.0.0",\n "plugins": [{"type": "brücke", "capabilities": {"x": true}}]}',
            '[{"name": "a",\n "ips": ["10.0.0.1/33"]}]',
            "a/b@c,  d,Ü/x, e@f@g",
          ),
          fc.nat(80),
        )
        .map(([text, length]) => text.slice(0, length)),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        await check([{ metadata: { namespace: "a", name: "a" }, spec: { config: text } }], [], text);
        const annotations = { "k8s.v1.cni.cncf.io/networks": text };
        await check([], [{ metadata: { namespace: "a", name: "a", annotations } }], text);
      }),
      { numRuns: 1000 },
    );
  });

  it("survives lists that are none", async () => {
    await fc.assert(
      fc.asyncProperty(value, async (items) => {
        try {
          await checkCluster(answering(items, items), scope, context);
        } catch (error) {
          expect(String(error)).toMatch(/^UserError: the answer to GET .* is no list$/);
        }
      }),
      { numRuns: 300 },
    );
  });
});
