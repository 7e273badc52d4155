/** Kubeconfig files: the server that a context names, and the credentials for it. */

import { isUtf8 } from "node:buffer";
import { dirname, isAbsolute, join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import type { Document, LineCounter } from "yaml";
import { type TextProblem, textError } from "../base/input-error.ts";
import { isJsonObject, type JsonObject, objectAt, objectsIn } from "../base/json.ts";
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

/** A server, how it is verified, and the credentials for it. */
export interface ServerContext {
  readonly server: URL;
  /** `proxy-url`: overrides the environment. */
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
 * @param path of the file, for errors and for relative paths in it
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
    // Invalid entries of other contexts do not matter.
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

/** An object of the kubeconfig. Its fields are given by the names that the file has for them, with the values that KubeConfig has. */
class Entry {
  readonly #path: string;
  readonly #steps: readonly Step[];

  constructor(path: string, steps: readonly Step[]) {
    this.#path = path;
    this.#steps = steps;
  }

  at(...steps: readonly Step[]): Entry {
    return new Entry(this.#path, [...this.#steps, ...steps]);
  }

  problem(message: string, ...field: readonly Step[]): FieldProblem {
    return new FieldProblem([...this.#steps, ...field], message);
  }

  /** `kubeconfig /path: users["admin"].user.token`. */
  where(...field: readonly Step[]): string {
    return `kubeconfig ${this.#path}: ${stepsText([...this.#steps, ...field])}`;
  }

  /** @returns undefined: it is not there, or empty @throws {FieldProblem} */
  text(field: string, value: unknown): string | undefined {
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string") throw this.problem("must be a text", field);
    if (value.includes("\0")) throw this.problem("has a zero byte in it", field);
    return value;
  }

  /** @throws {FieldProblem} */
  requiredText(field: string, value: unknown): string {
    const text = this.text(field, value);
    if (text === undefined) throw this.problem("is missing", field);
    return text;
  }

  /** @throws {FieldProblem} */
  list(field: string, value: unknown): readonly unknown[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.problem("must be a list", field);
    return value;
  }

  /** Of `<field>-data` (base64) and `<field>` (a path) the first. @throws {FieldProblem} */
  dataOrFile(field: string, data: unknown, file: unknown): TextOrFile | undefined {
    const encoded = this.text(`${field}-data`, data);
    if (encoded !== undefined) {
      const isBase64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(encoded);
      if (!isBase64) throw this.problem("is not base64", `${field}-data`);
      return { text: Buffer.from(encoded, "base64").toString("utf8"), where: this.where(`${field}-data`) };
    }
    const name = this.text(field, file);
    return name === undefined ? undefined : { file: this.absolute(name), where: this.where(field) };
  }

  /** A path as the kubeconfig means it. */
  absolute(file: string): string {
    return isAbsolute(file) ? file : join(dirname(this.#path), file);
  }
}

/** @param rawUsers entries of `users` as they were written @param named the context @throws {FieldProblem} */
function contextOf(
  config: KubeConfig,
  path: string,
  rawUsers: readonly JsonObject[],
  named: string | undefined,
): Kubeconfig {
  const top = new Entry(path, []);
  const contextName = named ?? top.requiredText("current-context", config.getCurrentContext());
  const contextEntry = top.at("contexts", { named: contextName }, "context");
  const context = config.getContextObject(contextName);
  if (context === null) throw contextEntry.problem("is missing, or names no cluster");

  const clusterName = contextEntry.requiredText("cluster", context.cluster);
  const clusterEntry = top.at("clusters", { named: clusterName }, "cluster");
  const cluster = config.getCluster(clusterName);
  if (cluster === null) throw clusterEntry.problem("is missing, or has no server");

  const userName = contextEntry.text("user", context.user);
  const userEntry = top.at("users", { named: userName ?? "" }, "user");
  const user = userName === undefined ? undefined : config.getUser(userName);
  if (user === null) throw userEntry.problem("is missing");

  if (user?.authProvider) {
    const what = "is not supported, as Kubernetes has none any more: use exec";
    throw userEntry.problem(what, "auth-provider");
  }
  const username = userEntry.text("username", user?.username);
  const password = userEntry.text("password", user?.password) ?? "";
  return {
    server: serverUrl(clusterEntry, cluster.server),
    certificateAuthority: clusterEntry.dataOrFile("certificate-authority", cluster.caData, cluster.caFile),
    proxy: proxyOf(clusterEntry, cluster.proxyUrl),
    tlsServerName: clusterEntry.text("tls-server-name", cluster.tlsServerName),
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    token: tokenOf(userEntry, user?.token, rawUsers.find(({ name }) => name === userName)?.user),
    clientCertificate: userEntry.dataOrFile("client-certificate", user?.certData, user?.certFile),
    clientKey: userEntry.dataOrFile("client-key", user?.keyData, user?.keyFile),
    basic: username === undefined ? undefined : { username, password },
    impersonate: userEntry.text("as", user?.impersonateUser),
    exec: user?.exec ? execPlugin(userEntry.at("exec"), user.exec) : undefined,
    namespace: contextEntry.text("namespace", context.namespace) ?? "default",
  };
}

/** @param rawUser the user as it was written: KubeConfig reads `token-file`, where all other clients read `tokenFile` @throws {FieldProblem} */
function tokenOf(user: Entry, token: unknown, rawUser: unknown): TextOrFile | undefined {
  const file = user.text("tokenFile", objectAt(rawUser).tokenFile);
  const text = user.text("token", token);
  const given = text === undefined ? {} : { text };
  if (file !== undefined) return { ...given, file: user.absolute(file), where: user.where("tokenFile") };
  return text === undefined ? undefined : { text, where: user.where("token") };
}

/** @throws {FieldProblem} */
function execPlugin(entry: Entry, exec: unknown): ExecPlugin {
  if (!isJsonObject(exec)) throw entry.problem("must be an object");
  const apiVersion = entry.requiredText("apiVersion", exec.apiVersion);
  if (!execApiVersions.includes(apiVersion)) {
    throw entry.problem(`must be ${execApiVersions.join(" or ")}`, "apiVersion");
  }
  const command = entry.requiredText("command", exec.command);
  if (exec.interactiveMode === "Always") {
    throw entry.problem("is Always, and no user can be asked", "interactiveMode");
  }
  const args = entry.list("args", exec.args).map((argument, index) => {
    if (typeof argument !== "string") throw entry.problem("must be a text", "args", index);
    return argument;
  });
  const env = entry.list("env", exec.env).map((variable, index) => {
    const { name, value = "" } = objectAt(variable);
    const isVariable = typeof name === "string" && /^[^=\0]+$/.test(name);
    if (!isVariable || typeof value !== "string" || value.includes("\0")) {
      throw entry.problem("must have a name and a value", "env", index);
    }
    return [name, value] as const;
  });
  return {
    apiVersion,
    command: command.includes("/") ? entry.absolute(command) : command,
    args,
    env: Object.fromEntries(env),
    installHint: entry.text("installHint", exec.installHint) ?? "",
    wantsCluster: exec.provideClusterInfo === true,
    where: entry.where(),
  };
}

/** Go multus has long written the server as `https://[HOST]:PORT` for any HOST, and Go's URLs accept it. */
const bracketedName = /^(https?:\/\/)\[([A-Za-z0-9._-]+)\](?=[:/]|$)/i;

/** @throws {FieldProblem} */
function serverUrl(cluster: Entry, server: unknown): URL {
  // An IPv6 address has colons, and keeps its brackets.
  const unbracketed = cluster.requiredText("server", server).replace(bracketedName, "$1$2");
  const url = URL.canParse(unbracketed) ? new URL(unbracketed) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw cluster.problem("must be a URL: https://host:port", "server");
  }
  return url;
}

/** @throws {FieldProblem} without the text, which may have a password */
function proxyOf(cluster: Entry, value: unknown): ProxyChoice | undefined {
  const text = cluster.text("proxy-url", value);
  if (text === undefined) return undefined;
  const url = proxyUrl(text);
  if (url === undefined) throw cluster.problem(wantedUrl, "proxy-url");
  return { url, where: cluster.where("proxy-url") };
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

async function rawUsers(text: string): Promise<readonly JsonObject[]> {
  const raw = await parseYaml(text, (document): unknown => document.toJS());
  return objectsIn(objectAt(raw).users);
}

/** The problem with the name of its field, and where that is, or the nearest thing above it that is there. */
async function atPosition({ steps, message }: FieldProblem, text: string): Promise<TextProblem> {
  const place = await parseYaml(text, (document, { isCollection, isMap, isNode }, lines) => {
    let nearest: unknown = document.contents;
    for (const step of steps) {
      if (!isCollection(nearest)) break;
      const next =
        typeof step === "object"
          ? nearest.items.find((entry) => isMap(entry) && entry.get("name") === step.named)
          : nearest.get(step, true);
      if (!isNode(next)) break;
      nearest = next;
    }
    const { line, col } = lines.linePos((isNode(nearest) && nearest.range?.[0]) || 0);
    return { line, column: col };
  });
  return { message: `${stepsText(steps)} ${message}`, ...place };
}

/** Reads YAML with the parser that knows positions. @returns undefined where it does not take the text */
async function parseYaml<Value>(
  text: string,
  read: (document: Document.Parsed, yaml: typeof import("yaml"), lines: LineCounter) => Value,
): Promise<Value | undefined> {
  // Most kubeconfigs never need it.
  const yaml = await import("yaml");
  const lineCounter = new yaml.LineCounter();
  try {
    const document = yaml.parseDocument(text, { prettyErrors: false, logLevel: "error", lineCounter });
    return document.errors.length > 0 ? undefined : read(document, yaml, lineCounter);
  } catch (error) {
    // An alias that expands without end.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
