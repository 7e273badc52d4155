/** Targets: configurations and arguments of native networks. */

import { ExpectedError } from "../../../src/base/input-error.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { addressText, macText, parseAddress, parseCidr, parseMac } from "../../../src/native/address.ts";
import { recognize } from "../../../src/native/recognition.ts";
import { resultBytes } from "../../../src/native/result.ts";
import { linkProblem, madeOf } from "../../support/native-link.ts";
import { goldenConfigs } from "../engine/golden.ts";
import { attempt, type FuzzTarget, must, mustEqual } from "../engine/target.ts";

const kernels = loadKernels();

const runtime = {
  containerId: "c0ffee",
  netns: "/run/netns/web",
  ifName: "net1",
  args: [],
  capabilityArgs: undefined,
};
const network = Buffer.from(
  '{"cniVersion":"1.0.0","name":"n","type":"bridge","capabilities":{"mac":true,"ips":true,"ipRanges":true},"ipam":{"type":"host-local","subnet":"10.1.0.0/16"}}',
);

function mustBeNative(
  list: ReturnType<typeof parseNetworkConfig>,
  attached: Parameters<typeof recognize>[1],
): void {
  const recognized = recognize(list, attached);
  if (typeof recognized === "string") {
    must(recognized !== "", "a reason without words");
    return;
  }
  const problem = linkProblem(recognized.link);
  must(problem === undefined, `a link with ${problem}`);
  const result = resultBytes(recognized, madeOf(recognized.link), list.cniVersion, attached.netns);
  const checked = kernels.convertResult({ result, configVersion: "0.1.0", targetVersion: undefined });
  must(Buffer.compare(checked, result) === 0, "a result that is not taken as it is");
}

export const configurationTarget: FuzzTarget = {
  name: "native/configuration",
  covers: [
    "src/native/configuration.ts readConfiguration",
    "src/native/exact-object.ts readList",
    "src/native/exact-object.ts readMac",
    "src/native/host-local.ts readHostLocal",
    "src/native/static.ts readStatic",
    "src/native/tuning.ts readTuning",
  ],
  seeds: () => [
    network,
    '{"cniVersion":"0.4.0","name":"n","type":"bridge","bridge":"br0","isDefaultGateway":true,"mtu":1400,"dns":{"domain":"d","search":["a"]},"ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.9","gateway":"10.1.0.2"}],[{"subnet":"fd00:1::/64"}]],"routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.2","priority":5}],"dataDir":"/run/ipam"}}',
    '{"cniVersion":"1.1.0","name":"n","plugins":[{"type":"macvlan","master":"eth1","mode":"vepa","mac":"02:00:00:00:00:01","ipam":{"type":"static","addresses":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}],"dns":{"options":["a"]}}}]}',
    '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"ptp","ipam":{"type":"host-local","subnet":"10.1.0.0/24"}},{"type":"tuning","dataDir":"/run/t/","mac":"02:00:00:00:00:01","promisc":true,"allmulti":false,"mtu":1400,"txQLen":0,"sysctl":{"net.ipv4.conf.IFNAME.arp_ignore":"1","net/ipv6/neigh/IFNAME/app_solicit":"2"}}]}',
    ...goldenConfigs().slice(0, 20),
  ],
  words: [
    '"subnet":"',
    '"ranges":[[',
    '"ipMasq":true',
    ',{"type":"tuning"}',
    '"sysctl":{"net.ipv4.conf.IFNAME.',
    '"allmulti":',
    '"Mtu":',
    '"mtu":null',
    "/129",
    "::",
    ":ffff:",
    '"gw":"',
    "\\u0000",
  ],
  run(input) {
    const list = attempt(input, [ExpectedError], () =>
      parseNetworkConfig(input, "input", kernels, { name: "given", cniVersion: "1.0.0" }),
    );
    if (list !== undefined) mustBeNative(list, runtime);
  },
};

export const argumentsTarget: FuzzTarget = {
  name: "native/arguments",
  covers: [],
  seeds: () => [
    '{"mac":"02:00:00:00:00:01","ips":["10.1.0.5","10.2.0.9/24"],"ipRanges":[[{"subnet":"10.2.0.0/24"}]],"portMappings":[]}',
    '{"m\\u0061c":"","mac":""}',
  ],
  words: ['"mac":', '"ips":[', '"ipRanges":[[{"subnet":"', "null", "/24"],
  run(input) {
    mustBeNative(parseNetworkConfig(network, "input", kernels), { ...runtime, capabilityArgs: input });
    const text = input.toString("utf8");
    const args = [["IgnoreUnknown", "1"] as const, ["IP", text] as const, ["MAC", text] as const];
    mustBeNative(parseNetworkConfig(network, "input", kernels), { ...runtime, args });
  },
};

export const addressTarget: FuzzTarget = {
  name: "native/address",
  covers: [
    "src/native/address.ts parseAddress",
    "src/native/address.ts parseCidr",
    "src/native/address.ts parseMac",
  ],
  seeds: () => [
    "10.1.0.5",
    "10.1.0.5/16",
    "fd00:1::5/64",
    "2001:DB8:0:0:1:0:0:1",
    "::ffff:1.2.3.4",
    "::/0",
    "02:00:00:00:00:0A",
  ],
  words: ["::", "0:", ":0", ".", "%", "/", "ffff"],
  run(input) {
    const text = input.toString("utf8");
    const address = parseAddress(text);
    if (address !== undefined) {
      const again = parseAddress(addressText(address));
      mustEqual(Array.from(again ?? []), Array.from(address), "an address is read again");
      if (address.length === 4) mustEqual(addressText(address), text, "IPv4 has one text");
      // The URL parser writes addresses as RFC 5952 has it.
      else mustEqual(`[${addressText(address)}]`, new URL(`http://[${text}]`).hostname, "the text of IPv6");
    }
    const cidr = parseCidr(text);
    must(cidr === undefined || cidr.prefix <= cidr.address.length * 8, "a prefix that is too long");
    const mac = parseMac(text);
    if (mac !== undefined) mustEqual(macText(mac), text.toLowerCase(), "a MAC address has one text");
  },
};
