/** Credentials that follow what changes: a kubeconfig and the files that it names, the token of a pod's service account, programs that make tokens. */

import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { SecureContextOptions } from "node:tls";
import { ExpectedError, InputError } from "../base/input-error.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import type { Access, Credentials, ServerProxy, TlsSettings } from "./access.ts";
import { type ExecCredential, runExecPlugin } from "./exec-credential.ts";
import { FollowedFile, FollowedFiles } from "./followed-file.ts";
import { type ExecPlugin, type Kubeconfig, parseKubeconfig, type TextOrFile } from "./kubeconfig.ts";
import { environmentProxy, namesProxy, type ProxyChoice } from "./proxy-environment.ts";

export const serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A text, and how errors name where it is from. */
interface Sourced {
  readonly text: string;
  readonly where: string;
}

/** The sources of an Access. */
interface Parts {
  readonly server: URL;
  /** That goes before the environment's. */
  readonly proxy: ProxyChoice | undefined;
  readonly certificateAuthority: Sourced | undefined;
  readonly clientCertificate: Sourced | undefined;
  readonly clientKey: Sourced | undefined;
  readonly serverName: string | undefined;
  readonly verify: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** Of these, what is about the server. */
type ServerParts = Pick<Parts, "server" | "proxy" | "certificateAuthority" | "serverName" | "verify">;

/** Where the parts come from. */
interface Source {
  /** As they are now. @throws {InputError} */
  parts(): Promise<Parts>;
  /** Makes everything anew the next time. */
  forget(): void;
}

/** Is this process a pod's that may speak to its cluster? */
export function isInCluster(env: NodeJS.ProcessEnv = process.env): boolean {
  return serviceAddress(env) !== undefined && new ServiceAccount(env, serviceAccountDirectory).isThere();
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
  return new FollowingCredentials(new ServiceAccount(env, directory), log, env);
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
  return new FollowingCredentials(new KubeconfigFile(path, context), log, env);
}

/**
 * Credentials of a certificate of this process' own, for the server of a kubeconfig.
 * @param path of the kubeconfig: of its current context the server counts, and whom it is believed by; who its user is does not matter
 * @param certificate path of the file with certificate and key
 */
export function certificateCredentials(path: string, certificate: string, log: Logger): Credentials {
  return new FollowingCredentials(new CertificateFile(path, certificate), log, process.env);
}

/** The server that a kubeconfig's current context names. @param path of the kubeconfig @throws {InputError} */
export async function kubeconfigServer(path: string): Promise<URL> {
  const { server } = await new KubeconfigFile(path, undefined).server();
  return server;
}

/**
 * Makes an Access of what a source has now. Once there was one, it stays in use while the source has nothing usable: a kubeconfig that is
 * just being rewritten must not stop requests.
 */
class FollowingCredentials implements Credentials {
  readonly #source: Source;
  readonly #failures: OnceLog;
  /** undefined: it names no proxy. */
  readonly #environment: NodeJS.ProcessEnv | undefined;
  #proxy: { readonly key: string; readonly proxy: ServerProxy } | undefined;
  #last: { readonly access: Access; readonly tlsKey: string; readonly key: string } | undefined;

  constructor(source: Source, log: Logger, env: NodeJS.ProcessEnv) {
    this.#source = source;
    this.#failures = new OnceLog(log);
    this.#environment = namesProxy(env) ? env : undefined;
  }

  async access(): Promise<Access> {
    try {
      const parts = await this.#source.parts();
      const isDirect = parts.proxy === undefined && this.#environment === undefined;
      const access = this.#accessOf(parts, isDirect ? undefined : await this.#proxyFor(parts));
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
    // Otherwise somebody has done so meanwhile.
    if (refused === this.#last?.access) this.#source.forget();
    return this.access();
  }

  /** The same object for as long as the proxy is, and how it is known. @throws {InputError} */
  async #proxyFor({
    server,
    proxy: own,
    certificateAuthority,
    verify,
  }: ServerParts): Promise<ServerProxy | undefined> {
    const choice = own ?? (this.#environment && environmentProxy(server, this.#environment));
    if (choice === undefined) return undefined;
    const key = JSON.stringify([choice.url.href, certificateAuthority?.text, verify]);
    if (this.#proxy?.key === key) return this.#proxy.proxy;
    checkCertificate(certificateAuthority);
    const { makeProxy } = await import("./proxy.ts");
    const proxy = proxyOrProblem(choice, () =>
      makeProxy(choice, { certificateAuthority: certificateAuthority?.text, verify }),
    );
    // Somebody may have made it meanwhile.
    if (this.#proxy?.key !== key) this.#proxy = { key, proxy };
    return this.#proxy?.proxy;
  }

  #accessOf(parts: Parts, proxy: ServerProxy | undefined): Access {
    const { server, certificateAuthority, clientCertificate, clientKey, serverName, verify, headers } = parts;
    const pems = [certificateAuthority?.text, clientCertificate?.text, clientKey?.text];
    const tlsKey = JSON.stringify([server.protocol, serverName, verify, ...pems]);
    const key = JSON.stringify([server.href, headers]);
    const last = this.#last;
    if (last !== undefined && last.tlsKey === tlsKey && last.key === key && last.access.proxy === proxy) {
      return last.access;
    }
    const tls = last?.tlsKey === tlsKey ? last.access.tls : tlsSettings(parts);
    const access = { server, tls, headers, proxy };
    this.#last = { access, tlsKey, key };
    return access;
  }
}

/** A pod's service account (`KUBERNETES_SERVICE_HOST`, and the files that the kubelet puts into every pod). */
class ServiceAccount implements Source {
  readonly #env: NodeJS.ProcessEnv;
  readonly #token: string;
  readonly #certificateAuthority: string;
  readonly #files = new FollowedFiles();

  constructor(env: NodeJS.ProcessEnv, directory: string) {
    this.#env = env;
    this.#token = join(directory, "token");
    this.#certificateAuthority = join(directory, "ca.crt");
  }

  isThere(): boolean {
    try {
      return this.#read(this.#token) !== "" && this.#read(this.#certificateAuthority) !== "";
    } catch (error) {
      if (error instanceof InputError) return false;
      throw error;
    }
  }

  async parts(): Promise<Parts> {
    const address = serviceAddress(this.#env);
    if (address === undefined) {
      throw new InputError(
        "content",
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name an API server",
      );
    }
    const token = this.#read(this.#token);
    return {
      server: address,
      proxy: undefined,
      certificateAuthority: {
        text: this.#read(this.#certificateAuthority),
        where: this.#certificateAuthority,
      },
      clientCertificate: undefined,
      clientKey: undefined,
      serverName: undefined,
      verify: true,
      headers: { authorization: bearer(token, this.#token) },
    };
  }

  forget(): void {
    this.#files.forget();
  }

  #read(path: string): string {
    return this.#files.read(path).trim();
  }
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

/** A context of a kubeconfig. */
class KubeconfigFile implements Source {
  readonly #path: string;
  readonly #context: string | undefined;
  readonly #files = new FollowedFiles();
  #parsed: { readonly text: string; readonly config: Promise<Kubeconfig> } | undefined;
  #exec: { readonly config: Kubeconfig; readonly credential: Promise<ExecCredential> } | undefined;

  constructor(path: string, context: string | undefined) {
    this.#path = path;
    this.#context = context;
  }

  async parts(): Promise<Parts> {
    const config = await this.#config();
    const server = this.#server(config);
    const { certificateAuthority } = server;
    const exec =
      config.exec === undefined
        ? undefined
        : await this.#execCredential(config, config.exec, certificateAuthority?.text);
    const madeBy = (text: string | undefined): Sourced | undefined =>
      text === undefined ? undefined : { text, where: config.exec?.where ?? "" };
    return {
      ...server,
      clientCertificate: madeBy(exec?.clientCertificate) ?? this.#sourced(config.clientCertificate),
      clientKey: madeBy(exec?.clientKey) ?? this.#sourced(config.clientKey),
      headers: this.#headers(config, exec),
    };
  }

  /** The server, and how it is known. @throws {InputError} */
  async server(): Promise<ServerParts> {
    return this.#server(await this.#config());
  }

  #server(config: Kubeconfig): ServerParts {
    return {
      server: config.server,
      proxy: config.proxy,
      certificateAuthority: config.insecureSkipTlsVerify
        ? undefined
        : this.#sourced(config.certificateAuthority),
      serverName: config.tlsServerName,
      verify: !config.insecureSkipTlsVerify,
    };
  }

  forget(): void {
    this.#files.forget();
    this.#exec = undefined;
  }

  /** The same object for as long as the file has the same text. */
  async #config(): Promise<Kubeconfig> {
    const text = this.#files.read(this.#path);
    if (this.#parsed?.text !== text) {
      this.#parsed = { text, config: parseKubeconfig(Buffer.from(text), this.#path, this.#context) };
    }
    return this.#parsed.config;
  }

  #headers(config: Kubeconfig, exec: ExecCredential | undefined): Record<string, string> {
    const { token, basic, impersonate } = config;
    const headers: Record<string, string> = {};
    const own = token === undefined ? undefined : this.#token(token);
    if (own !== undefined) headers.authorization = bearer(own.text, own.where);
    else if (exec?.token !== undefined) headers.authorization = bearer(exec.token, config.exec?.where ?? "");
    else if (basic !== undefined) {
      headers.authorization = `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString("base64")}`;
    }
    if (impersonate !== undefined) headers["impersonate-user"] = impersonate;
    return headers;
  }

  /** The file goes first; where it cannot be read, the text is used. */
  #token({ text, file, where }: TextOrFile): Sourced | undefined {
    if (file === undefined) return text === undefined ? undefined : { text, where };
    try {
      return { text: this.#files.read(file), where };
    } catch (error) {
      if (text !== undefined) return { text, where };
      throw error instanceof InputError ? named(error, where) : error;
    }
  }

  #sourced(source: TextOrFile | undefined): Sourced | undefined {
    if (source?.text !== undefined) return { text: source.text, where: source.where };
    if (source?.file === undefined) return undefined;
    try {
      return { text: this.#files.read(source.file), where: `${source.where} (${source.file})` };
    } catch (error) {
      throw error instanceof InputError ? named(error, source.where) : error;
    }
  }

  /** One run at a time; kept until it expires, or is refused, or the kubeconfig is another. */
  async #execCredential(
    config: Kubeconfig,
    plugin: ExecPlugin,
    certificateAuthority: string | undefined,
  ): Promise<ExecCredential> {
    for (let known = this.#exec; known?.config === config; known = this.#exec) {
      const credential = await known.credential;
      if (credential.expiresAt === undefined || Date.now() < credential.expiresAt) return credential;
      // Nobody else has seen it first.
      if (this.#exec === known) break;
    }
    const run = {
      config,
      credential: runExecPlugin(plugin, {
        server: config.server.href,
        proxyUrl: config.proxy?.url.href,
        tlsServerName: config.tlsServerName,
        insecureSkipTlsVerify: config.insecureSkipTlsVerify,
        certificateAuthority,
      }),
    };
    this.#exec = run;
    run.credential.catch(() => {
      if (this.#exec === run) this.#exec = undefined;
    });
    return run.credential;
  }
}

/** A kubeconfig's server, and a certificate in place of its user. */
class CertificateFile implements Source {
  readonly #kubeconfig: KubeconfigFile;
  readonly #certificate: FollowedFile;

  constructor(kubeconfig: string, certificate: string) {
    this.#kubeconfig = new KubeconfigFile(kubeconfig, undefined);
    this.#certificate = new FollowedFile(certificate);
  }

  async parts(): Promise<Parts> {
    const server = await this.#kubeconfig.server();
    const pair = { text: this.#certificate.read(), where: this.#certificate.path };
    return { ...server, clientCertificate: pair, clientKey: pair, headers: {} };
  }

  forget(): void {
    this.#kubeconfig.forget();
    this.#certificate.forget();
  }
}

function named(error: InputError, where: string): InputError {
  return new InputError(error.kind, `${where}: ${error.message}`, { cause: error });
}

/** @throws {InputError} where it cannot be a header */
function bearer(token: string, where: string): string {
  const value = token.trim();
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new InputError("content", `${where}: no token, or characters that none has`);
  }
  return `Bearer ${value}`;
}

/** @returns undefined for plain http @throws {InputError} naming the text that is no certificate or key */
function tlsSettings(parts: Parts): TlsSettings | undefined {
  const { server, certificateAuthority, clientCertificate, clientKey, serverName, verify } = parts;
  if (server.protocol === "http:") return undefined;
  // Not imported: a daemon without a cluster does without TLS; and an `import` reads every root certificate that Node has.
  const { createSecureContext } = process.getBuiltinModule("node:tls");
  checkCertificate(certificateAuthority);
  checkCertificate(clientCertificate);
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    const where = clientCertificate?.where ?? clientKey?.where ?? "";
    throw new InputError("content", `${where}: client certificate and key go together`);
  }
  const options: SecureContextOptions = {
    ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority.text }),
    ...(clientCertificate === undefined ? {} : { cert: clientCertificate.text }),
    ...(clientKey === undefined ? {} : { key: clientKey.text }),
  };
  try {
    return { secureContext: createSecureContext(options), serverName, verify };
  } catch (error) {
    // Certificates have been looked at.
    const where = clientKey?.where ?? certificateAuthority?.where ?? server.href;
    throw new InputError("content", `${where}: ${errorText(error)}`, {
      cause: error,
    });
  }
}

/** @throws {InputError} naming what names the proxy */
function proxyOrProblem({ where }: ProxyChoice, make: () => ServerProxy): ServerProxy {
  try {
    return make();
  } catch (error) {
    const message = `${where}: the authority that the proxy is known by cannot be read`;
    throw new InputError("content", message, { cause: error });
  }
}

function checkCertificate(pem: Sourced | undefined): void {
  if (pem === undefined) return;
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  try {
    new X509Certificate(pem.text);
  } catch (error) {
    throw new InputError("content", `${pem.where}: no certificate (PEM): ${errorText(error)}`, {
      cause: error,
    });
  }
}
