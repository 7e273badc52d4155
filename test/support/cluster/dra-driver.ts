/**
 * A driver of dynamic resource allocation (DRA) of the tests' own, for one node: it publishes devices as a ResourceSlice, and prepares the claims that a real kubelet asks
 * it for. Devices are names with attributes; no file of a container's belongs to them.
 */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { GrpcServer, grpcService } from "../grpc-service.ts";
import type { ApiServer } from "./api-server.ts";

const pluginService = grpcService(
  join(import.meta.dirname, "dra-plugin.proto"),
  "k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin",
);
const registrationService = grpcService(
  join(import.meta.dirname, "plugin-registration.proto"),
  "pluginregistration.Registration",
);

const slices = "/apis/resource.k8s.io/v1/resourceslices";

/** A device as a ResourceSlice has it. */
export interface DraDevice {
  /** A DNS label. */
  readonly name: string;
  /** Texts by qualified names, `k8s.cni.cncf.io/deviceID`; at most 64 characters each. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** A claim as far as drivers and tests look. */
export interface ResourceClaim {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly status?: {
    readonly allocation?: {
      readonly devices: {
        readonly results: readonly {
          readonly request: string;
          readonly driver: string;
          readonly pool: string;
          readonly device: string;
        }[];
      };
    };
  };
}

interface ClaimReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

type ClaimsCall = ServerUnaryCall<{ readonly claims: readonly ClaimReference[] }, unknown>;

export interface DraDriverOptions {
  readonly api: ApiServer;
  /** The kubelet's `--root-dir`. */
  readonly kubeletRoot: string;
  readonly nodeName: string;
  /** A DNS name, `sriov.test`. */
  readonly name: string;
}

export class DraDriver implements AsyncDisposable {
  readonly #options: DraDriverOptions;
  readonly #registered: Promise<void>;
  readonly #prepared = new Set<string>();
  #onRegistered: (error: string) => void = () => {};
  #servers: readonly GrpcServer[] = [];
  #slice: string | undefined;

  private constructor(options: DraDriverOptions) {
    this.#options = options;
    this.#registered = new Promise((resolve, reject) => {
      this.#onRegistered = (error) => (error === "" ? resolve() : reject(new Error(error)));
    });
  }

  /** Serves, waits until the kubelet has registered it, and publishes the devices. @throws {Error} where the kubelet or the API server refuses */
  static async start(options: DraDriverOptions, devices: readonly DraDevice[]): Promise<DraDriver> {
    const driver = new DraDriver(options);
    try {
      await driver.#listen();
      await driver.#registered;
      await driver.#publish(devices);
    } catch (error) {
      await driver[Symbol.asyncDispose]();
      throw error;
    }
    return driver;
  }

  get name(): string {
    return this.#options.name;
  }

  /** `namespace/name` of the claims that are prepared on the node. */
  get prepared(): readonly string[] {
    return [...this.#prepared].sort();
  }

  async #listen(): Promise<void> {
    const { kubeletRoot, name } = this.#options;
    const directory = join(kubeletRoot, "plugins", name);
    const registry = join(kubeletRoot, "plugins_registry");
    for (const each of [directory, registry]) mkdirSync(each, { recursive: true });
    const endpoint = join(directory, "dra.sock");
    const registration = join(registry, `${name}-reg.sock`);
    for (const socket of [endpoint, registration]) rmSync(socket, { force: true });
    // The kubelet calls the first as soon as it sees the second.
    this.#servers = [
      await GrpcServer.listen(endpoint, [
        [
          pluginService,
          {
            nodePrepareResources: (call: ClaimsCall, answer: sendUnaryData<unknown>) =>
              this.#answer(call, answer, (claim) => this.#prepare(claim)),
            nodeUnprepareResources: (call: ClaimsCall, answer: sendUnaryData<unknown>) =>
              this.#answer(call, answer, async ({ namespace, name }) => {
                this.#prepared.delete(`${namespace}/${name}`);
                return {};
              }),
          },
        ],
      ]),
    ];
    const information = { type: "DRAPlugin", name, endpoint, supportedVersions: ["v1.DRAPlugin"] };
    this.#servers = [
      ...this.#servers,
      await GrpcServer.listen(registration, [
        [
          registrationService,
          {
            getInfo: (_: unknown, answer: sendUnaryData<unknown>) => answer(null, information),
            notifyRegistrationStatus: (
              { request }: ServerUnaryCall<{ pluginRegistered: boolean; error: string }, unknown>,
              answer: sendUnaryData<unknown>,
            ) => {
              this.#onRegistered(request.pluginRegistered ? "" : request.error || "the kubelet refused it");
              answer(null, {});
            },
          },
        ],
      ]),
    ];
  }

  /** Answers a call with what `work` says of each claim, by the claims' uids. */
  #answer(
    { request }: ClaimsCall,
    answer: sendUnaryData<unknown>,
    work: (claim: ClaimReference) => Promise<unknown>,
  ): void {
    Promise.all(
      request.claims.map(async (claim) => [
        claim.uid,
        await work(claim).catch((error: unknown) => ({ error: String(error) })),
      ]),
    ).then(
      (answers) => answer(null, { claims: Object.fromEntries(answers) }),
      (error: Error) => answer(error),
    );
  }

  async #prepare({ namespace, name }: ClaimReference): Promise<unknown> {
    const { status } = await this.#options.api.request<ResourceClaim>(
      "GET",
      `/apis/resource.k8s.io/v1/namespaces/${namespace}/resourceclaims/${name}`,
    );
    const results = status?.allocation?.devices.results ?? [];
    this.#prepared.add(`${namespace}/${name}`);
    return {
      devices: results
        .filter(({ driver }) => driver === this.name)
        .map(({ request, pool, device }) => ({
          requestNames: [request],
          poolName: pool,
          deviceName: device,
          cdiDeviceIds: [],
        })),
    };
  }

  async #publish(devices: readonly DraDevice[]): Promise<void> {
    const { api, nodeName, name } = this.#options;
    const { metadata } = await api.request<{ readonly metadata: { readonly name: string } }>("POST", slices, {
      apiVersion: "resource.k8s.io/v1",
      kind: "ResourceSlice",
      metadata: { generateName: `${nodeName}-${name}-` },
      spec: {
        driver: name,
        nodeName,
        pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
        devices: devices.map(({ name: device, attributes }) => ({
          name: device,
          attributes: Object.fromEntries(
            Object.entries(attributes).map(([key, value]) => [key, { string: value }]),
          ),
        })),
      },
    });
    this.#slice = metadata.name;
  }

  /** Ends it, and takes its devices out of the API; the kubelet would do that half a minute later. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server[Symbol.dispose]();
    if (this.#slice !== undefined) await this.#options.api.ask("DELETE", `${slices}/${this.#slice}`);
  }
}
