/** DEFAULT_ROUTE in real network namespaces: what goes, what stays, what comes. */

import { describe, expect, test } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { Namespace } from "../support/namespace.ts";
import { shims } from "./support/binaries.ts";
import { addLink, isRoot } from "./support/links.ts";
import { ShimDaemon } from "./support/shim-daemon.ts";
import type { ShimStream } from "./support/shim-stream.ts";

interface DefaultRoute {
  readonly gateway?: string;
  readonly dev?: string;
  readonly metric?: number;
  readonly protocol?: string;
  readonly flags: readonly string[];
  readonly nexthops?: readonly { readonly dev: string }[];
}

/** Default routes of the main table, in the kernel's order. */
async function defaultRoutes(namespace: Namespace, family: 4 | 6): Promise<DefaultRoute[]> {
  const routes: (DefaultRoute & { readonly dst: string })[] = JSON.parse(
    (await namespace.ip(`-${family}`, "-j", "-d", "route", "show", "table", "main")) || "[]",
  );
  return routes.filter(({ dst }) => dst === "default");
}

/** In short: `via gateway dev link metric n`. */
async function summary(namespace: Namespace, family: 4 | 6): Promise<string[]> {
  const routes = await defaultRoutes(namespace, family);
  return routes
    .map(({ gateway = "-", dev, metric = 0, nexthops = [] }) =>
      [gateway, dev ?? nexthops.map((hop) => hop.dev).join("+"), metric].join(" "),
    )
    .sort();
}

/** A namespace with eth0 (10.0.0.2/24, fd00:a::2/64) and net1 (10.0.1.2/24, fd00:b::2/64), both up. */
async function podNamespace(): Promise<Namespace> {
  const namespace = await Namespace.create("routes");
  for (const [ifName, ipv4, ipv6] of [
    ["eth0", "10.0.0.2/24", "fd00:a::2/64"],
    ["net1", "10.0.1.2/24", "fd00:b::2/64"],
  ] as const) {
    await addLink(namespace, ifName);
    await namespace.ip("addr", "add", ipv4, "dev", ifName);
    await namespace.ip("addr", "add", ipv6, "dev", ifName, "nodad");
  }
  return namespace;
}

const set = (stream: ShimStream, namespace: Namespace, over: FrameBody): Promise<FrameBody> =>
  stream.order(FrameType.defaultRoute, {
    netns: namespace.path,
    ifName: "eth0",
    clear: [],
    add: [],
    ...over,
  });

describe.runIf(isRoot).each(shims)("default routes, $name shim", ({ binary }) => {
  test("removes those of one interface and family, whatever their metric and protocol, and no others", async () => {
    await using namespace = await podNamespace();
    const routes = [
      "-4 default via 10.0.0.1 dev eth0",
      "-4 default via 10.0.0.1 dev eth0 metric 100 proto dhcp",
      "-4 default via 10.0.0.3 dev eth0 metric 200 proto static src 10.0.0.2",
      "-4 default dev eth0 metric 300 scope link",
      "-4 default via 10.0.1.1 dev net1 metric 50",
      "-4 default via 10.0.0.1 dev eth0 table 100",
      "-4 10.9.0.0/16 via 10.0.0.1 dev eth0",
      "-4 0.0.0.0/1 via 10.0.0.1 dev eth0",
      "-4 blackhole default metric 9999",
      "-6 default via fd00:a::1 dev eth0 metric 10",
      "-6 default via fd00:a::1 dev eth0 metric 20 proto ra",
      "-6 default via fd00:b::1 dev net1",
    ];
    for (const route of routes) {
      const [family = "", ...words] = route.split(" ");
      await namespace.ip(family, "route", "add", ...words);
    }
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });

    expect(await set(stream, namespace, { clear: [4] })).toEqual({});
    expect(await summary(namespace, 4)).toEqual(
      ["- undefined 9999", "10.0.1.1 net1 50"].map((text) => text.replace("undefined", "")),
    );
    expect(await summary(namespace, 6)).toEqual([
      "fd00:a::1 eth0 10",
      "fd00:a::1 eth0 20",
      "fd00:b::1 net1 1024",
    ]);
    expect(await namespace.ip("-4", "route", "show", "table", "100")).toContain("default via 10.0.0.1");
    const others = await namespace.ip("-4", "route", "show");
    expect(others).toContain("10.9.0.0/16 via 10.0.0.1");
    expect(others).toContain("0.0.0.0/1 via 10.0.0.1");

    expect(await set(stream, namespace, { clear: [6] })).toEqual({});
    expect(await summary(namespace, 6)).toEqual(["fd00:b::1 net1 1024"]);
    // Nothing left to remove is fine too.
    expect(await set(stream, namespace, { clear: [4, 6] })).toEqual({});
    expect(await summary(namespace, 6)).toEqual(["fd00:b::1 net1 1024"]);
  });

  test("removes a route with several next hops if one of them is the interface", async () => {
    await using namespace = await podNamespace();
    const hops = (a: string, b: string) => [
      "nexthop",
      "via",
      a,
      "dev",
      "eth0",
      "weight",
      "1",
      "nexthop",
      "via",
      b,
      "dev",
      "net1",
      "weight",
      "2",
    ];
    await namespace.ip("-4", "route", "add", "default", ...hops("10.0.0.1", "10.0.1.1"));
    await namespace.ip("-6", "route", "add", "default", ...hops("fd00:a::1", "fd00:b::1"));
    await namespace.ip("-4", "route", "add", "default", "via", "10.0.0.9", "dev", "eth0", "metric", "7");
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    expect(await set(stream, namespace, { ifName: "net1", clear: [4, 6] })).toEqual({});
    expect(await summary(namespace, 4)).toEqual(["10.0.0.9 eth0 7"]);
    expect(await summary(namespace, 6)).toEqual([]);
  });

  test("removes routes that point to next hop objects", async () => {
    await using namespace = await podNamespace();
    await namespace.ip("nexthop", "add", "id", "1", "via", "10.0.0.1", "dev", "eth0");
    await namespace.ip("nexthop", "add", "id", "2", "via", "10.0.1.1", "dev", "net1");
    await namespace.ip("nexthop", "add", "id", "6", "via", "fd00:a::1", "dev", "eth0");
    await namespace.ip("-4", "route", "add", "default", "nhid", "1");
    await namespace.ip("-4", "route", "add", "default", "nhid", "2", "metric", "5");
    await namespace.ip("-6", "route", "add", "default", "nhid", "6");
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    expect(await set(stream, namespace, { clear: [4, 6] })).toEqual({});
    expect(await summary(namespace, 4)).toEqual(["10.0.1.1 net1 5"]);
    expect(await summary(namespace, 6)).toEqual([]);
  });

  test("adds gateways of both families after it has cleared, and again without harm", async () => {
    await using namespace = await podNamespace();
    await namespace.ip("-4", "route", "add", "default", "via", "10.0.1.9", "dev", "net1");
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    const order = { ifName: "net1", clear: [4, 6], add: ["10.0.1.1", "fd00:b::1"] };
    for (let time = 0; time < 2; time++) {
      expect(await set(stream, namespace, order)).toEqual({});
      expect(await summary(namespace, 4)).toEqual(["10.0.1.1 net1 0"]);
      expect(await summary(namespace, 6)).toEqual(["fd00:b::1 net1 1024"]);
    }
    // Without clearing, the same gateway is there already.
    expect(await set(stream, namespace, { ifName: "net1", add: ["10.0.1.1", "fd00:b::1"] })).toEqual({});
    expect(await summary(namespace, 4)).toEqual(["10.0.1.1 net1 0"]);
    expect(await summary(namespace, 6)).toEqual(["fd00:b::1 net1 1024"]);
  });

  test("takes a gateway outside the interface's prefixes to be on the link", async () => {
    await using namespace = await podNamespace();
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    expect(await set(stream, namespace, { add: ["169.254.1.1", "fd99::1"] })).toEqual({});
    for (const family of [4, 6] as const) {
      expect(await defaultRoutes(namespace, family)).toMatchObject([{ dev: "eth0", flags: ["onlink"] }]);
    }
    expect(await set(stream, namespace, { clear: [6] })).toEqual({});
    expect(await set(stream, namespace, { ifName: "net1", add: ["fe80::1"] })).toEqual({});
    expect(await summary(namespace, 6)).toEqual(["fe80::1 net1 1024"]);
  });

  test("does not take another interface's route for its own", async () => {
    await using namespace = await podNamespace();
    await namespace.ip("-4", "route", "add", "default", "via", "10.0.0.1", "dev", "eth0");
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    expect(await set(stream, namespace, { ifName: "net1", add: ["10.0.1.1"] })).toEqual({
      error: "failed",
      message: expect.stringMatching(/default routes of net1 in .*: adding a default route.*: File exists/),
    });
  });

  test("says what is wrong", async () => {
    await using namespace = await podNamespace();
    await namespace.ip("link", "set", "net1", "down");
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    expect(await set(stream, namespace, { ifName: "absent", clear: [4] })).toEqual({
      error: "failed",
      message: expect.stringMatching(/absent in .*: No such device/),
    });
    expect(await set(stream, namespace, { ifName: "net1", add: ["10.0.1.1"] })).toEqual({
      error: "failed",
      message: expect.stringMatching(/adding a default route.*(Network is down|not up)/),
    });
    for (const gateway of ["", "10.0.0", "10.0.0.1/24", "fd00::g", "host"]) {
      expect(await set(stream, namespace, { clear: [4], add: [gateway] })).toEqual({
        error: "failed",
        message: expect.stringContaining(`gateway "${gateway}" is not an address`),
      });
    }
    const missing = await daemon.connected({ env: { CNI_NETNS: "/nonexistent" } });
    expect(
      await missing.stream.order(FrameType.defaultRoute, {
        netns: "/nonexistent",
        ifName: "eth0",
        clear: [4],
        add: [],
      }),
    ).toMatchObject({
      error: "netns",
    });
  });

  test("copes with a namespace that has many routes", async () => {
    await using namespace = await podNamespace();
    const batch = Array.from(
      { length: 3000 },
      (_, i) => `route add 10.${100 + (i >> 8)}.${i & 255}.0/24 via 10.0.0.1 dev eth0`,
    );
    const defaults = Array.from(
      { length: 500 },
      (_, i) => `route add default via 10.0.0.1 dev eth0 metric ${i + 1}`,
    );
    const lines = [...batch, ...defaults].join("\n");
    const outcome = await namespace.run(["ip", "-batch", "-"], { stdin: `${lines}\n` });
    expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    expect(await set(stream, namespace, { clear: [4, 6], add: ["10.0.0.1"] })).toEqual({});
    expect(await summary(namespace, 4)).toEqual(["10.0.0.1 eth0 0"]);
    expect(await namespace.routes()).toHaveLength(3000 + 2 + 1);
  });
});
