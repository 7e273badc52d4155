/** The approver judges any CertificateSigningRequest, and approves nothing but a node's own. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { decide } from "../../../src/ctl/approve-certs/decision.ts";
import { makeSigningRequest, readSigningRequest } from "../../../src/kube/certificates/pkcs10.ts";
import { certificateRequest, encodedRequest, requestKey } from "../../support/certificate-request.ts";

const pem = (bytes: Uint8Array) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
const good = makeSigningRequest("system:multus:node-1", "system:multus", requestKey);
const goodBytes = Buffer.from(good.replace(/-----[A-Z ]+-----/g, ""), "base64");

/** The good one with a piece of it replaced. */
const mutated = fc
  .tuple(fc.nat({ max: goodBytes.length }), fc.nat({ max: 4 }), fc.uint8Array({ maxLength: 4 }))
  .map(([at, cut, piece]) => Buffer.concat([goodBytes.subarray(0, at), piece, goodBytes.subarray(at + cut)]));

/** ASN.1 that is well formed and deep, long, or both. */
const nested = fc.tuple(fc.nat({ max: 300 }), fc.constantFrom(0x30, 0x31, 0xa0, 0x24)).map(([depth, tag]) => {
  let bytes = Buffer.from([5, 0]);
  for (let level = 0; level < depth; level++) {
    const { length } = bytes;
    const header = length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 255];
    bytes = Buffer.concat([Buffer.from(header), bytes]);
  }
  return bytes;
});

describe("the bytes of a request", () => {
  const bytes = fc.oneof(mutated, nested, fc.uint8Array({ maxLength: 300 }));

  it("are read, or refused with a CNI error; what is read is what was signed", () => {
    fc.assert(
      fc.property(bytes, (content) => {
        try {
          const { commonNames, attributes } = readSigningRequest(pem(content));
          // Only what is outside of what is signed can differ.
          expect({ commonNames, attributes }).toEqual({
            commonNames: ["system:multus:node-1"],
            attributes: 0,
          });
        } catch (error) {
          if (!(error instanceof ExpectedError)) throw error;
          expect(error.message).toMatch(/^not a PKCS#10 request: /);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("as text are read or refused, too", () => {
    const text = fc
      .tuple(fc.nat({ max: good.length }), fc.string({ maxLength: 6, unit: "binary" }))
      .map(([at, piece]) => good.slice(0, at) + piece + good.slice(at + piece.length));
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (content) => {
        try {
          readSigningRequest(content);
        } catch (error) {
          if (!(error instanceof ExpectedError)) throw error;
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("an object", () => {
  const name = fc.constantFrom("node-1", "node-2", "Node", "");
  const subject = fc
    .tuple(
      fc.constantFrom("system:multus:", "system:node:", "admin"),
      name,
      fc.constantFrom("system:multus", "system:masters"),
    )
    .map(([prefix, node, group]) => encodedRequest(makeSigningRequest(prefix + node, group, requestKey)));
  const anything = fc.jsonValue({ maxDepth: 2 });
  const mostly = <Value>(usual: fc.Arbitrary<Value>) =>
    fc.oneof({ arbitrary: usual, weight: 9 }, { arbitrary: anything, weight: 1 });
  const fields = fc.record(
    {
      request: mostly(subject),
      username: mostly(
        fc.tuple(fc.constantFrom("system:node:", "system:multus:", ""), name).map((parts) => parts.join("")),
      ),
      groups: mostly(
        fc.subarray(["system:nodes", "system:multus", "system:authenticated", "system:masters"]),
      ),
      usages: mostly(fc.subarray(["digital signature", "client auth", "server auth"])),
      expirationSeconds: mostly(fc.constantFrom(600, 86_400, 1e9)),
    },
    { requiredKeys: [] },
  );
  /** Some fields of it, from none to all: what has few of them odd gets as far as an approval. */
  const spec = fields.chain((odd) => fc.subarray(Object.entries(odd)).map(Object.fromEntries));

  it("is decided about, and approved only for the node that asks", () => {
    let approvals = 0;
    fc.assert(
      fc.property(spec, anything, (parts, status) => {
        const object = { ...certificateRequest(parts), status };
        const decision = decide(object, 86_400);
        if (decision.verdict !== "approve") return;
        approvals += 1;
        const { username, groups, request } = object.spec;
        const read = readSigningRequest(Buffer.from(request, "base64").toString());
        expect(read.commonNames).toEqual([`system:multus:${decision.nodeName}`]);
        expect(username.endsWith(`:${decision.nodeName}`)).toBe(true);
        expect(groups).not.toContain("system:masters");
      }),
      { numRuns: 3_000 },
    );
    // Else nothing of the above was looked at.
    expect(approvals).toBeGreaterThan(100);
  });
});
