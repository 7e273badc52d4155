/** Redaction removes secrets and leaves everything else, and no text makes it slow. */

import { describe, expect, it } from "vitest";
import { redactJson, redactText } from "../../../../src/ctl/bundle/redact.ts";
import { growth, linear } from "../../../support/growth.ts";

it.each([
  "ADD default/web: error 999: default/video: macvlan: Link not found",
  "https://10.0.0.1:6443 answers, to system:serviceaccount:kube-system:multus",
  "the token in /etc/cni/net.d/multus.d/multus.kubeconfig ended at 2026-01-01T00:00:00Z",
  "kubeconfig /etc/cni/net.d/multus.d/multus.kubeconfig does not exist",
])("leaves %j", (text) => {
  expect(redactText(text)).toBe(text);
});

const json = (value: unknown) => JSON.stringify(value);
const keyLine = "MHcCAQEEIDLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAK+/==";

it.each([
  ["a quote in it", json({ password: 'ab"LEAK' })],
  ["a quote in it, in a text of JSON", json({ message: json({ password: 'ab"LEAK' }) })],
  ["a backslash at its end", json({ password: "LEAK\\", other: 1 })],
  ["two texts of JSON around it", json({ message: json(json({ password: "LEAK" })) })],
  ["quotes that do not end", '{"password":"LEAK… (24000 characters)'],
  ["single quotes that do not end", "password: 'LEAK"],
  ["a comma", "password=ab,LEAK"],
  ["a semicolon and a brace", "DB_PASSWORD=ab;c}LEAK"],
  ["a list around it", json({ tokens: ["LEAK", "LEAK"] })],
  ["an object around it", json({ secret: { value: "LEAK" } })],
  ["another scheme of authorization", "Authorization: Negotiate LEAK"],
  ["a list of headers, as Go prints it", "map[Authorization:[token LEAK] Accept:[*/*]]"],
  ["cookies", "Set-Cookie: a=b; session=LEAK"],
  ["cookies with quotes", 'Cookie: a="b"; session=LEAK'],
  ["an option before it", "plugin --client-secret LEAK failed"],
  ["an at sign", "GET http://user:p@LEAK@example.com/x"],
  ["an escaped line end before it", json({ message: "refused\nBearer LEAK" })],
  ["an escaped line end before a JSON Web Token", json({ message: "refused\neyJhbGc.LEAK.LEAK" })],
  ["a begin that the log has not any more", `${keyLine}\n${keyLine}\n-----END EC PRIVATE KEY-----`],
  [
    "the same with the server's times",
    `2026-11-30T12:00:00.1Z ${keyLine}\n2026-11-30T12:00:00.1Z -----END EC PRIVATE KEY-----`,
  ],
])("removes a secret with %s", (_, text) => {
  expect(text).toContain("LEAK");
  const redacted = redactText(`ADD default/web\n${text}\nDEL default/web`);
  expect(redacted).not.toContain("LEAK");
  expect(redacted).toContain("(removed)");
  expect(redacted).toMatch(/^ADD default\/web\n/);
});

it.each([
  json({ level: "error", message: "Authorization: Negotiate x", pod: "default/web" }),
  json({ message: "password=x", pod: "default/web" }),
  json({ message: json({ token: "x", why: "y" }), pod: "default/web" }),
  json({ message: "failed\nCookie: a=b; c=d", pod: "default/web" }),
])("a line of JSON is one afterwards: %s", (text) => {
  expect(JSON.parse(redactText(text))).toMatchObject({ pod: "default/web" });
});

it("removes the word behind an option in a container's arguments", () => {
  const words = ["x", "--client-secret", "LEAK", "--token", "--port", "80"];
  expect(redactJson(words)).toEqual(["x", "--client-secret", "(removed)", "--token", "(removed)", "80"]);
});

it("keeps JSON whole, and removes values by their keys", () => {
  const value = { a: ["x", { clientSecret: "s", token: { value: 1 }, ok: true, secretFound: false }], n: 1 };
  expect(redactJson(value)).toEqual({
    a: ["x", { clientSecret: "(removed)", token: "(removed)", ok: true, secretFound: false }],
    n: 1,
  });
});

describe("a text that somebody has written to be slow", () => {
  it.each([
    ["long words", "a"],
    ["words with dots", "a."],
    ["names of secrets", "token"],
    ["names of secrets with dots", ".token"],
    ["names and blanks", "token "],
    ["open quotes", 'token="'],
    ["escaped quotes", 'token=\\"'],
    ["tokens without an end", "eyJ"],
    ["tokens with dashes", "eyJ-"],
    ["tokens with dots", "eyJa."],
    ["addresses", "a://"],
    ["schemes", "a+"],
    ["begins of keys", "-----BEGIN A-----"],
    ["half begins", "-----BEGIN "],
    ["bearers", "bearer "],
    ["escaped bearers", "\\nbearer "],
    ["cookies", "cookie: "],
    ["cookies with quotes", 'cookie:"'],
    ["options", "--token "],
    ["lists", "token:["],
    ["backslashes", "\\"],
    ["values with backslashes", 'token="\\\\'],
    ["at signs", "a://@@@@"],
    ["lines of a key", `${"A".repeat(64)}\n`],
    ["ends of keys", "-----END A-----"],
    ["long lines and ends of keys", `${"A".repeat(300)}-----END A-----`],
    ["lines and ends of keys", `${"A".repeat(64)}\n-----END A-----\n`],
  ])("is read in time that grows with its length: %s", (_, piece) => {
    const work = (size: number) => {
      const text = piece.repeat(Math.ceil(size / piece.length));
      return () => redactText(text);
    };
    expect(growth({ sizes: [4 << 10, 32 << 10], work })).toBeLessThan(linear);
  });
});
