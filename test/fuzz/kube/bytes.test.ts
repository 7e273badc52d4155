/** Any bytes of a server, a kubeconfig or a program are read, or refused with the error meant for it. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { InputError } from "../../../src/base/input-error.ts";
import { ApiError } from "../../../src/kube/api.ts";
import { answerError, retryAfterMs, statusError } from "../../../src/kube/api-answer.ts";
import { parseExecCredential } from "../../../src/kube/exec-credential.ts";
import { parseKubeconfig } from "../../../src/kube/kubeconfig.ts";
import { WatchLines } from "../../../src/kube/watch-lines.ts";

/** One text with a piece of it replaced by something else. */
function mutated(texts: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(texts, fc.nat(), fc.nat({ max: 8 }), fc.string({ maxLength: 6 }))
    .map(([text, at, cut, piece]) => {
      const place = at % (text.length + 1);
      return Buffer.from(text.slice(0, place) + piece + text.slice(place + cut));
    });
}

describe("lines of a watch", () => {
  it("are those of the whole stream, whatever its pieces", () => {
    const stream = fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.constant("")), { maxLength: 20 });
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 30 })), (texts, cuts) => {
        const bytes = Buffer.from(texts.join("\n"));
        const seen: string[] = [];
        const lines = new WatchLines(1 << 20, (line) => seen.push(line.toString("utf8")));
        let at = 0;
        for (const length of cuts) {
          lines.push(bytes.subarray(at, at + length));
          at += length;
        }
        lines.push(bytes.subarray(at));
        const expected = bytes.toString("utf8").split("\n");
        expect(lines.pending).toBe(Buffer.byteLength(expected.at(-1) ?? ""));
        expect(seen).toEqual(expected.slice(0, -1).filter((line) => line !== ""));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a kubeconfig", () => {
  const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("a", "https://a", "YWJj", "x/y"));
  const anything = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
  /** Mostly what it should be: what nearly never is right is refused at its first field, and that would be all. */
  const mostly = <Value>(usual: fc.Arbitrary<Value>) =>
    fc.oneof({ arbitrary: usual, weight: 9 }, { arbitrary: anything, weight: 1 });
  const fields = (usual: fc.Arbitrary<string>, ...keys: string[]) =>
    fc.dictionary(fc.constantFrom(...keys), mostly(usual));
  const encoded = fc.string().map((plain) => Buffer.from(plain).toString("base64"));
  const name = fc.constantFrom("a", "b");
  const exec = fc.record(
    {
      apiVersion: mostly(fc.constant("client.authentication.k8s.io/v1")),
      command: mostly(text),
      args: mostly(fc.array(text)),
      env: mostly(fc.array(fc.record({ name: mostly(text), value: mostly(text) }))),
    },
    { requiredKeys: ["apiVersion", "command"] },
  );
  const cluster = fc
    .tuple(
      fc.record({ server: mostly(fc.constantFrom("https://10.0.0.1:6443", "http://[::1]")) }),
      fields(encoded, "certificate-authority-data"),
      fields(text, "certificate-authority", "tls-server-name"),
    )
    .map((parts) => Object.assign({}, ...parts));
  const user = fc.oneof(
    fields(text, "token", "tokenFile", "client-certificate", "client-key", "username", "as"),
    fields(encoded, "client-key-data", "client-certificate-data"),
    fc.record({ exec }),
  );
  const context = fc.record({ cluster: mostly(name), user: mostly(name), namespace: mostly(text) });
  const both = (kind: string, content: fc.Arbitrary<unknown>) =>
    fc
      .tuple(mostly(content), mostly(content))
      .map((contents) => contents.map((one, index) => ({ name: "ab"[index], [kind]: one })));
  const config = fc.record({
    clusters: mostly(both("cluster", cluster)),
    users: mostly(both("user", user)),
    contexts: mostly(both("context", context)),
    "current-context": mostly(name),
  });
  const yaml = config.map((value) => stringify(value));

  it("is read or refused with a CNI error that names the file", async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array(), yaml, mutated(yaml), fc.json()), async (content) => {
        try {
          const { server } = await parseKubeconfig(Buffer.from(content), "/k/config");
          expect(server.protocol).toMatch(/^https?:$/);
          read += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect(error).toMatchObject({
            kind: "content",
            message: expect.stringMatching(/^kubeconfig \/k\/config: ./),
          });
        }
      }),
      { numRuns: 1_000 },
    );
    // The rest of it would say little if nearly everything were refused at its first field.
    expect(read).toBeGreaterThan(20);
  });
});

describe("errors that a server answers with", () => {
  const status = fc
    .record(
      {
        kind: fc.constantFrom("Status", "Pod"),
        reason: fc.oneof(fc.string(), fc.jsonValue()),
        message: fc.oneof(fc.string(), fc.jsonValue()),
        code: fc.oneof(fc.integer(), fc.jsonValue()),
        details: fc.oneof(
          fc.record({ retryAfterSeconds: fc.oneof(fc.double(), fc.string()) }),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value));

  it("becomes an ApiError whatever the body", () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 2_000 }),
      mutated(status),
      status.map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 599 }),
        body,
        fc.option(fc.string(), { nil: undefined }),
        (code, bytes, header) => {
          const error = answerError("GET /x", code, bytes, header);
          expect(error).toBeInstanceOf(ApiError);
          expect(error.status).toBe(code);
          expect(typeof error.reason).toBe("string");
          expect(error.message.startsWith(`GET /x: ${code}`)).toBe(true);
          if (error.retryAfterMs !== undefined) expect(error.retryAfterMs).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("becomes an ApiError in a watch", () => {
    fc.assert(
      fc.property(status, (text) => {
        const error = statusError(JSON.parse(text));
        expect(error.status).toBeGreaterThanOrEqual(400);
        expect(error.status).toBeLessThan(600);
        expect(error.message).not.toBe("");
      }),
    );
  });

  it("never asks for a wait that is no number", () => {
    const header = fc.oneof(fc.string(), fc.date({ noInvalidDate: true }).map(String), fc.nat().map(String));
    fc.assert(
      fc.property(header, (text) => {
        const wait = retryAfterMs(text);
        if (wait !== undefined) expect(wait).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the output of a credential program", () => {
  const apiVersion = "client.authentication.k8s.io/v1";
  const credential = fc
    .record(
      {
        apiVersion: fc.constantFrom(apiVersion, "v1"),
        kind: fc.constant("ExecCredential"),
        status: fc.dictionary(
          fc.constantFrom("token", "clientCertificateData", "clientKeyData", "expirationTimestamp"),
          fc.oneof(fc.string(), fc.jsonValue(), fc.constant("2030-01-01T00:00:00Z")),
        ),
      },
      { requiredKeys: ["kind"] },
    )
    .map((value) => JSON.stringify(value));

  it("is a credential or an error that says why not", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), credential, mutated(credential).map(String)), (text) => {
        try {
          const { token, clientCertificate, expiresAt } = parseExecCredential(text, apiVersion);
          expect(token ?? clientCertificate).toMatch(/./s);
          expect(expiresAt).not.toBeNaN();
        } catch (error) {
          expect(error).toMatchObject({
            name: "Error",
            message: expect.stringMatching(/^(its output|status)/),
          });
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
