/** Credentials from a program that the kubeconfig names (client.authentication.k8s.io). */

import { type ExecFileException, execFile } from "node:child_process";
import { promisify } from "node:util";
import { InputError } from "../base/input-error.ts";
import { isJsonObject, type JsonObject, objectAt } from "../base/json.ts";
import { errorText } from "../log/error-text.ts";
import type { ExecPlugin, ServerContext } from "./kubeconfig.ts";

export interface ExecCredential {
  readonly token: string | undefined;
  /** PEM. */
  readonly clientCertificate: string | undefined;
  /** PEM. */
  readonly clientKey: string | undefined;
  /** Milliseconds since 1970; undefined: valid until it is refused. */
  readonly expiresAt: number | undefined;
}

/** The cluster's description for a program that asks for it. */
export interface ExecCluster
  extends Pick<ServerContext, "server" | "proxy" | "tlsServerName" | "insecureSkipTlsVerify"> {
  /** PEM, not base64. */
  readonly certificateAuthority: string | undefined;
}

const timeoutMs = 30_000;
const maxOutputBytes = 1 << 20;
/** Characters of the program's stderr in an error. */
const longestExcerpt = 300;

const execute = promisify(execFile);

/** Runs the program. @throws {InputError} naming the field, with the program's stderr */
export async function runExecPlugin(plugin: ExecPlugin, cluster: ExecCluster): Promise<ExecCredential> {
  const { apiVersion, command, args, env, where, installHint, wantsCluster } = plugin;
  const info = {
    apiVersion,
    kind: "ExecCredential",
    spec: { interactive: false, ...(wantsCluster ? { cluster: clusterInfo(cluster) } : {}) },
  };
  try {
    // Throws at once where a value is too long for an environment: a bundle of authorities, for example.
    const running = execute(command, args, {
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: maxOutputBytes,
      encoding: "utf8",
    });
    running.child.stdin?.end();
    const { stdout } = await running.catch((error) => {
      throw new Error(failure(error, installHint));
    });
    return parseExecCredential(stdout, apiVersion);
  } catch (problem) {
    const text = `${where}: ${command}: ${errorText(problem)}`;
    throw new InputError("content", text, { cause: problem });
  }
}

function clusterInfo(cluster: ExecCluster): Record<string, unknown> {
  const { server, proxy, tlsServerName, insecureSkipTlsVerify, certificateAuthority } = cluster;
  return {
    server: server.href,
    "proxy-url": proxy?.url.href,
    "tls-server-name": tlsServerName,
    "insecure-skip-tls-verify": insecureSkipTlsVerify || undefined,
    "certificate-authority-data":
      certificateAuthority && Buffer.from(certificateAuthority).toString("base64"),
  };
}

function failure(error: ExecFileException, installHint: string): string {
  if (error.code === "ENOENT")
    return `there is no such program${installHint === "" ? "" : `. ${installHint}`}`;
  const said = (error.stderr ?? "").trim();
  const ended =
    error.killed === true ? `ended after ${timeoutMs / 1000} s, or for too much output` : undefined;
  // For a program that ran, Node's message has the whole command line, which may have secrets in it.
  const bySignal = error.signal ? `ended by ${error.signal}` : undefined;
  const byItself = typeof error.code === "number" ? `exit code ${error.code}` : undefined;
  const how = ended ?? bySignal ?? byItself ?? errorText(error);
  return said === "" ? how : `${how}: ${said.slice(-longestExcerpt)}`;
}

/**
 * @param text stdout of the program
 * @throws {Error} with the problem
 */
export function parseExecCredential(text: string, apiVersion: string): ExecCredential {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without the parser's message, which cites the text: it may be a token.
    throw new Error("its output is not JSON");
  }
  if (!isJsonObject(value) || value.kind !== "ExecCredential" || value.apiVersion !== apiVersion) {
    throw new Error(`its output is no ExecCredential of ${apiVersion}`);
  }
  const status = objectAt(value, "status");
  const token = textAt(status, "token");
  const clientCertificate = textAt(status, "clientCertificateData");
  const clientKey = textAt(status, "clientKeyData");
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw new Error("status has a client certificate or a key, but not both");
  }
  if (token === undefined && clientCertificate === undefined) {
    throw new Error("status has neither token nor clientCertificateData");
  }
  return { token, clientCertificate, clientKey, expiresAt: expiry(status.expirationTimestamp) };
}

function textAt(status: JsonObject, name: string): string | undefined {
  const value = status[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new Error(`status.${name} must be a text`);
  return value;
}

function expiry(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) throw new Error("status.expirationTimestamp must be a time");
  return time;
}
