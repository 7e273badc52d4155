/** The certificates of a cluster: one authority, what servers show, what clients show, and the key that signs service account tokens. */

import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOrThrow } from "../command.ts";

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Nothing but what is asked for gets into a certificate; the machine's own openssl.cnf may add extensions. */
const opensslConfiguration = "[req]\ndistinguished_name = name\nprompt = no\n[name]\n";

/** Every name and address under which something of a cluster is reached on this machine. */
const servingHosts = [
  "IP:127.0.0.1",
  "IP:10.96.0.1",
  "DNS:localhost",
  "DNS:kubernetes",
  "DNS:kubernetes.default",
  "DNS:kubernetes.default.svc",
  "DNS:kubernetes.default.svc.cluster.local",
];

export class Certificates {
  /** Of the authority; what clients are to trust. */
  readonly authority: CertificateFiles;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.authority = { certificate: join(directory, "ca.crt"), key: join(directory, "ca.key") };
  }

  /**
   * Makes a new authority.
   * @param directory is created; everything is written there
   * @throws {Error} with openssl's message
   */
  static async create(directory: string): Promise<Certificates> {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, "openssl.cnf"), opensslConfiguration);
    const certificates = new Certificates(directory);
    await certificates.#request("ca", "/CN=test cluster authority", [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,keyCertSign,digitalSignature",
      "subjectKeyIdentifier=hash",
    ]);
    return certificates;
  }

  async #request(
    name: string,
    subject: string,
    extensions: readonly string[],
    signed: readonly string[] = [],
  ) {
    const files = {
      certificate: join(this.#directory, `${name}.crt`),
      key: join(this.#directory, `${name}.key`),
    };
    await runOrThrow([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"],
      ...["-config", join(this.#directory, "openssl.cnf"), "-days", "3", "-subj", subject],
      ...extensions.flatMap((extension) => ["-addext", extension]),
      ...["-keyout", files.key, "-out", files.certificate, ...signed],
    ]);
    return files;
  }

  #signed(name: string, subject: string, extensions: readonly string[]): Promise<CertificateFiles> {
    return this.#request(
      name,
      subject,
      ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", ...extensions],
      ["-CA", this.authority.certificate, "-CAkey", this.authority.key],
    );
  }

  /**
   * A certificate for whoever listens on this machine's loopback.
   * @param name of the files
   * @param hosts beside the usual ones, as in `DNS:node-1`, `IP:192.0.2.1`
   */
  serving(name: string, hosts: readonly string[] = []): Promise<CertificateFiles> {
    return this.#signed(name, `/CN=${name}`, [
      "extendedKeyUsage=serverAuth",
      `subjectAltName=${[...servingHosts, ...hosts].join(",")}`,
    ]);
  }

  /**
   * A client's certificate.
   * @param name of the files
   * @param user the user that the API server takes it for: the common name
   * @param group the user's group: the organization
   */
  client(name: string, user: string, group: string): Promise<CertificateFiles> {
    return this.#signed(name, `/O=${group}/CN=${user}`, ["extendedKeyUsage=clientAuth"]);
  }

  /** A kubelet's certificate, as the Node authorizer wants it. */
  kubelet(nodeName: string): Promise<CertificateFiles> {
    return this.client(`kubelet-${nodeName}`, `system:node:${nodeName}`, "system:nodes");
  }

  /** A new key pair for the tokens of service accounts (RS256). @returns paths of PEM files */
  serviceAccountKeys(): { readonly publicKey: string; readonly privateKey: string } {
    const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const files = {
      publicKey: join(this.#directory, "service-accounts.pub"),
      privateKey: join(this.#directory, "service-accounts.key"),
    };
    writeFileSync(files.publicKey, pair.publicKey.export({ type: "spki", format: "pem" }));
    writeFileSync(files.privateKey, pair.privateKey.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
    });
    return files;
  }
}
