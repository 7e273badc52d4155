/** The API as a daemon with a certificate of its node sees it. Loaded where one is configured: it brings what speaks ASN.1. */

import type { Logger } from "../../log/logger.ts";
import type { Access, Credentials } from "../access.ts";
import type { ApiRequest, Connection } from "../api.ts";
import { ApiClient } from "../api-client.ts";
import { certificateCredentials } from "../credentials.ts";
import { currentCertificatePath } from "./certificate-file.ts";
import { NodeCertificate } from "./node-certificate.ts";

/** Go multus's perNodeCertificate, checked. */
export interface NodeCertificateSettings {
  /** Directory of certificate and key. */
  readonly certDir: string;
  /** How long a certificate is to be valid, in seconds. */
  readonly seconds: number;
}

export interface NodeCertificateOptions extends NodeCertificateSettings {
  /** Path of the kubeconfig that names the server. */
  readonly kubeconfig: string;
  readonly nodeName: string;
  readonly log: Logger;
}

/** Begins to have a certificate signed where there is none. Until there is one, requests fail as if the server were away. @param bootstrap of whoever may ask for the first one */
export function connectWithNodeCertificate(
  options: NodeCertificateOptions,
  bootstrap: Credentials,
): Connection {
  return new NodeCertificateConnection(options, bootstrap);
}

class NodeCertificateConnection implements Connection {
  readonly #asBootstrap: ApiClient;
  /** For renewals: it also tries what has just ended. */
  readonly #asSelf: ApiClient;
  readonly #certificate: NodeCertificate;
  readonly #api: ApiClient;

  constructor({ kubeconfig, certDir, ...options }: NodeCertificateOptions, bootstrap: Credentials) {
    const own = certificateCredentials(kubeconfig, currentCertificatePath(certDir), options.log);
    this.#asBootstrap = new ApiClient(bootstrap);
    this.#asSelf = new ApiClient(own);
    this.#certificate = new NodeCertificate({
      ...options,
      certDir,
      asBootstrap: this.#asBootstrap,
      asSelf: this.#asSelf,
    });
    this.#api = new ApiClient(new WatchedCredentials(own, this.#certificate));
  }

  request<Answer>(request: ApiRequest): Promise<Answer> {
    return this.#api.request(request);
  }

  watch(request: ApiRequest, onLine: (line: unknown) => void, onOpen?: () => void): Promise<void> {
    return this.#api.watch(request, onLine, onOpen);
  }

  close(): void {
    this.#certificate.close();
    for (const client of [this.#api, this.#asSelf, this.#asBootstrap]) client.close();
  }
}

/** The certificate's credentials while it is valid; hears of it when a server does not take it. */
class WatchedCredentials implements Credentials {
  readonly #own: Credentials;
  readonly #certificate: NodeCertificate;

  constructor(own: Credentials, certificate: NodeCertificate) {
    this.#own = own;
    this.#certificate = certificate;
  }

  async access(): Promise<Access> {
    this.#certificate.check();
    return this.#own.access();
  }

  async renewed(refused: Access): Promise<Access> {
    const access = await this.#own.renewed(refused);
    if (access === refused) this.#certificate.refused();
    return access;
  }
}
