/** Nodes and daemons' pods of any objects that an API server answers with: nothing throws but what is said to, and each pod that is found has a node. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { UserError } from "../../../src/ctl/command/user-error.ts";
import { readNodes } from "../../../src/ctl/daemons/nodes.ts";
import type { Api } from "../../../src/kube/api.ts";

/** Answers lists. */
function answering(pods: unknown, nodes: unknown): Api {
  return {
    async request<Answer>({ path }: { path: string }) {
      // As it comes off the wire: no undefined, no -0.
      const items = path.startsWith("/api/v1/nodes") ? nodes : pods;
      return JSON.parse(JSON.stringify({ metadata: {}, items })) as Answer;
    },
    async watch() {},
  };
}

const value = fc.jsonValue({ maxDepth: 2 });
const text = fc.oneof({ weight: 3, arbitrary: fc.constantFrom("kube-multus", "a", "") }, value);
const list = (element: fc.Arbitrary<unknown>) => fc.oneof({ weight: 3, arbitrary: fc.array(element) }, value);
const shape = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof({ weight: 4, arbitrary: fc.record(fields, { requiredKeys: [] }) }, value);

const container = shape({
  name: text,
  image: fc.oneof(fc.constantFrom("localhost/multus-wasm:1", "ghcr.io/x/multus-cni:v4"), value),
  args: list(text),
  command: list(fc.oneof(fc.constantFrom("/entrypoint", "multusd"), value)),
  volumeMounts: list(shape({ name: text, mountPath: fc.oneof(fc.constant("/run/multus"), value) })),
  env: list(shape({ name: text, value: text })),
});
const state = shape({
  running: value,
  waiting: shape({ reason: text }),
  terminated: shape({ reason: text }),
});
const pod = shape({
  metadata: shape({ namespace: text, name: text, labels: value }),
  spec: shape({
    nodeName: text,
    containers: list(container),
    initContainers: list(container),
    volumes: list(
      shape({ name: text, hostPath: shape({ path: fc.oneof(fc.constant("/run/multus"), value) }) }),
    ),
  }),
  status: shape({
    phase: text,
    containerStatuses: list(shape({ name: text, ready: value, restartCount: value, state })),
    initContainerStatuses: list(shape({ name: text, state })),
  }),
});
const node = shape({
  metadata: shape({ name: text }),
  status: shape({ nodeInfo: shape({ operatingSystem: fc.oneof(fc.constant("windows"), value) }) }),
});

it("are read of objects of the right shape with wrong values", async () => {
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(pod, { maxLength: 4 }),
      fc.array(node, { maxLength: 4 }),
      async (pods, nodes) => {
        const found = await readNodes(answering(pods, nodes), "https://here", {
          namespace: "kube-system",
          nodes: [],
        });
        seen += found.pods.length;
        for (const one of found.pods) {
          expect(one.node).not.toBe("");
          expect(typeof one.name).toBe("string");
        }
        for (const name of found.names ?? []) expect(typeof name).toBe("string");
      },
    ),
  );
  // Some are pods of Multus: otherwise this shows nothing.
  expect(seen).toBeGreaterThan(0);
});

it("are an error for people where the answer is no list", async () => {
  await fc.assert(
    fc.asyncProperty(value, async (items) => {
      try {
        await readNodes(answering(items, []), "https://here", { namespace: "kube-system", nodes: [] });
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }),
  );
});
