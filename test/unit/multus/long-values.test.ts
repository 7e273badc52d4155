/** Long values from outside: the error for the runtime, its log line and its event stay short, and still name the problem. */

import { beforeAll, describe, expect, test } from "vitest";
import type { CniRequest } from "../../../src/cni/request.ts";
import { logRequest } from "../../../src/daemon/request-log.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { logSettings } from "../../../src/log/settings.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** As many as an annotation may have. */
const length = 240_000;
const long = "l".repeat(length);
const control = "\u0001".repeat(length);
/** As many as fit into an annotation once more in JSON, which writes six characters for one. */
const controlInJson = "\u0001".repeat(length / 6);

interface Case {
  readonly about: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly netconf?: Json;
  readonly request?: Partial<CniRequest>;
  readonly says: RegExp;
}

const args = (name: string) => `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_UID=u-1`;

const cases: readonly Case[] = [
  { about: "a selection", annotations: selecting(long), says: /item 1, "l+…" \(240000 characters\): name/ },
  { about: "control characters", annotations: selecting(control), says: /is no DNS-1123 label/ },
  {
    about: "a namespace",
    annotations: selecting(`${long}/a`),
    says: /namespace "l+…" \(240000 characters\) is no/,
  },
  { about: "an interface", annotations: selecting(`a@${long}`), says: /is longer than 15 bytes/ },
  {
    about: "a name in JSON",
    annotations: selecting([{ name: controlInJson }]),
    says: /must be a DNS-1123 name/,
  },
  {
    about: "an address",
    annotations: selecting([{ name: "a", ips: [controlInJson] }]),
    says: /must be an IP address or CIDR, is ".*…" \(40000 characters\)/,
  },
  { about: "a MAC", annotations: selecting([{ name: "a", mac: long }]), says: /must be a hardware address/ },
  {
    about: "a member's name",
    annotations: selecting([{ name: "a", bandwidth: { [long]: "x" } }]),
    says: /there is no network-attachment-definition a/,
  },
  {
    about: "a default network",
    annotations: { "v1.multus-cni.io/default-network": control },
    says: /default-network.*is no DNS-1123 label/,
  },
  { about: "CNI_IFNAME", request: { ifName: long }, says: /is longer than 15 bytes/ },
  { about: "CNI_ARGS", request: { args: control }, says: /is not key=value/ },
  {
    about: "the pod's name",
    request: { args: args(long) },
    annotations: selecting("no_label"),
    says: /no DNS/,
  },
  { about: "CNI_COMMAND", request: { command: control }, says: /is no command/ },
  { about: "cniVersion", netconf: { cniVersion: control }, says: /is not supported/ },
  { about: "the network's name", netconf: { name: control }, says: /must be letters/ },
  { about: "clusterNetwork", netconf: { clusterNetwork: `/${long}` }, says: /there is no|cannot read/ },
  { about: "a key's value", netconf: { delegates: control }, says: /delegates must be array/ },
  {
    about: "a plugin's type",
    netconf: { delegates: [{ name: "n", type: `/${control}` }] },
    says: /type ".*…" \(240001 characters\) must be/,
  },
  {
    about: "a plugin's key",
    netconf: { delegates: [{ name: "n", type: "a", capabilities: { [long]: [control] }, ipam: long }] },
    says: /capabilities\.l{200}… \(240000 characters\)/,
  },
];

describe("240,000 characters of", () => {
  test.each(cases)("$about", async ({ annotations, netconf, request, says }) => {
    using rig = new Rig(kernels);
    const handled = await rig.run("ADD", {
      ...(annotations && { annotations }),
      ...(netconf && { netconf }),
      ...(request && { request }),
    });
    const answer = answerOf(handled);
    expect(answer.msg).toMatch(says);
    expect(String(answer.msg).length).toBeLessThan(4_200);
    expect(handled.stdout.length).toBeLessThan(9_000);
    const lines: string[] = [];
    const loggers = new Loggers((line) => lines.push(line));
    const log = loggers.get(logSettings({ logLevel: "error", logToStderr: true }));
    const whole = {
      command: "ADD",
      containerId,
      netns: "",
      ifName: "",
      args: "",
      path: "",
      config: Buffer.of(),
    };
    logRequest(log, { ...whole, ...request }, handled, { queue: 0, total: 1, gone: false });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.length).toBeLessThan(12_000);
  });

  test("a plugin's message, and those of many plugins that fail", async () => {
    using rig = new Rig(kernels);
    const names = Array.from({ length: 30 }, (_, index) => `n${index}`);
    for (const name of names) rig.addNad(`default/${name}`, { cniVersion: "1.0.0", type: "macvlan" });
    const annotations = selecting(names.join(","));
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(0);
    rig.plugins.behaviour = ({ command }) =>
      command === "DEL" ? { exitCode: 1, stdout: { code: 100, msg: long, details: long } } : undefined;
    const handled = await rig.run("DEL", { annotations });
    const { msg, details } = answerOf(handled);
    expect(msg).toMatch(/plugin "macvlan" \(DEL\) failed: l+… \(240000 characters\)/);
    expect(String(msg).length).toBeLessThan(4_200);
    expect(String(details).length).toBeLessThan(16_500);
  });
});
