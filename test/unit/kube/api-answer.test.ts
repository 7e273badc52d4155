/** Errors made from unsuccessful answers. */

import { describe, expect, it } from "vitest";
import { ApiUnreachable, isTransient } from "../../../src/kube/api.ts";
import { answerError, retryAfterMs, statusError } from "../../../src/kube/api-answer.ts";

const status = (fields: object) =>
  Buffer.from(JSON.stringify({ kind: "Status", apiVersion: "v1", ...fields }));

describe("the error of an answer", () => {
  it("has status, reason and text of the Status object", () => {
    const body = status({ reason: "NotFound", message: 'pods "web" not found', code: 404 });
    expect(answerError("GET /x", 404, body, undefined)).toMatchObject({
      name: "ApiError",
      status: 404,
      reason: "NotFound",
      message: 'GET /x: 404 pods "web" not found',
      retryAfterMs: undefined,
    });
  });

  it("says what a proxy says, on one line and not all of it", () => {
    const error = answerError(
      "GET /x",
      502,
      Buffer.from(`<html>\n  bad   gateway ${"x".repeat(500)}`),
      undefined,
    );
    expect(error.reason).toBe("");
    expect(error.message).toMatch(/^GET \/x: 502 <html> bad gateway x+…$/);
    expect(error.message.length).toBeLessThan(250);
    expect(answerError("GET /x", 503, Buffer.alloc(0), undefined).message).toBe("GET /x: 503");
  });

  it("takes fields of other types for absent", () => {
    const error = answerError("GET /x", 500, status({ reason: 5, message: ["a"] }), undefined);
    expect(error).toMatchObject({ reason: "", message: "GET /x: 500" });
  });

  it("has the wait that header or body ask for", () => {
    expect(answerError("GET /x", 429, Buffer.alloc(0), "7").retryAfterMs).toBe(7_000);
    const body = status({ details: { retryAfterSeconds: 3 } });
    expect(answerError("GET /x", 503, body, undefined).retryAfterMs).toBe(3_000);
    expect(answerError("GET /x", 503, body, "1").retryAfterMs).toBe(1_000);
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-11-23T20:00:00Z");

  it.each([
    ["5", 5_000],
    [" 0 ", 0],
    ["Mon, 23 Nov 2026 20:00:09 GMT", 9_000],
    ["Mon, 23 Nov 2026 19:00:00 GMT", 0],
    ["-5", undefined],
    ["1e3", undefined],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%s means %s ms", (header, expected) => {
    expect(retryAfterMs(header, now)).toBe(expected);
  });
});

describe("an ERROR event's Status", () => {
  it("is an error of its code", () => {
    const object = {
      kind: "Status",
      code: 410,
      reason: "Expired",
      message: "too old resource version: 1 (9)",
    };
    expect(statusError(object)).toMatchObject({
      status: 410,
      reason: "Expired",
      message: "too old resource version: 1 (9)",
    });
  });

  it.each([200, "410", 1e9, undefined])("of code %s counts as 500", (code) => {
    expect(statusError({ code })).toMatchObject({ status: 500, message: "an error without a message" });
  });
});

it("is worth another try when the server could not answer", () => {
  const error = (code: number) => answerError("GET /x", code, Buffer.alloc(0), undefined);
  for (const code of [429, 500, 502, 503, 504]) expect(isTransient(error(code))).toBe(true);
  for (const code of [400, 401, 403, 404, 409, 410, 422]) expect(isTransient(error(code))).toBe(false);
  expect(isTransient(new ApiUnreachable("x"))).toBe(true);
  expect(isTransient(new Error("x"))).toBe(false);
});
