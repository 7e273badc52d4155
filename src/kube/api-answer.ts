/** Reads an API server's answers: JSON bodies, and Status objects where something is wrong. */

import { type JsonObject, objectAt, objectIn, textOf } from "../base/json.ts";
import { ApiError } from "./api.ts";

/** Characters of a body that is no Status object, in an error's text. */
const longestExcerpt = 200;

/**
 * The error of an answer with another status than 2xx.
 * @param request method and path, for the text
 * @param body a Status object in JSON, or any text of a proxy
 * @param retryAfter the header
 */
export function answerError(
  request: string,
  status: number,
  body: Uint8Array,
  retryAfter: string | undefined,
): ApiError {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  const object = parseStatus(text);
  const said = object === undefined ? excerpt(text) : textOf(object.message);
  const message = `${request}: ${status}${said === "" ? "" : ` ${said}`}`;
  return new ApiError(
    status,
    textOf(object?.reason),
    message,
    retryAfterMs(retryAfter) ?? detailsRetryMs(object),
  );
}

/** The error of a Status object in a watch's ERROR event. */
export function statusError(object: JsonObject): ApiError {
  const { code, reason, message } = object;
  const status = typeof code === "number" && Number.isInteger(code) && code >= 400 && code < 600 ? code : 500;
  return new ApiError(
    status,
    textOf(reason),
    textOf(message) || "an error without a message",
    detailsRetryMs(object),
  );
}

/**
 * Retry-After: seconds, or a date.
 * @returns milliseconds from now; undefined if it is neither, or absent
 */
export function retryAfterMs(header: string | undefined, now = Date.now()): number | undefined {
  const value = header?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function parseStatus(text: string): JsonObject | undefined {
  const object = objectIn(text);
  return object?.kind === "Status" ? object : undefined;
}

function detailsRetryMs(object: JsonObject | undefined): number | undefined {
  const { retryAfterSeconds: seconds } = objectAt(object, "details");
  return typeof seconds === "number" && seconds > 0 && seconds < 1e9 ? seconds * 1000 : undefined;
}

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > longestExcerpt ? `${line.slice(0, longestExcerpt)}…` : line;
}
