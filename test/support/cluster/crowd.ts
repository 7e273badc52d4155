/** Fills a cluster with as many networks as a large one has, and a node with as many pods: what a daemon has to live with, whoever uses them. */

import { pauseImageName } from "../pause-image.ts";
import { masterLink } from "../test-node.ts";
import type { ApiServer } from "./api-server.ts";

export interface Crowd {
  /** NetworkAttachmentDefinitions. */
  readonly networks: number;
  /** Of the node. Nobody starts them. */
  readonly pods: number;
  readonly nodeName: string;
}

/** Both are spread over so many namespaces. */
const namespaces = 20;
/** Requests under way. More do not make it quicker. */
const atOnce = 24;

const namespaceOf = (index: number): string => `team-${index % namespaces}`;

/** Macvlan with addresses, routes and a second plugin: some 600 bytes. */
function networkConfig(index: number): string {
  const subnet = `10.${index >> 8}.${index & 255}`;
  return JSON.stringify(
    {
      cniVersion: "1.0.0",
      name: `network-${index}`,
      plugins: [
        {
          type: "macvlan",
          master: masterLink,
          mode: "bridge",
          mtu: 1500,
          ipam: {
            type: "host-local",
            ranges: [
              [
                {
                  subnet: `${subnet}.0/24`,
                  rangeStart: `${subnet}.10`,
                  rangeEnd: `${subnet}.200`,
                  gateway: `${subnet}.1`,
                },
              ],
            ],
            routes: [{ dst: "192.168.0.0/16", gw: `${subnet}.1` }],
          },
        },
        { type: "tuning", sysctl: { "net.core.somaxconn": "512" } },
      ],
    },
    undefined,
    2,
  );
}

function network(index: number): unknown {
  return {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: {
      name: `network-${index}`,
      labels: { "app.kubernetes.io/managed-by": "network-team", zone: `zone-${index % 3}` },
    },
    spec: { config: networkConfig(index) },
  };
}

/** As a deployment's pod that runs is: some kilobytes, most of them of no use to a network plugin. */
function pod(index: number, { networks, nodeName }: Crowd): unknown {
  const selected = [0, 1, 2].map((step) => (index * 7 + step) % Math.max(1, networks));
  const selection = selected.map((one) => `${namespaceOf(one)}/network-${one}`).join(", ");
  const status = selected.map((one, place) => ({
    name: `${namespaceOf(one)}/network-${one}`,
    interface: `net${place + 1}`,
    ips: [`10.${one >> 8}.${one & 255}.${10 + (index % 190)}`],
    mac: "02:00:00:00:00:01",
    dns: {},
  }));
  const variables = Array.from({ length: 20 }, (_, number) => ({
    name: `SETTING_${number}`,
    value: `the value of setting ${number} of application ${index}`,
  }));
  return {
    metadata: {
      name: `application-${index}-7d9c5b6f4-x${index}`,
      labels: { app: `application-${index}`, "pod-template-hash": "7d9c5b6f4" },
      annotations: {
        "k8s.v1.cni.cncf.io/networks": selection,
        "k8s.v1.cni.cncf.io/network-status": JSON.stringify(status, undefined, 4),
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9090",
      },
    },
    spec: { nodeName, containers: [{ name: "main", image: pauseImageName, env: variables }] },
  };
}

async function inParallel(tasks: readonly (() => Promise<unknown>)[]): Promise<void> {
  const waiting = tasks.values();
  const worker = async () => {
    for (const task of waiting) await task();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Creates all of it, within some seconds. @throws {Error} with the server's message */
export async function createCrowd(api: ApiServer, crowd: Crowd): Promise<void> {
  for (let index = 0; index < namespaces; index++) await api.createNamespace(namespaceOf(index));
  const nads = Array.from({ length: crowd.networks }, (_, index) => {
    const path = `/apis/k8s.cni.cncf.io/v1/namespaces/${namespaceOf(index)}/network-attachment-definitions`;
    return () => api.request("POST", path, network(index));
  });
  const pods = Array.from({ length: crowd.pods }, (_, index) => {
    const path = `/api/v1/namespaces/${namespaceOf(index)}/pods`;
    return () => api.request("POST", path, pod(index, crowd));
  });
  await inParallel([...nads, ...pods]);
}
