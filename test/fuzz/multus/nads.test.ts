/** NAD manifests of any content are read without an exception, and what is generated comes back. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { NadFiles } from "../../../src/multus/plan/nad-files.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const nad = fc.record({
  apiVersion: fc.constant("k8s.cni.cncf.io/v1"),
  kind: fc.constant("NetworkAttachmentDefinition"),
  metadata: fc.record({
    name: label,
    namespace: label,
    annotations: fc.dictionary(fc.string(), fc.string()),
  }),
  spec: fc.record({ config: fc.oneof(fc.json(), fc.string()) }),
});
const nads = fc.uniqueArray(nad, {
  selector: ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
  minLength: 1,
  maxLength: 4,
});

describe("NAD manifests", () => {
  it("say what was written, as YAML or as JSON", async () => {
    using directory = new ScratchDirectory();
    const source = new NadFiles(directory.path, silentLogger);
    await fc.assert(
      fc.asyncProperty(nads, fc.boolean(), async (written, isYaml) => {
        const text = isYaml
          ? written.map((one) => stringify(one)).join("---\n")
          : JSON.stringify({ apiVersion: "v1", kind: "List", items: written });
        directory.write("a.yaml", text);
        for (const { metadata, spec } of written) {
          expect(await source.get(metadata.namespace, metadata.name)).toEqual({
            ...metadata,
            config: Buffer.from(spec.config),
            where: expect.stringContaining("a.yaml: NetworkAttachmentDefinition "),
          });
        }
        expect(await source.list()).toHaveLength(written.length);
      }),
    );
  });

  it("are read or refused with a CNI error, whatever the bytes", async () => {
    using directory = new ScratchDirectory();
    const source = new NadFiles(directory.path, silentLogger);
    const mutated = fc
      .tuple(nads, fc.boolean(), fc.nat(), fc.string({ maxLength: 3 }))
      .map(([written, isYaml, at, piece]) => {
        const whole = isYaml
          ? written.map((one) => stringify(one)).join("---\n")
          : JSON.stringify(written[0]);
        const place = at % whole.length;
        return Buffer.from(whole.slice(0, place) + piece + whole.slice(place + 1));
      });
    const kubernetesLike = fc
      .dictionary(fc.constantFrom("apiVersion", "metadata", "spec", "items", "name"), fc.jsonValue())
      .map((value) => Buffer.from(JSON.stringify({ kind: "NetworkAttachmentDefinition", ...value })));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array(), mutated, kubernetesLike), async (bytes) => {
        directory.write("a.yaml", bytes);
        await source.list();
        try {
          await source.get("default", "a");
        } catch (error) {
          expect(error).toBeInstanceOf(ExpectedError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
