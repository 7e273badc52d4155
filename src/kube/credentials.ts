/** Credentials that follow their sources: a kubeconfig and the files that it names, the token of a pod's service account, programs that make tokens. */

import { isIPv6 } from "node:net";
import { join } from "node:path";
import { ExpectedError, InputError } from "../base/input-error.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import type { Access, Credentials, ServerProxy, TlsSettings } from "./access.ts";
import { type ExecCredential, runExecPlugin } from "./exec-credential.ts";
import { FollowedFiles } from "./followed-file.ts";
import { type ExecPlugin, parseKubeconfig, type ServerContext, type TextOrFile } from "./kubeconfig.ts";
import { environmentProxy, namesProxy } from "./proxy-environment.ts";

export const serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A text, and how errors name where it is from. */
interface Sourced {
  readonly text: string;
  readonly where: string;
}

/** The texts that TLS needs, as they are now. */
interface Pems {
  readonly certificateAuthority: Sourced | undefined;
  readonly clientCertificate: Sourced | undefined;
  readonly clientKey: Sourced | undefined;
}

/** Where the server and its credentials are, by now. The same object for as long as nothing in it changes, if it has a program. @throws {InputError} */
type Source = (files: FollowedFiles) => ServerContext | Promise<ServerContext>;

/** Is this process a pod's that may speak to its cluster? */
export function isInCluster(env: NodeJS.ProcessEnv = process.env): boolean {
  if (serviceAddress(env) === undefined) return false;
  const files = new FollowedFiles();
  try {
    return ["token", "ca.crt"].every((name) => files.read(join(serviceAccountDirectory, name)).trim() !== "");
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/**
 * Credentials of the pod that this process belongs to: its service account's token, which the kubelet replaces before it expires.
 * @param directory with `token` and `ca.crt`
 */
export function inClusterCredentials(
  log: Logger,
  env: NodeJS.ProcessEnv = process.env,
  directory: string = serviceAccountDirectory,
): Credentials {
  const [token, certificateAuthority] = ["token", "ca.crt"].map((name) => {
    const file = join(directory, name);
    return { file, where: file };
  });
  const source = () => {
    const server = serviceAddress(env);
    if (server !== undefined) return { server, insecureSkipTlsVerify: false, certificateAuthority, token };
    const message = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name an API server";
    throw new InputError("content", message);
  };
  return new FollowingCredentials(source, log, env);
}

/**
 * Credentials of a context of a kubeconfig.
 * @param path of the file; it is read at first use, and whenever it has changed
 * @param context its name; the file's current one if undefined
 * @param env whose HTTPS_PROXY, HTTP_PROXY and NO_PROXY count where the kubeconfig has no proxy-url
 */
export function kubeconfigCredentials(
  path: string,
  log: Logger,
  context?: string,
  env: NodeJS.ProcessEnv = process.env,
): Credentials {
  return new FollowingCredentials(kubeconfigFile(path, context), log, env);
}

/**
 * Credentials of a certificate of this process' own, for the server of a kubeconfig.
 * @param path of the kubeconfig: of its current context the server counts, and its authority; its user does not matter
 * @param certificate path of the file with certificate and key
 */
export function certificateCredentials(path: string, certificate: string, log: Logger): Credentials {
  const kubeconfig = kubeconfigFile(path);
  const pair = { file: certificate, where: certificate };
  const source = async (files: FollowedFiles) => {
    const { server, proxy, certificateAuthority, tlsServerName, insecureSkipTlsVerify } =
      await kubeconfig(files);
    const trust = { certificateAuthority, tlsServerName, insecureSkipTlsVerify };
    return { server, proxy, ...trust, clientCertificate: pair, clientKey: pair };
  };
  return new FollowingCredentials(source, log, process.env);
}

/** The server that a kubeconfig's current context names. @param path of the kubeconfig @throws {InputError} */
export async function kubeconfigServer(path: string): Promise<URL> {
  const { server } = await kubeconfigFile(path)(new FollowedFiles());
  return server;
}

/** Parses the file when its text has changed. @param context its name; the file's current one if undefined */
function kubeconfigFile(path: string, context?: string): Source {
  let parsed: { readonly text: string; readonly config: Promise<ServerContext> } | undefined;
  return (files) => {
    const text = files.read(path);
    if (parsed?.text !== text) parsed = { text, config: parseKubeconfig(Buffer.from(text), path, context) };
    return parsed.config;
  };
}

/**
 * The API server, as the kubelet tells every pod.
 * @param protocol `https` or `http`
 * @returns undefined where this is no pod's environment
 */
export function serviceAddress(env: NodeJS.ProcessEnv, protocol = "https"): URL | undefined {
  const { KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port = "" } = env;
  const text = `${protocol}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  return host !== "" && port !== "" && URL.canParse(text) ? new URL(text) : undefined;
}

/**
 * The first Access that could be made stays in use while its source cannot be used: a kubeconfig that is just being rewritten must not stop
 * requests.
 */
class FollowingCredentials implements Credentials {
  readonly #source: Source;
  readonly #files = new FollowedFiles();
  readonly #failures: OnceLog;
  /** undefined: it names no proxy. */
  readonly #environment: NodeJS.ProcessEnv | undefined;
  #exec: { readonly plugin: ExecPlugin; readonly credential: Promise<ExecCredential> } | undefined;
  #proxy: { readonly key: string; readonly proxy: ServerProxy } | undefined;
  #last: { readonly access: Access; readonly tlsKey: string; readonly key: string } | undefined;

  constructor(source: Source, log: Logger, env: NodeJS.ProcessEnv) {
    this.#source = source;
    this.#failures = new OnceLog(log);
    this.#environment = namesProxy(env) ? env : undefined;
  }

  async access(): Promise<Access> {
    try {
      const access = await this.#accessOf(await this.#source(this.#files));
      this.#failures.over();
      return access;
    } catch (error) {
      if (this.#last === undefined || !(error instanceof ExpectedError)) throw error;
      const { message } = error;
      this.#failures.error(
        "credentials cannot be renewed; the old ones are used",
        { error: message },
        message,
      );
      return this.#last.access;
    }
  }

  renewed(refused: Access): Promise<Access> {
    // Otherwise another request has done so meanwhile.
    if (refused === this.#last?.access) {
      this.#files.forget();
      this.#exec = undefined;
    }
    return this.access();
  }

  /** @throws {InputError} */
  async #accessOf(context: ServerContext): Promise<Access> {
    const { server, insecureSkipTlsVerify, tlsServerName } = context;
    const certificateAuthority = insecureSkipTlsVerify ? undefined : this.#read(context.certificateAuthority);
    const exec = await this.#execCredential(context, certificateAuthority?.text);
    const made = (text: string | undefined) =>
      text === undefined ? undefined : { text, where: context.exec?.where ?? "" };
    const clientCertificate = made(exec?.clientCertificate) ?? this.#read(context.clientCertificate);
    const clientKey = made(exec?.clientKey) ?? this.#read(context.clientKey);
    const pems = { certificateAuthority, clientCertificate, clientKey };
    const headers = headersOf(context, this.#read(context.token) ?? made(exec?.token));
    const proxy = await this.#proxyFor(context, certificateAuthority);

    const texts = Object.values(pems).map((pem) => pem?.text);
    const tlsKey = JSON.stringify([server.protocol, tlsServerName, insecureSkipTlsVerify, ...texts]);
    const key = JSON.stringify([server.href, headers]);
    const last = this.#last;
    if (last !== undefined && last.tlsKey === tlsKey && last.key === key && last.access.proxy === proxy) {
      return last.access;
    }
    const tls = last?.tlsKey === tlsKey ? last.access.tls : tlsSettings(context, pems);
    const access = { server, tls, headers, proxy };
    this.#last = { access, tlsKey, key };
    return access;
  }

  /** The file goes first; where it cannot be read, the text is used. @throws {InputError} */
  #read(source: TextOrFile | undefined): Sourced | undefined {
    const { text, file, where = "" } = source ?? {};
    const given = text === undefined ? undefined : { text, where };
    if (file === undefined) return given;
    try {
      return { text: this.#files.read(file), where: where === file ? file : `${where} (${file})` };
    } catch (error) {
      if (given !== undefined) return given;
      if (where === file || !(error instanceof InputError)) throw error;
      throw new InputError(error.kind, `${where}: ${error.message}`, { cause: error });
    }
  }

  /** The same object for as long as the proxy and its authority stay the same. @throws {InputError} */
  async #proxyFor(
    { server, proxy: own, insecureSkipTlsVerify }: ServerContext,
    certificateAuthority: Sourced | undefined,
  ): Promise<ServerProxy | undefined> {
    const choice = own ?? (this.#environment && environmentProxy(server, this.#environment));
    if (choice === undefined) return undefined;
    const key = JSON.stringify([choice.url.href, certificateAuthority?.text, insecureSkipTlsVerify]);
    if (this.#proxy?.key === key) return this.#proxy.proxy;
    checkCertificate(certificateAuthority);
    const { makeProxy } = await import("./proxy.ts");
    // Another request may have made it meanwhile.
    if (this.#proxy?.key === key) return this.#proxy.proxy;
    try {
      const proxy = makeProxy(choice.url, certificateAuthority?.text, !insecureSkipTlsVerify);
      this.#proxy = { key, proxy };
      return proxy;
    } catch (error) {
      const message = `${choice.where}: the authority that the proxy is known by cannot be read`;
      throw new InputError("content", message, { cause: error });
    }
  }

  /** One run at a time; its result is kept until it expires or is refused, or the kubeconfig changes. @returns undefined: there is no program */
  async #execCredential(
    { exec: plugin, server, proxy, tlsServerName, insecureSkipTlsVerify }: ServerContext,
    certificateAuthority: string | undefined,
  ): Promise<ExecCredential | undefined> {
    if (plugin === undefined) return undefined;
    for (let known = this.#exec; known?.plugin === plugin; known = this.#exec) {
      const credential = await known.credential;
      if (credential.expiresAt === undefined || Date.now() < credential.expiresAt) return credential;
      // Otherwise another request runs the program already.
      if (this.#exec === known) break;
    }
    const cluster = { server, proxy, tlsServerName, insecureSkipTlsVerify, certificateAuthority };
    const run = { plugin, credential: runExecPlugin(plugin, cluster) };
    this.#exec = run;
    run.credential.catch(() => {
      if (this.#exec === run) this.#exec = undefined;
    });
    return run.credential;
  }
}

/** @throws {InputError} */
function headersOf(
  { basic, impersonate }: ServerContext,
  token: Sourced | undefined,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers.authorization = bearer(token);
  else if (basic !== undefined) {
    headers.authorization = `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString("base64")}`;
  }
  if (impersonate !== undefined) headers["impersonate-user"] = impersonate;
  return headers;
}

/** @throws {InputError} where it cannot be a header */
function bearer({ text, where }: Sourced): string {
  const value = text.trim();
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new InputError("content", `${where}: no token, or characters that none has`);
  }
  return `Bearer ${value}`;
}

/** @returns undefined for plain http @throws {InputError} naming the text that is no certificate or key */
function tlsSettings(
  { server, tlsServerName: servername, insecureSkipTlsVerify }: ServerContext,
  { certificateAuthority, clientCertificate, clientKey }: Pems,
): TlsSettings | undefined {
  if (server.protocol === "http:") return undefined;
  // Not imported: a daemon without a cluster does without TLS; and an `import` reads every root certificate that Node has.
  const { createSecureContext } = process.getBuiltinModule("node:tls");
  checkCertificate(certificateAuthority);
  checkCertificate(clientCertificate);
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    const where = clientCertificate?.where ?? clientKey?.where ?? "";
    throw new InputError("content", `${where}: client certificate and key go together`);
  }
  try {
    const secureContext = createSecureContext({
      ca: certificateAuthority?.text,
      cert: clientCertificate?.text,
      key: clientKey?.text,
    });
    return { secureContext, servername, rejectUnauthorized: !insecureSkipTlsVerify };
  } catch (error) {
    // Certificates have been checked.
    const where = clientKey?.where ?? certificateAuthority?.where ?? server.href;
    throw new InputError("content", `${where}: ${errorText(error)}`, { cause: error });
  }
}

function checkCertificate(pem: Sourced | undefined): void {
  if (pem === undefined) return;
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  try {
    new X509Certificate(pem.text);
  } catch (error) {
    const message = `${pem.where}: no certificate (PEM): ${errorText(error)}`;
    throw new InputError("content", message, { cause: error });
  }
}
