/** Credentials from a program that the kubeconfig names (client.authentication.k8s.io). */

import { type ExecFileException, execFile } from "node:child_process";
import { InputError } from "../base/input-error.ts";
import { isJsonObject } from "../base/json.ts";
import { errorText } from "../log/error-text.ts";
import type { ExecPlugin } from "./kubeconfig.ts";

export interface ExecCredential {
  readonly token: string | undefined;
  /** PEM. */
  readonly clientCertificate: string | undefined;
  /** PEM. */
  readonly clientKey: string | undefined;
  /** Milliseconds since 1970; undefined: valid until it is refused. */
  readonly expiresAt: number | undefined;
}

/** The cluster's description for a program that asks for it; PEM, not base64. */
export interface ExecCluster {
  readonly server: string;
  /** `proxy-url`. */
  readonly proxyUrl: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  readonly certificateAuthority: string | undefined;
}

const timeoutMs = 30_000;
const maxOutputBytes = 1 << 20;
/** Of what the program says on stderr, in an error. */
const longestExcerpt = 300;

/** Runs the program. @throws {InputError} naming the field, with what the program says */
export function runExecPlugin(plugin: ExecPlugin, cluster: ExecCluster): Promise<ExecCredential> {
  const { apiVersion, command, args, env, where, installHint, wantsCluster } = plugin;
  const info = {
    apiVersion,
    kind: "ExecCredential",
    spec: { interactive: false, ...(wantsCluster ? { cluster: clusterInfo(cluster) } : {}) },
  };
  const options = {
    env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: maxOutputBytes,
    encoding: "utf8",
  } as const;
  return new Promise((resolve, reject) => {
    const refuse = (problem: unknown) => {
      const text = `${where}: ${command}: ${errorText(problem)}`;
      reject(new InputError("content", text, { cause: problem }));
    };
    const done = (error: ExecFileException | null, stdout: string, stderr: string) => {
      try {
        if (error !== null) throw new Error(failure(error, stderr, installHint));
        resolve(parseExecCredential(stdout, apiVersion));
      } catch (problem) {
        refuse(problem);
      }
    };
    try {
      execFile(command, args, options, done).stdin?.end();
    } catch (problem) {
      // A value can be too long for an environment: a bundle of authorities, for example.
      refuse(problem);
    }
  });
}

function clusterInfo(cluster: ExecCluster): Record<string, unknown> {
  const { server, proxyUrl, tlsServerName, insecureSkipTlsVerify, certificateAuthority } = cluster;
  return {
    server,
    ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
    ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
    ...(insecureSkipTlsVerify ? { "insecure-skip-tls-verify": true } : {}),
    ...(certificateAuthority === undefined
      ? {}
      : { "certificate-authority-data": Buffer.from(certificateAuthority).toString("base64") }),
  };
}

function failure(error: ExecFileException, stderr: string, installHint: string): string {
  if (error.code === "ENOENT")
    return `there is no such program${installHint === "" ? "" : `. ${installHint}`}`;
  const said = stderr.trim();
  const ended =
    error.killed === true ? `ended after ${timeoutMs / 1000} s, or for too much output` : undefined;
  // Of a program that ran Node says the whole command line, which may have secrets in it.
  const bySignal = error.signal ? `ended by ${error.signal}` : undefined;
  const byItself = typeof error.code === "number" ? `exit code ${error.code}` : undefined;
  const how = ended ?? bySignal ?? byItself ?? errorText(error);
  return said === "" ? how : `${how}: ${said.slice(-longestExcerpt)}`;
}

/**
 * @param text what the program printed
 * @throws {Error} saying what is wrong with it
 */
export function parseExecCredential(text: string, apiVersion: string): ExecCredential {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not what the parser says, which cites the text: it may be a token.
    throw new Error("its output is not JSON");
  }
  if (!isJsonObject(value) || value.kind !== "ExecCredential" || value.apiVersion !== apiVersion) {
    throw new Error(`its output is no ExecCredential of ${apiVersion}`);
  }
  const status = isJsonObject(value.status) ? value.status : {};
  const token = textOf(status, "token");
  const clientCertificate = textOf(status, "clientCertificateData");
  const clientKey = textOf(status, "clientKeyData");
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw new Error("status has a client certificate or a key, but not both");
  }
  if (token === undefined && clientCertificate === undefined) {
    throw new Error("status has neither token nor clientCertificateData");
  }
  return { token, clientCertificate, clientKey, expiresAt: expiry(status.expirationTimestamp) };
}

function textOf(status: Readonly<Record<string, unknown>>, name: string): string | undefined {
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
