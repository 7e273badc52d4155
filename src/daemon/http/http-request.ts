/** Makes a request like a shim's of a client's POST /cni or POST /delegate: Go multus's JSON, checked (docs/wire.md, "HTTP"). */

import validateRequest from "../../../build/validators/http-request.validator.mjs";
import { traceVariables } from "../../agent/plugin-variables.ts";
import { decodeBase64 } from "../../base/base64.ts";
import { objectMembers, parseJson } from "../../base/json.ts";
import { keySpelling } from "../../base/key-spelling.ts";
import { checkSchema, invalidValue } from "../../base/schema.ts";
import type { DelegateRequest } from "../../multus/hot-plug.ts";
import schema from "./http-request.schema.json" with { type: "json" };
import { TooLargeError } from "./request-body.ts";

export interface HttpRequest {
  /** Its `attributes` count for POST /delegate. */
  readonly request: DelegateRequest;
  /** The delegates' environment beside the CNI_ parameters: the client's trace variables. */
  readonly environment: Readonly<Record<string, string>>;
}

/** As http-request.schema.json has it. */
interface RequestKeys {
  readonly env: Readonly<Record<string, string>> | null;
  readonly config?: string | null;
}

/** The most that a shim takes from stdin. */
const maxConfigBytes = 4 * 1024 * 1024;
const spelling = keySpelling(Object.keys(schema.properties));

/**
 * Keys may be in any case, as for Go. The CNI_ variables are checked where a shim's are.
 * @param body JSON text
 * @throws {CniError} 6 not JSON (line, column), 7 a field that is missing or wrong; TooLargeError
 */
export function parseHttpRequest(body: Uint8Array): HttpRequest {
  const where = "body of the request";
  const value = spelling.object(parseJson(body, where));
  checkSchema(validateRequest, value, body, where);
  const { env, config } = value as RequestKeys;
  const variables = env ?? {};
  const attributes = spelling.members(objectMembers(body, where)).get("interfaceAttributes");
  return {
    request: {
      command: variables.CNI_COMMAND ?? "",
      containerId: variables.CNI_CONTAINERID ?? "",
      netns: variables.CNI_NETNS ?? "",
      ifName: variables.CNI_IFNAME ?? "",
      args: variables.CNI_ARGS ?? "",
      path: variables.CNI_PATH ?? "",
      config: decodeConfig(config ?? "", body, where),
      traceparent: variables.TRACEPARENT,
      attributes,
    },
    // Go multus's daemon hands none of a client's variables on either.
    environment: traceVariables(variables),
  };
}

/** @throws {CniError} 7, TooLargeError */
function decodeConfig(base64: string, body: Uint8Array, where: string): Buffer {
  const config = decodeBase64(base64);
  if (config === undefined) {
    throw invalidValue(body, where, ["config"], "must be base64 with padding", base64);
  }
  if (config.length > maxConfigBytes) throw new TooLargeError("config of the request", maxConfigBytes);
  return config;
}
