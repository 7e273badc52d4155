/** LINK_STATES, in real network namespaces: links, their MAC addresses and addresses, in one order. */

import { describe, expect, test } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { spawnAgent } from "./support/agent.ts";
import { shims } from "./support/binaries.ts";
import { addLink, isRoot } from "./support/links.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";

const mac = (digits: string) => Buffer.from(digits, "hex");
const absent = { exists: false };

/** A CHECK in the namespace. */
function check(daemon: ShimDaemon, namespace: Namespace) {
  return daemon.connected({ env: { CNI_COMMAND: "CHECK", CNI_NETNS: namespace.path } });
}

async function twoLinks(): Promise<Namespace> {
  const namespace = await Namespace.create("states");
  for (const [ifName, address] of [
    ["net1", "02:00:00:00:00:01"],
    ["net2", "02:00:00:00:00:02"],
  ] as const) {
    await addLink(namespace, ifName);
    await namespace.ip("link", "set", ifName, "address", address);
  }
  for (const [address, ifName] of [
    ["10.1.0.5/16", "net1"],
    ["fd00::5/64", "net1"],
    ["10.2.0.5/16", "net2"],
  ] as const) {
    await namespace.ip("addr", "add", address, "dev", ifName);
  }
  await namespace.ip("addr", "add", "10.3.0.5", "peer", "10.3.0.1/32", "dev", "net1");
  return namespace;
}

describe.runIf(isRoot).each(shims)("links that are looked at, $name shim", ({ binary }) => {
  test("are there or not, with their MAC addresses and those of the addresses that they lack", async () => {
    await using namespace = await twoLinks();
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await check(daemon, namespace);
    const links = [
      { ifName: "net2", addresses: ["10.2.0.5", "10.1.0.5", "fd00::5"] },
      { ifName: "gone", addresses: ["10.1.0.5"] },
      // The last is at the other end of its link.
      { ifName: "net1", addresses: ["10.1.0.5", "fd00:0::0005", "10.3.0.5", "10.1.0.6", "10.3.0.1"] },
      { ifName: "net1", addresses: [] },
    ];
    expect(await stream.order(FrameType.linkStates, { netns: namespace.path, links })).toEqual({
      links: [
        { exists: true, mac: mac("020000000002"), absent: [1, 2] },
        absent,
        { exists: true, mac: mac("020000000001"), absent: [3, 4] },
        { exists: true, mac: mac("020000000001"), absent: [] },
      ],
    });
  });

  test("are found by an alternative name", async () => {
    await using namespace = await twoLinks();
    await namespace.ip("link", "property", "add", "dev", "net1", "altname", "other");
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await check(daemon, namespace);
    const links = [{ ifName: "other", addresses: [] }];
    expect(await stream.order(FrameType.linkStates, { netns: namespace.path, links })).toMatchObject({
      links: [{ exists: true }],
    });
  });

  test("are found among thousands of addresses, 1024 links with 64 addresses in one order", async () => {
    await using namespace = await twoLinks();
    await using directory = new ScratchDirectory("states");
    const addresses = (first: number) => Array.from({ length: 64 }, (_, index) => `10.9.${first}.${index}`);
    const lines = Array.from({ length: 64 }, (_, first) =>
      addresses(first).map((address) => `addr add ${address}/32 dev net1`),
    ).flat();
    await namespace.ip("-batch", directory.write("addresses", lines.join("\n")));
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await check(daemon, namespace);
    const links = Array.from({ length: 1024 }, (_, place) => ({
      ifName: place === 1023 ? "net2" : "net1",
      addresses: addresses(place % 64),
    }));
    const answer = await stream.order(FrameType.linkStates, { netns: namespace.path, links });
    expect(answer, String(answer.message)).not.toHaveProperty("error");
    expect(answer.links).toEqual([
      ...Array.from({ length: 1023 }, () => ({ exists: true, mac: mac("020000000001"), absent: [] })),
      { exists: true, mac: mac("020000000002"), absent: Array.from({ length: 64 }, (_, index) => index) },
    ]);
  });

  const good = { ifName: "net1", addresses: ["10.1.0.5"] };
  test.each<{ about: string; body: (netns: string) => FrameBody; says: RegExp }>([
    { about: "no namespace", body: () => ({ links: [good] }), says: /`netns` is missing/ },
    { about: "an empty namespace", body: () => ({ netns: "", links: [good] }), says: /`netns` is empty/ },
    { about: "no links", body: (netns) => ({ netns }), says: /`links` is missing/ },
    { about: "an empty list", body: (netns) => ({ netns, links: [] }), says: /no elements, or too many/ },
    {
      about: "1025 links",
      body: (netns) => ({ netns, links: Array(1025).fill(good) }),
      says: /no elements, or too many/,
    },
    {
      about: "a link that is no map",
      body: (netns) => ({ netns, links: [good, 1] }),
      says: /not a map \(in `links`\)/,
    },
    {
      about: "a link without a name",
      body: (netns) => ({ netns, links: [{ addresses: [] }] }),
      says: /`ifName` is missing \(in `links`\)/,
    },
    {
      about: "a name of 16 bytes",
      body: (netns) => ({ netns, links: [{ ...good, ifName: "sixteen-bytes-is" }] }),
      says: /`ifName` is not 1 to 15 bytes long/,
    },
    {
      about: "a link without addresses",
      body: (netns) => ({ netns, links: [{ ifName: "net1" }] }),
      says: /`addresses` is missing/,
    },
    {
      about: "65 addresses of a link",
      body: (netns) => ({ netns, links: [{ ...good, addresses: Array(65).fill("10.1.0.5") }] }),
      says: /`addresses` has too many/,
    },
    ...["", "10.1.0.5/16", "net1", "fe80::1%net1", "10.1.0", "x".repeat(100_000), 7, null].map((address) => ({
      about: `the address ${String(address).slice(0, 20)}`,
      body: (netns: string) => ({ netns, links: [{ ...good, addresses: ["10.1.0.5", address] }] }),
      says: /`addresses` has an element that is not an address/,
    })),
  ])("are refused with $about", async ({ body, says }) => {
    await using namespace = await Namespace.create("states");
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await check(daemon, namespace);
    expect(await stream.order(FrameType.linkStates, body(namespace.path))).toEqual({
      error: "refused",
      message: expect.stringMatching(says),
    });
    stream.reply(1, '{"code":999,"msg":"end"}');
    expect(errorOf(await outcome)).toEqual({ code: 999, msg: "end" });
  });

  test("cannot be told of where the namespace cannot be entered", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const netns = "/run/netns/mwt-never-made";
    const { stream } = await daemon.connected({ env: { CNI_COMMAND: "CHECK", CNI_NETNS: netns } });
    expect(await stream.order(FrameType.linkStates, { netns, links: [good] })).toEqual({
      error: "netns",
      message: expect.stringContaining(`${netns}: No such file or directory`),
    });
  });

  test("are told of by an agent", async () => {
    await using namespace = await twoLinks();
    const { stream } = spawnAgent([binary, "agent", "--path", "/nonexistent", "--fd", "3"], {});
    await stream.greet("agent");
    expect(await stream.order(FrameType.linkStates, { netns: namespace.path, links: [good] })).toEqual({
      links: [{ exists: true, mac: mac("020000000001"), absent: [] }],
    });
    stream.destroy();
  });
});
