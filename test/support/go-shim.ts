/**
 * A client that speaks HTTP as Go multus's shim does, byte for byte, in the words of each of its releases, and answers the runtime as it does. Written from what
 * that shim sends and expects; none of our own HTTP or CNI code is in it.
 */

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type CniErrorObject, environmentOf, PluginAnswer, type PluginCall } from "./plugin.ts";

/** The differences between its releases. */
export interface GoShimRelease {
  readonly name: string;
  /** Paths that it asks before a request other than DEL, and before DEL; undefined: none. */
  readonly readyPath: string | undefined;
  readonly livePath: string | undefined;
  /** A body that is a CNI error object is taken for one. */
  readonly knowsErrorObjects: boolean;
  /** DEL fails where the daemon says so. */
  readonly delFails: boolean;
}

export const goShimReleases: readonly GoShimRelease[] = [
  {
    name: "4.0.0, 4.0.1",
    readyPath: undefined,
    livePath: undefined,
    knowsErrorObjects: false,
    delFails: true,
  },
  {
    name: "4.0.2",
    readyPath: undefined,
    livePath: undefined,
    knowsErrorObjects: false,
    delFails: false,
  },
  {
    name: "4.1 to 4.2.3",
    readyPath: "/healthz",
    livePath: "/healthz",
    knowsErrorObjects: false,
    delFails: false,
  },
  {
    name: "4.2.4 to 4.3",
    readyPath: "/healthz",
    livePath: "/healthz",
    knowsErrorObjects: true,
    delFails: false,
  },
  {
    name: "after 4.3",
    readyPath: "/readyz",
    livePath: "/healthz",
    knowsErrorObjects: true,
    delFails: false,
  },
];

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** JSON as Go writes it: keys of maps in order, and what HTML could take for its own escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The bytes of a POST as Go's HTTP client sends them on a new connection. */
export function goPost(path: string, body: string): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: dummy",
    "User-Agent: Go-http-client/1.1",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Content-Type: application/json",
    "Accept-Encoding: gzip",
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Sends a POST and reads its answer. @param signal closes the connection, as the end of a shim does @throws {Error} where nobody answers */
export async function post(
  socketPath: string,
  path: string,
  body: string,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  const socket = connect({ path: socketPath, ...(signal === undefined ? {} : { signal }) });
  await once(socket, "connect");
  socket.write(goPost(path, body));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return readAnswer(Buffer.concat(chunks));
}

function readAnswer(bytes: Buffer): HttpAnswer {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) throw new Error(`no answer but ${JSON.stringify(bytes.toString())}`);
  const [first = "", ...lines] = bytes.subarray(0, end).toString().split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1];
  if (status === undefined) throw new Error(`no status line but ${first}`);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const rest = bytes.subarray(end + 4);
  const body =
    headers.get("transfer-encoding") === "chunked"
      ? readChunks(rest)
      : rest.subarray(0, Number(headers.get("content-length") ?? 0));
  return { status: Number(status), headers, body: body.toString() };
}

function readChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const line = bytes.indexOf("\r\n", at);
    const length = Number.parseInt(bytes.subarray(at, line).toString(), 16);
    if (!(length > 0)) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
}

/** The body that it sends to `/cni`. @param environment all of its own: the runtime's */
export function cniBody(environment: Readonly<Record<string, string>>, config: string | Uint8Array): string {
  const env = Object.fromEntries(
    Object.entries(environment).sort(([left], [right]) => (left < right ? -1 : 1)),
  );
  return goJson({ env, config: Buffer.from(config).toString("base64") });
}

type Json = Readonly<Record<string, unknown>>;

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** The result in the version of the netconf, as Go's types bring it there from what came. */
function inVersion(result: Json, version: string): Json {
  const from = String(result.cniVersion ?? "1.0.0");
  if (!["1.0.0", "1.1.0"].includes(from)) throw new Error(`the shim has no type for a result of ${from}`);
  if (version === from) return result;
  if (version === "1.1.0") return { ...result, cniVersion: version };
  const pick = (entry: unknown, keys: readonly string[]) =>
    Object.fromEntries(
      keys.flatMap((key) => (member(entry, key) === undefined ? [] : [[key, member(entry, key)]])),
    );
  const list = (key: string) => (Array.isArray(result[key]) ? (result[key] as unknown[]) : undefined);
  const interfaces = list("interfaces")?.map((entry) => pick(entry, ["name", "mac", "sandbox"]));
  const ips = list("ips")?.map((entry) => ({
    ...(version.startsWith("0.")
      ? { version: String(member(entry, "address")).includes(":") ? "6" : "4" }
      : {}),
    ...pick(entry, ["address", "gateway", "interface"]),
  }));
  const routes = list("routes")?.map((entry) => pick(entry, ["dst", "gw"]));
  return {
    cniVersion: version,
    ...(interfaces === undefined ? {} : { interfaces }),
    ...(ips === undefined ? {} : { ips }),
    ...(routes === undefined ? {} : { routes }),
    dns: result.dns ?? {},
  };
}

const names: Readonly<Record<string, string>> = {
  ADD: "CmdAdd",
  CHECK: "CmdCheck",
  DEL: "CmdDel",
  GC: "CmdGC",
  STATUS: "CmdStatus",
};

export class GoShim {
  readonly #socketPath: string;
  readonly #release: GoShimRelease;
  /** The last error object that came from the daemon. */
  lastError: CniErrorObject | undefined;

  constructor(socketPath: string, release: GoShimRelease) {
    this.#socketPath = socketPath;
    this.#release = release;
  }

  /** The answer to a runtime that calls it. @param environment variables beside the CNI_ ones */
  async call(call: PluginCall, environment: Readonly<Record<string, string>> = {}): Promise<PluginAnswer> {
    const start = performance.now();
    const answer = (exitCode: number, stdout: string, stderr = "") =>
      new PluginAnswer(exitCode, stdout, stderr, performance.now() - start);
    const { config } = call;
    const text = typeof config === "string" || config instanceof Uint8Array ? config : goJson(config);
    const netconf: unknown = JSON.parse(Buffer.from(text).toString());
    const name = `${names[call.command]} (shim)`;
    let body: string;
    try {
      await this.#untilReady(call.command);
      body = await this.#post("/cni", cniBody({ ...environment, ...environmentOf(call) }, text));
    } catch (error) {
      const said = `${name}: ${error instanceof Error ? error.message : String(error)}`;
      if (call.command === "DEL" && !this.#release.delFails) return answer(0, "", said);
      return answer(1, JSON.stringify({ cniVersion: member(netconf, "cniVersion"), code: 999, msg: said }));
    }
    if (call.command !== "ADD") return answer(0, "");
    const result = member(JSON.parse(body), "Result");
    return answer(0, JSON.stringify(inVersion(result as Json, String(member(netconf, "cniVersion")))));
  }

  async #untilReady(command: string): Promise<void> {
    const { livePath, readyPath } = this.#release;
    const path = command === "DEL" ? livePath : readyPath;
    if (path === undefined) return;
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        await this.#post(path, "null");
        return;
      } catch (error) {
        if (command === "DEL" || Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }

  async #post(path: string, body: string): Promise<string> {
    const answer = await post(this.#socketPath, path, body);
    if (answer.status === 200) return answer.body;
    if (this.#release.knowsErrorObjects) {
      const object = errorObject(answer.body);
      if (object !== undefined) {
        this.lastError = object;
        throw new Error(object.details ? `${object.msg}; ${object.details}` : object.msg);
      }
    }
    throw new Error(`CNI request failed with status ${answer.status}: '${answer.body}'`);
  }
}

function errorObject(body: string): CniErrorObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const [code, msg, details] = ["code", "msg", "details"].map((key) => member(value, key));
  if (typeof code !== "number" || typeof msg !== "string" || msg === "") return undefined;
  return { code, msg, ...(typeof details === "string" ? { details } : {}) };
}
