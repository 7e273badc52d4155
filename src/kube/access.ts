/** How an API server is reached and what is shown to it, as those who have credentials say. */

import type { SecureContext } from "node:tls";

/** For https. The same object for as long as nothing in it changes: connections made with another one are not used any more. */
export interface TlsSettings {
  readonly secureContext: SecureContext;
  /** Name in the server's certificate; undefined: the host of its address. */
  readonly serverName: string | undefined;
  /** False: whoever answers is believed (`insecure-skip-tls-verify`). */
  readonly verify: boolean;
}

/** What is valid now. The same object for as long as nothing in it changes. */
export interface Access {
  /** Its path, if it has one, goes before every request's. */
  readonly server: URL;
  /** undefined: plain http. */
  readonly tls: TlsSettings | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Credentials {
  /**
   * Follows files that change, and tokens that expire.
   * @throws {CniError} 5 or 7 where they cannot be had, naming file and field
   */
  access(): Promise<Access>;
  /**
   * What to try after the server has refused `refused` with 401: everything that can be is read or made anew.
   * @returns the same object if there is nothing else to try @throws as `access`
   */
  renewed(refused: Access): Promise<Access>;
}
