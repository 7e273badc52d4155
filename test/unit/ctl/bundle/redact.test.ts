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
  ])("is read in time that grows with its length: %s", (_, piece) => {
    const work = (size: number) => {
      const text = piece.repeat(Math.ceil(size / piece.length));
      return () => redactText(text);
    };
    expect(growth({ sizes: [4 << 10, 32 << 10], work })).toBeLessThan(linear);
  });
});
