/** How an API server is reached, and the credentials that it is shown. */

import type { Agent, AgentOptions } from "node:http";
import type { AgentOptions as SecureAgentOptions } from "node:https";

/**
 * For https, as the options of an agent have it. The same object for as long as nothing in it changes: connections made with another one are not used any more.
 * `servername` undefined: the host of the server's address. `rejectUnauthorized` false: any certificate is accepted (`insecure-skip-tls-verify`).
 */
export type TlsSettings = Pick<SecureAgentOptions, "secureContext" | "servername" | "rejectUnauthorized">;

/** A proxy between the daemon and a server. */
export interface ServerProxy {
  /** For errors: without name and password. */
  readonly address: string;
  /** Does it take requests of plain http as they are, with the server in their first line and {@link headers}? */
  readonly takesRequests: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Makes connections to a server through it. @param tls undefined: plain http */
  agent(options: AgentOptions, tls: TlsSettings | undefined): Agent;
}

/** The credentials that are valid now. The same object for as long as nothing in it changes. */
export interface Access {
  /** Its path, if it has one, goes before every request's. */
  readonly server: URL;
  /** undefined: plain http. */
  readonly tls: TlsSettings | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly proxy?: ServerProxy | undefined;
}

export interface Credentials {
  /**
   * Follows files that change, and tokens that expire.
   * @throws {InputError} where they cannot be had, naming file and field
   */
  access(): Promise<Access>;
  /**
   * The credentials to try after the server has refused `refused` with 401: all sources are read again, and programs run again.
   * @returns the same object if there is nothing else to try @throws as `access`
   */
  renewed(refused: Access): Promise<Access>;
}

/** The host of a URL, as a connection is made to it: an IPv6 address without the brackets that it has in a URL. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
