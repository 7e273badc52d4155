/** A real kube-apiserver with an etcd of its own, on this machine's loopback: what tests that are about Kubernetes talk to. */

import { createHash, createPublicKey, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommandOutcome, runCommand } from "../command.ts";
import { ScratchDirectory } from "../scratch-directory.ts";
import { kubernetesProgram } from "./binaries.ts";
import { Certificates } from "./certificates.ts";
import { Etcd } from "./etcd.ts";
import { type Credentials, writeKubeconfig } from "./kubeconfig.ts";
import { freePort } from "./ports.ts";
import { ServerProcess } from "./server-process.ts";
import { ServiceAccountFiles } from "./service-account-files.ts";

const deployBase = join(import.meta.dirname, "..", "..", "..", "deploy", "base");

/** Of all service account tokens: `iss`, and `aud` of those for the API. */
const issuer = "https://kubernetes.default.svc.cluster.local";

/** Connections that are idle for so many milliseconds are closed before the server does it (90 s): it could meet a request. */
export const idleMs = 45_000;

/** For what follows a write some moments later: a machine can be slow. */
const patienceMs = 60_000;

export interface ApiServerOptions {
  /** Further arguments of kube-apiserver. */
  readonly arguments?: readonly string[];
}

export interface ApiCall {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; default application/json. */
  readonly contentType?: string;
  /** Asks with this token; without it as the administrator, by certificate. */
  readonly token?: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it came. */
  readonly text: string;
}

/** The claims of a service account's token that the server looks at. */
export interface TokenLifetime {
  /** Seconds from now; less than 0: it has expired so long ago. The server allows for 60 s of clock skew. */
  readonly expiresIn: number;
}

function base64url(content: unknown): string {
  return Buffer.from(JSON.stringify(content)).toString("base64url");
}

export class ApiServer implements AsyncDisposable {
  readonly certificates: Certificates;
  /** `https://127.0.0.1:PORT`, the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** Path of a kubeconfig for a member of system:masters. */
  readonly adminKubeconfig: string;
  readonly #scratch: ScratchDirectory;
  readonly #etcd: Etcd;
  readonly #process: ServerProcess;
  readonly #agent: Agent;
  readonly #signingKeys: { readonly publicKey: string; readonly privateKey: string };
  #written = 0;

  private constructor(
    scratch: ScratchDirectory,
    certificates: Certificates,
    etcd: Etcd,
    port: number,
    serving: { readonly certificate: string; readonly key: string },
    admin: { readonly certificate: string; readonly key: string },
    options: ApiServerOptions,
  ) {
    this.#scratch = scratch;
    this.certificates = certificates;
    this.#etcd = etcd;
    this.port = port;
    this.url = `https://127.0.0.1:${port}`;
    this.#signingKeys = certificates.serviceAccountKeys();
    this.#agent = new Agent({
      keepAlive: true,
      timeout: idleMs,
      ca: readFileSync(certificates.authority.certificate),
      cert: readFileSync(admin.certificate),
      key: readFileSync(admin.key),
    });
    this.adminKubeconfig = this.kubeconfigFor(admin);
    this.#process = new ServerProcess(
      [
        kubernetesProgram("kube-apiserver"),
        `--etcd-servers=${etcd.url}`,
        // History goes when a test says so.
        "--etcd-compaction-interval=0",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        `--secure-port=${port}`,
        `--cert-dir=${join(scratch.path, "api-server")}`,
        `--tls-cert-file=${serving.certificate}`,
        `--tls-private-key-file=${serving.key}`,
        `--client-ca-file=${certificates.authority.certificate}`,
        `--service-account-issuer=${issuer}`,
        `--service-account-key-file=${this.#signingKeys.publicKey}`,
        `--service-account-signing-key-file=${this.#signingKeys.privateKey}`,
        // For exec and logs, where a kubelet serves them. Nodes' names are in no DNS.
        "--kubelet-preferred-address-types=InternalIP",
        `--kubelet-client-certificate=${admin.certificate}`,
        `--kubelet-client-key=${admin.key}`,
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        ...(options.arguments ?? []),
      ],
      join(scratch.path, "kube-apiserver.log"),
      // A small heap, collected more often.
      { GOGC: "50" },
    );
  }

  /**
   * Starts etcd and the API server with nothing in it but what every cluster has, among that the `default` service accounts of the first namespaces.
   * @throws {Error} with the end of the log of what did not start
   */
  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const scratch = new ScratchDirectory("cluster");
    let etcd: Etcd | undefined;
    try {
      const certificates = await Certificates.create(join(scratch.path, "certificates"));
      const [serving, admin, port, started] = await Promise.all([
        certificates.serving("kube-apiserver"),
        certificates.client("admin", "admin", "system:masters"),
        freePort(),
        Etcd.start(join(scratch.path, "etcd")),
      ]);
      etcd = started;
      const server = new ApiServer(scratch, certificates, etcd, port, serving, admin, options);
      try {
        await server.restart();
        for (const namespace of ["default", "kube-system"]) await server.#populate(namespace);
      } catch (error) {
        await server.#process.stop("SIGKILL");
        throw error;
      }
      return server;
    } catch (error) {
      await etcd?.[Symbol.asyncDispose]();
      scratch[Symbol.dispose]();
      throw error;
    }
  }

  /** A scratch directory that is gone when the server is. */
  get directory(): string {
    return this.#scratch.path;
  }

  /** Undefined while it is stopped. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Ends the API server, as a crash does: connections are reset. etcd goes on running. */
  async stop(): Promise<void> {
    await this.#process.stop("SIGKILL");
  }

  /** Stops the API server where it runs, and starts it with the objects that it had. @param what `all`: etcd, too */
  async restart(what: "api-server" | "all" = "api-server"): Promise<void> {
    await this.stop();
    if (what === "all") await this.#etcd.restart();
    await this.#process.start(async () => {
      const [ready, namespace] = await Promise.all([
        this.ask("GET", "/readyz"),
        this.ask("GET", "/api/v1/namespaces/kube-system"),
      ]);
      return ready.status === 200 && namespace.status === 200;
    });
  }

  /** etcd forgets what has been: a list of an older resourceVersion gives 410, and after a restart a watch does, too. */
  async compact(): Promise<void> {
    await this.#etcd.compact();
  }

  /** The end of what the API server has logged, for messages. */
  log(): string {
    return this.#process.log();
  }

  /** One request. @param path with its query @returns the answer, whatever its status @throws {Error} where there is none in 30 s */
  ask(method: string, path: string, call: ApiCall = {}): Promise<ApiAnswer> {
    const { body, contentType = "application/json", token } = call;
    const authority = readFileSync(this.certificates.authority.certificate);
    return new Promise((resolve, reject) => {
      const asked = httpsRequest(
        `${this.url}${path}`,
        {
          method,
          ...(token === undefined ? { agent: this.#agent } : { agent: false, ca: authority }),
          headers: {
            Accept: "application/json",
            ...(body === undefined ? {} : { "Content-Type": contentType }),
            ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          },
          signal: AbortSignal.timeout(30_000),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              text: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      asked.on("error", reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /**
   * Watches a collection as the administrator, until the server ends it or it is disposed.
   * @param path of the collection
   * @param onChange told of every change: the object as it is then, and ADDED, MODIFIED or DELETED. Not of what there is already
   * @throws {Error} where it does not begin
   */
  async watch<Item>(path: string, onChange: (object: Item, type: string) => void): Promise<Disposable> {
    const { metadata } = await this.request<{ readonly metadata: { readonly resourceVersion: string } }>(
      "GET",
      `${path}?limit=1`,
    );
    const query = `?watch=true&resourceVersion=${metadata.resourceVersion}`;
    const asked = httpsRequest(`${this.url}${path}${query}`, { agent: this.#agent });
    asked.end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    if (answer.statusCode !== 200) throw new Error(`watch of ${path}: ${answer.statusCode}`);
    const lines = createInterface({ input: answer });
    // Ended from here, or by a server that is stopped: nobody waits for it.
    for (const emitter of [asked, answer, lines]) emitter.on("error", () => {});
    lines.on("line", (line) => {
      const { type, object } = JSON.parse(line);
      onChange(object, type);
    });
    return { [Symbol.dispose]: () => void asked.destroy() };
  }

  /** One request as the administrator that has to succeed. @returns the answer's body, parsed @throws {Error} with the server's message */
  async request<Answer>(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer> {
    const { status, text } = await this.ask(method, path, {
      body,
      ...(contentType === undefined ? {} : { contentType }),
    });
    if (status < 200 || status > 299) throw new Error(`${method} ${path}: ${status} ${text.trim()}`);
    return JSON.parse(text);
  }

  /** Creates a NetworkAttachmentDefinition in namespace default. @throws {Error} with the server's message */
  async createNetwork(name: string, config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.request("POST", "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions", {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name },
      spec: { config: JSON.stringify(config) },
    });
  }

  /**
   * Runs kubectl to its end, whatever its exit code.
   * @param kubeconfig of whom; default the administrator
   */
  kubectlOutcome(
    args: readonly string[],
    options: { readonly stdin?: string; readonly kubeconfig?: string } = {},
  ): Promise<CommandOutcome> {
    return runCommand([kubernetesProgram("kubectl"), ...args], {
      stdin: options.stdin,
      // Its discovery cache is below HOME.
      env: {
        PATH: process.env.PATH,
        HOME: this.directory,
        KUBECONFIG: options.kubeconfig ?? this.adminKubeconfig,
      },
    });
  }

  /** Runs kubectl as the administrator. @returns its output @throws {Error} with its message */
  async kubectl(...args: string[]): Promise<string> {
    return this.#succeeding(args, await this.kubectlOutcome(args));
  }

  #succeeding(args: readonly string[], { exitCode, stdout, stderr }: CommandOutcome): string {
    if (exitCode !== 0) throw new Error(`kubectl ${args.join(" ")}: exit code ${exitCode}: ${stderr.trim()}`);
    return stdout.toString();
  }

  /** `kubectl apply` of manifests as text. @returns what kubectl says of each @throws {Error} with its message */
  async apply(manifests: string): Promise<string> {
    const args = ["apply", "-f", "-"];
    return this.#succeeding(args, await this.kubectlOutcome(args, { stdin: manifests }));
  }

  /**
   * Waits until such requests are answered with 200. A server follows what is written of its rights and custom resources some moments later.
   * @param token without it the administrator asks
   * @throws {Error} after a minute, with the last answer
   */
  async untilServed(path: string, token?: string): Promise<void> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const { status, text } = await this.ask("GET", path, token === undefined ? {} : { token });
      if (status === 200) return;
      if (Date.now() > deadline) throw new Error(`GET ${path}: ${status} ${text.trim()}`);
      await sleep(50);
    }
  }

  /** Applies the manifests of deploy/base as they are: the custom resource is served, and the daemon's service account has its rights. */
  async applyDeployment(): Promise<void> {
    await this.kubectl("apply", "-k", deployBase);
    await this.untilDefinitionsServed();
  }

  /** Waits until what somebody applied of deploy/ counts: the custom resource is served, and the daemon's service account has its rights. @param listsPods may it list pods? Roles of Go multus do not all say so */
  async untilDefinitionsServed(listsPods = true): Promise<void> {
    const definition = "crd/network-attachment-definitions.k8s.cni.cncf.io";
    await this.kubectl("wait", "--for=condition=Established", "--timeout=60s", definition);
    const token = await this.createToken("kube-system", "multus", 600);
    // The group's own path is what kubectl finds the resource by.
    const networks = "/apis/k8s.cni.cncf.io/v1";
    const paths = [networks, `${networks}/network-attachment-definitions`];
    for (const path of listsPods ? [...paths, "/api/v1/pods"] : paths) await this.untilServed(path, token);
  }

  /** Makes what a cluster's controllers put into a namespace, and a pod with a service account needs. */
  async #populate(namespace: string): Promise<void> {
    await this.request("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
      metadata: { name: "default" },
    });
    await this.request("POST", `/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: { name: "kube-root-ca.crt" },
      data: { "ca.crt": readFileSync(this.certificates.authority.certificate, "utf8") },
    });
  }

  /** Makes a namespace, with its `default` service account. */
  async createNamespace(name: string): Promise<void> {
    await this.request("POST", "/api/v1/namespaces", { metadata: { name } });
    await this.#populate(name);
  }

  /**
   * A token of a service account.
   * @param seconds at least 600: the server gives none that is shorter
   * @param pod of that namespace that it is bound to, as kubelets ask for it; undefined: to nothing, as `kubectl create token` does
   */
  async createToken(
    namespace: string,
    serviceAccount: string,
    seconds = 3_600,
    pod?: string,
  ): Promise<string> {
    const answer = await this.request<{ readonly status: { readonly token: string } }>(
      "POST",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      {
        spec: {
          expirationSeconds: seconds,
          ...(pod !== undefined && { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod } }),
        },
      },
    );
    return answer.status.token;
  }

  /** A token with the server's own signature that lives as short as the test wants, or has expired. */
  async signToken(namespace: string, serviceAccount: string, lifetime: TokenLifetime): Promise<string> {
    const { metadata } = await this.request<{ readonly metadata: { readonly uid: string } }>(
      "GET",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}`,
    );
    const expires = Math.floor(Date.now() / 1000) + lifetime.expiresIn;
    const publicKey = createPublicKey(readFileSync(this.#signingKeys.publicKey));
    const header = {
      alg: "RS256",
      kid: createHash("sha256")
        .update(publicKey.export({ type: "spki", format: "der" }))
        .digest("base64url"),
    };
    const claims = {
      iss: issuer,
      aud: [issuer],
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      jti: randomUUID(),
      exp: expires,
      iat: expires - 3_600,
      nbf: expires - 3_600,
      "kubernetes.io": { namespace, serviceaccount: { name: serviceAccount, uid: metadata.uid } },
    };
    const signed = `${base64url(header)}.${base64url(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), readFileSync(this.#signingKeys.privateKey));
    return `${signed}.${signature.toString("base64url")}`;
  }

  #newPath(role: string): string {
    this.#written += 1;
    return join(this.directory, `${role}-${this.#written}`);
  }

  /** Writes a kubeconfig. @param server another URL than the server's own, such as a proxy's @returns its path */
  kubeconfigFor(credentials: Credentials, server: string = this.url): string {
    return writeKubeconfig(
      this.#newPath("kubeconfig"),
      server,
      this.certificates.authority.certificate,
      credentials,
    );
  }

  /** A kubeconfig with the certificate of a node's kubelet. @returns its path */
  async kubeletKubeconfig(nodeName: string): Promise<string> {
    return this.kubeconfigFor(await this.certificates.kubelet(nodeName));
  }

  /** The files that a container has for its service account, with this token. */
  serviceAccountFiles(namespace: string, token: string): ServiceAccountFiles {
    return new ServiceAccountFiles(
      this.#newPath("service-account"),
      this.certificates.authority.certificate,
      namespace,
      token,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.#process.stop("SIGKILL");
    await this.#etcd[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}
