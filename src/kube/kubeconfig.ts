/** Kubeconfig files: which server a context of theirs names, and what is shown to it. */

import { isUtf8 } from "node:buffer";
import { dirname, isAbsolute, join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import type { Document } from "yaml";
import { type TextProblem, textError } from "../base/input-error.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { TextPlace } from "../base/text-places.ts";
import { quoted } from "../log/quoted.ts";
import { type ProxyChoice, proxyUrl, wantedUrl } from "./proxy-environment.ts";

/** A text given in the kubeconfig itself, or the path of a file that has it. */
export interface TextOrFile {
  readonly text?: string;
  /** Absolute. */
  readonly file?: string;
  /** Names the field in errors, and the kubeconfig; the file itself where no field names it. */
  readonly where: string;
}

/** A program that makes credentials (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion: string;
  /** With a slash: absolute. Without: to be found in PATH. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The hint for users where it is missing; "" for none. */
  readonly installHint: string;
  /** Is it told which cluster it is for? */
  readonly wantsCluster: boolean;
  /** Names the field in errors, and the kubeconfig. */
  readonly where: string;
}

/** A server, how it is known, and what is shown to it. */
export interface ServerContext {
  readonly server: URL;
  /** `proxy-url`: by which the server is asked, whatever the environment says. */
  readonly proxy?: ProxyChoice | undefined;
  readonly certificateAuthority?: TextOrFile | undefined;
  readonly tlsServerName?: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  readonly token?: TextOrFile | undefined;
  readonly clientCertificate?: TextOrFile | undefined;
  readonly clientKey?: TextOrFile | undefined;
  readonly basic?: { readonly username: string; readonly password: string } | undefined;
  readonly impersonate?: string | undefined;
  readonly exec?: ExecPlugin | undefined;
}

/** The members of a context. */
export interface Kubeconfig extends ServerContext {
  /** Namespace of commands that name none. */
  readonly namespace: string;
}

/** Names of members, places in lists, or the entry of a list that has a name. */
type Step = string | number | { readonly named: string };

/** A field that cannot be used, until it is known where in the file it is. */
class FieldProblem extends Error {
  readonly steps: readonly Step[];

  constructor(steps: readonly Step[], message: string) {
    super(message);
    this.steps = steps;
  }
}

const maxBytes = 1 << 20;
const execApiVersions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/**
 * @param path of the file, for errors and for what it names by a relative path
 * @param context its name; the file's current one if undefined
 * @throws {InputError} naming file, field, line and column
 */
export async function parseKubeconfig(
  bytes: Uint8Array,
  path: string,
  context?: string,
): Promise<Kubeconfig> {
  const refuse = (problem: TextProblem) => textError("content", `kubeconfig ${path}`, [problem]);
  if (bytes.length > maxBytes) throw refuse({ message: `more than ${maxBytes} bytes` });
  if (!isUtf8(bytes)) throw refuse({ message: "not UTF-8" });
  const text = Buffer.from(bytes).toString("utf8");
  // Not imported above: in a pod of the cluster there is no kubeconfig.
  const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
  const config = new KubeConfig();
  try {
    // Entries that other contexts name may be as they like.
    config.loadFromString(text, { onInvalidEntry: "filter" });
  } catch (error) {
    throw refuse(yamlProblem(error));
  }
  try {
    return contextOf(config, path, text.includes("tokenFile") ? await rawUsers(text) : [], context);
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error;
    throw refuse(await atPosition(error, text));
  }
}

/** @param rawUsers entries of `users` as they were written @param named the context @throws {FieldProblem} */
function contextOf(
  config: KubeConfig,
  path: string,
  rawUsers: readonly JsonObject[],
  named: string | undefined,
): Kubeconfig {
  const contextName = named ?? textAt(config.getCurrentContext(), ["current-context"]);
  if (contextName === undefined) throw new FieldProblem(["current-context"], "is missing");
  const contextSteps = ["contexts", { named: contextName }, "context"];
  const context = config.getContextObject(contextName);
  if (context === null) throw new FieldProblem(contextSteps, "is missing, or names no cluster");

  const clusterName = requiredTextAt(context.cluster, [...contextSteps, "cluster"]);
  const clusterSteps = ["clusters", { named: clusterName }, "cluster"];
  const cluster = config.getCluster(clusterName);
  if (cluster === null) throw new FieldProblem(clusterSteps, "is missing, or has no server");

  const userName = textAt(context.user, [...contextSteps, "user"]);
  const userSteps = ["users", { named: userName ?? "" }, "user"];
  const user = userName === undefined ? undefined : config.getUser(userName);
  if (user === null) throw new FieldProblem(userSteps, "is missing");

  if (user?.authProvider) {
    const what = "is not supported, as Kubernetes has none any more: use exec";
    throw new FieldProblem([...userSteps, "auth-provider"], what);
  }
  // KubeConfig knows a `token-file` only, which nobody else does.
  const raw = rawUsers.find(({ name }) => name === userName)?.user;
  const tokenFile = textAt(isJsonObject(raw) ? raw.tokenFile : undefined, [...userSteps, "tokenFile"]);
  const tokenText = textAt(user?.token, [...userSteps, "token"]);
  const username = textAt(user?.username, [...userSteps, "username"]);

  const base = { path, directory: dirname(path) };
  return {
    server: serverUrl(requiredTextAt(cluster.server, [...clusterSteps, "server"]), [
      ...clusterSteps,
      "server",
    ]),
    certificateAuthority: dataOrFile(
      base,
      clusterSteps,
      "certificate-authority",
      cluster.caData,
      cluster.caFile,
    ),
    proxy: proxyOf(cluster.proxyUrl, path, [...clusterSteps, "proxy-url"]),
    tlsServerName: textAt(cluster.tlsServerName, [...clusterSteps, "tls-server-name"]),
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    token:
      tokenFile === undefined && tokenText === undefined
        ? undefined
        : {
            where: fieldName(path, [...userSteps, tokenFile === undefined ? "token" : "tokenFile"]),
            ...(tokenText === undefined ? {} : { text: tokenText }),
            ...(tokenFile === undefined ? {} : { file: absolute(base.directory, tokenFile) }),
          },
    clientCertificate: dataOrFile(base, userSteps, "client-certificate", user?.certData, user?.certFile),
    clientKey: dataOrFile(base, userSteps, "client-key", user?.keyData, user?.keyFile),
    basic:
      username === undefined
        ? undefined
        : { username, password: textAt(user?.password, [...userSteps, "password"]) ?? "" },
    impersonate: textAt(user?.impersonateUser, [...userSteps, "as"]),
    exec: user?.exec ? execPlugin(user.exec, base, [...userSteps, "exec"]) : undefined,
    namespace: textAt(context.namespace, [...contextSteps, "namespace"]) ?? "default",
  };
}

interface Base {
  readonly path: string;
  readonly directory: string;
}

/** Of `<field>-data` (base64) and `<field>` (a path) the first. @throws {FieldProblem} */
function dataOrFile(
  { path, directory }: Base,
  steps: readonly Step[],
  field: string,
  data: unknown,
  file: unknown,
): TextOrFile | undefined {
  const dataSteps = [...steps, `${field}-data`];
  const encoded = textAt(data, dataSteps);
  if (encoded !== undefined) {
    if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(encoded)) throw new FieldProblem(dataSteps, "is not base64");
    return { text: Buffer.from(encoded, "base64").toString("utf8"), where: fieldName(path, dataSteps) };
  }
  const name = textAt(file, [...steps, field]);
  if (name === undefined) return undefined;
  return { file: absolute(directory, name), where: fieldName(path, [...steps, field]) };
}

/** @throws {FieldProblem} */
function execPlugin(exec: unknown, { path, directory }: Base, steps: readonly Step[]): ExecPlugin {
  if (!isJsonObject(exec)) throw new FieldProblem(steps, "must be an object");
  const apiVersion = requiredTextAt(exec.apiVersion, [...steps, "apiVersion"]);
  if (!execApiVersions.includes(apiVersion)) {
    throw new FieldProblem([...steps, "apiVersion"], `must be ${execApiVersions.join(" or ")}`);
  }
  const command = requiredTextAt(exec.command, [...steps, "command"]);
  if (exec.interactiveMode === "Always") {
    throw new FieldProblem([...steps, "interactiveMode"], "is Always, and no user can be asked");
  }
  const args = listAt(exec.args, [...steps, "args"]).map((argument, index) => {
    if (typeof argument !== "string") throw new FieldProblem([...steps, "args", index], "must be a text");
    return argument;
  });
  const env = listAt(exec.env, [...steps, "env"]).map((variable, index) => {
    const { name, value = "" } = isJsonObject(variable) ? variable : {};
    const isVariable = typeof name === "string" && /^[^=\0]+$/.test(name);
    if (!isVariable || typeof value !== "string" || value.includes("\0")) {
      throw new FieldProblem([...steps, "env", index], "must have a name and a value");
    }
    return [name, value] as const;
  });
  return {
    apiVersion,
    command: command.includes("/") ? absolute(directory, command) : command,
    args,
    env: Object.fromEntries(env),
    installHint: textAt(exec.installHint, [...steps, "installHint"]) ?? "",
    wantsCluster: exec.provideClusterInfo === true,
    where: fieldName(path, steps),
  };
}

/** Go multus has long written the server as `https://[HOST]:PORT`, whatever HOST is, and Go's URLs take it. */
const bracketedName = /^(https?:\/\/)\[([A-Za-z0-9._-]+)\](?=[:/]|$)/i;

/** @throws {FieldProblem} */
function serverUrl(text: string, steps: readonly Step[]): URL {
  // An IPv6 address has colons, and keeps its brackets.
  const unbracketed = text.replace(bracketedName, "$1$2");
  const url = URL.canParse(unbracketed) ? new URL(unbracketed) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new FieldProblem(steps, "must be a URL: https://host:port");
  }
  return url;
}

/** @throws {FieldProblem} without the text, which may have a password */
function proxyOf(value: unknown, path: string, steps: readonly Step[]): ProxyChoice | undefined {
  const text = textAt(value, steps);
  if (text === undefined) return undefined;
  const url = proxyUrl(text);
  if (url === undefined) throw new FieldProblem(steps, wantedUrl);
  return { url, where: fieldName(path, steps) };
}

/** @returns undefined: it is not there, or empty @throws {FieldProblem} */
function textAt(value: unknown, steps: readonly Step[]): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new FieldProblem(steps, "must be a text");
  if (value.includes("\0")) throw new FieldProblem(steps, "has a zero byte in it");
  return value;
}

function requiredTextAt(value: unknown, steps: readonly Step[]): string {
  const text = textAt(value, steps);
  if (text === undefined) throw new FieldProblem(steps, "is missing");
  return text;
}

function listAt(value: unknown, steps: readonly Step[]): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new FieldProblem(steps, "must be a list");
  return value;
}

function absolute(directory: string, file: string): string {
  return isAbsolute(file) ? file : join(directory, file);
}

/** `kubeconfig /path: users["admin"].user.token`. */
function fieldName(path: string, steps: readonly Step[]): string {
  return `kubeconfig ${path}: ${stepsText(steps)}`;
}

function stepsText(steps: readonly Step[]): string {
  return steps
    .map((step) => {
      if (typeof step === "string") return `.${step}`;
      return typeof step === "number" ? `[${step}]` : `[${quoted(step.named)}]`;
    })
    .join("")
    .slice(1);
}

/** The message of KubeConfig's parser, with its position where it has one. */
function yamlProblem(error: unknown): TextProblem {
  if (!(error instanceof Error) || !("mark" in error) || !isJsonObject(error.mark)) {
    return { message: "must be an object" };
  }
  const { line, column } = error.mark;
  const reason = "reason" in error ? String(error.reason) : error.name;
  return { message: `not valid YAML: ${reason}`, line: Number(line) + 1, column: Number(column) + 1 };
}

async function rawUsers(text: string): Promise<JsonObject[]> {
  const { users } = asObject(await parseYaml(text, (document) => document.toJS()));
  return Array.isArray(users) ? users.filter(isJsonObject) : [];
}

/** The problem with the name of its field, and where that is, or the nearest thing above it that is there. */
async function atPosition({ steps, message }: FieldProblem, text: string): Promise<TextProblem> {
  const place = await parseYaml(text, (document, placeOf) => {
    let at: unknown = document.contents;
    let offset = rangeStart(at) ?? 0;
    let value: unknown = document.toJS();
    const path: (string | number)[] = [];
    for (const step of steps) {
      const key = typeof step === "object" ? entryIndex(value, step.named) : step;
      path.push(key);
      value = isJsonObject(value) || Array.isArray(value) ? (value as JsonObject)[String(key)] : undefined;
      at = document.getIn(path, true);
      const start = rangeStart(at);
      if (start === undefined) break;
      offset = start;
    }
    return placeOf(offset);
  });
  return { message: `${stepsText(steps)} ${message}`, ...place };
}

/** @returns -1: there is none */
function entryIndex(list: unknown, name: string): number {
  return Array.isArray(list) ? list.findIndex((entry) => asObject(entry).name === name) : -1;
}

/** Reads YAML with the parser that knows positions. @returns undefined where it does not take the text */
async function parseYaml<Value>(
  text: string,
  read: (document: Document.Parsed, placeOf: (offset: number) => TextPlace) => Value,
): Promise<Value | undefined> {
  // Most kubeconfigs never need it.
  const { LineCounter, parseDocument } = await import("yaml");
  const lineCounter = new LineCounter();
  try {
    const document = parseDocument(text, { prettyErrors: false, logLevel: "error", lineCounter });
    if (document.errors.length > 0) return undefined;
    return read(document, (offset) => {
      const { line, col } = lineCounter.linePos(offset);
      return { line, column: col };
    });
  } catch (error) {
    // An alias that expands without end.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function rangeStart(node: unknown): number | undefined {
  const range = isJsonObject(node) ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : undefined;
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
