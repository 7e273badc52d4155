/** The client of the kubelet's pod-resources socket, against a real gRPC server: devices, and every way in which the kubelet can fail. */

import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { PodResources } from "../../../src/devices/pod-resources.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { DevicesUnknown } from "../../../src/multus/plan/devices.ts";
import { type PodOfKubelet, PodResourcesServer } from "../../support/pod-resources-server.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const opened = new Set<() => unknown>();
afterEach(async () => {
  for (const end of [...opened].reverse()) await end();
  opened.clear();
});

function scratchSocket(): string {
  const directory = new ScratchDirectory("pod-resources");
  opened.add(() => directory[Symbol.dispose]());
  return join(directory.path, "kubelet.sock");
}

async function served(socket = scratchSocket()): Promise<PodResourcesServer> {
  const server = await new PodResourcesServer(socket).listen();
  opened.add(() => server[Symbol.asyncDispose]());
  return server;
}

function client(socket: string, limits: { deadlineMs?: number; patienceMs?: number } = {}): PodResources {
  const podResources = new PodResources({ socket, log: silentLogger, ...limits });
  opened.add(() => podResources.close());
  return podResources;
}

async function connected(limits?: { deadlineMs?: number; patienceMs?: number }) {
  const socket = scratchSocket();
  return { server: await served(socket), kubelet: client(socket, limits), socket };
}

const reference = (name: string, namespace = "default") => ({
  namespace,
  name,
  uid: `u-${name}`,
  sandboxId: "s",
});

function pod(name: string, ...ids: string[]): PodOfKubelet {
  return {
    name,
    namespace: "default",
    containers: [{ name: "app", devices: [{ resource_name: "intel.com/sriov", device_ids: ids }] }],
  };
}

const devicesOf = (...ids: string[]) => [{ container: "app", resourceName: "intel.com/sriov", ids }];

describe("an answer", () => {
  it("has the devices of all containers, in the kubelet's order, whatever else comes with them", async () => {
    const { server, kubelet } = await connected();
    server.pods = [
      pod("other", "x"),
      {
        name: "web",
        namespace: "default",
        containers: [
          {
            name: "sidecar",
            cpu_ids: [1, 2, 3],
            devices: [
              { resource_name: "a/b", device_ids: ["2", "1"], topology: { nodes: [{ ID: 0 }, { ID: 1 }] } },
              { resource_name: "c/d", device_ids: ["x"] },
            ],
            memory: [{ memory_type: "memory", size: 4096, topology: { nodes: [{ ID: 1 }] } }],
            dynamic_resources: [
              { claim_name: "c", claim_namespace: "default", claim_resources: [{ driver_name: "d" }] },
            ],
          },
          { name: "app" },
        ],
      },
    ];
    expect(await kubelet.devicesOf(reference("web"))).toEqual([
      { container: "sidecar", resourceName: "a/b", ids: ["2", "1"] },
      { container: "sidecar", resourceName: "c/d", ids: ["x"] },
    ]);
    expect(server.calls).toEqual(["Get default/web"]);
  });

  it("is asked for again by the same connection", async () => {
    const { server, kubelet } = await connected();
    server.pods = [pod("web", "1")];
    await kubelet.devicesOf(reference("web"));
    server.pods = [pod("web", "2")];
    expect(await kubelet.devicesOf(reference("web"))).toEqual(devicesOf("2"));
  });

  it("is empty for a pod without devices, and none for a pod that the kubelet does not know, after both methods have said so", async () => {
    const { server, kubelet } = await connected();
    server.pods = [pod("other", "1"), { ...pod("web", "2"), namespace: "elsewhere" }];
    expect(await kubelet.devicesOf(reference("web"))).toBeUndefined();
    expect(server.calls).toEqual(["Get default/web", "List"]);
    server.pods.push({ name: "web", namespace: "default", containers: [{ name: "app" }] });
    expect(await kubelet.devicesOf(reference("web"))).toEqual([]);
  });

  it("names the resources of the node's device plugins", async () => {
    const { server, kubelet } = await connected();
    server.allocatable = [
      { resource_name: "intel.com/sriov", device_ids: ["1"] },
      { resource_name: "intel.com/sriov", device_ids: ["2"] },
      { resource_name: "a/b", device_ids: ["1"] },
    ];
    expect(await kubelet.resources()).toEqual(new Set(["intel.com/sriov", "a/b"]));
  });
});

describe("a kubelet of another version", () => {
  it.each([
    ["has no Get", { code: status.UNIMPLEMENTED, details: "unknown method Get" }],
    ["has Get switched off", { code: status.UNKNOWN, details: "PodResources API Get method disabled" }],
  ])("that %s is asked for its list", async (_what, refusal) => {
    const { server, kubelet } = await connected();
    server.refuse = (method) => (method === "Get" ? refusal : undefined);
    server.pods = [pod("other", "1"), pod("web", "2")];
    expect(await kubelet.devicesOf(reference("web"))).toEqual(devicesOf("2"));
  });

  it("that has no Get is not asked for it again", async () => {
    const { server, kubelet } = await connected();
    server.refuse = (method) => (method === "Get" ? { code: status.UNIMPLEMENTED, details: "" } : undefined);
    server.pods = [pod("web", "2")];
    for (let turn = 0; turn < 3; turn++) await kubelet.devicesOf(reference("web"));
    expect(server.calls).toEqual(["Get default/web", "List", "List", "List"]);
  });

  it("that does not say its resources leaves them unknown", async () => {
    const { server, kubelet } = await connected();
    server.refuse = () => ({ code: status.UNIMPLEMENTED, details: "" });
    expect(await kubelet.resources()).toBeUndefined();
  });

  it("that lists two pods of a name with devices gives neither's", async () => {
    const { server, kubelet } = await connected();
    server.refuse = (method) => (method === "Get" ? { code: status.UNIMPLEMENTED, details: "" } : undefined);
    server.pods = [pod("web", "1"), pod("web", "2")];
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(
      "the kubelet lists 2 pods default/web with devices: one of them is still being removed",
    );
    server.pods = [pod("web"), pod("web", "2")].map((each) => ({
      ...each,
      containers: each.containers.filter(({ devices }) => devices?.[0]?.device_ids.length),
    }));
    expect(await kubelet.devicesOf(reference("web"))).toEqual(devicesOf("2"));
  });
});

describe("many pods at once", () => {
  it("are answered each with its own devices, by one list where they have to wait", async () => {
    const { server, kubelet } = await connected();
    server.pods = Array.from({ length: 40 }, (_each, index) => pod(`web-${index}`, `d-${index}`));
    const answers = await Promise.all(server.pods.map(({ name }) => kubelet.devicesOf(reference(name))));
    expect(answers).toEqual(server.pods.map((_each, index) => devicesOf(`d-${index}`)));
    expect(server.calls).toEqual(["Get default/web-0", "List"]);
  });

  it("are not answered from a list that began before they were asked for", async () => {
    const { server, kubelet } = await connected();
    server.refuse = (method) => (method === "Get" ? { code: status.UNIMPLEMENTED, details: "" } : undefined);
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let first = true;
    server.pods = [pod("early", "1")];
    const listed = server.pods;
    server.onCall = () => {
      if (!first) return;
      first = false;
      begun.resolve();
      return goOn.promise;
    };
    const early = kubelet.devicesOf(reference("early"));
    await begun.promise;
    const late = kubelet.devicesOf(reference("late"));
    server.pods = [...listed, pod("late", "2")];
    goOn.resolve();
    expect(await early).toEqual(devicesOf("1"));
    expect(await late).toEqual(devicesOf("2"));
    expect(server.calls.filter((call) => call === "List")).toHaveLength(2);
  });

  it("are answered beside one whose devices are not as they should be", async () => {
    const { server, kubelet } = await connected();
    server.refuse = (method) => (method === "Get" ? { code: status.UNIMPLEMENTED, details: "" } : undefined);
    server.pods = [pod("bad", "x".repeat(300)), pod("web", "1")];
    const [bad, good] = await Promise.allSettled([
      kubelet.devicesOf(reference("bad")),
      kubelet.devicesOf(reference("web")),
    ]);
    expect(bad).toMatchObject({
      status: "rejected",
      reason: expect.objectContaining({ message: expect.stringContaining('pod "default/bad": device id') }),
    });
    expect(good).toEqual({ status: "fulfilled", value: devicesOf("1") });
  });

  it("are asked for again where the kubelet has too many questions", async () => {
    const { server, kubelet } = await connected();
    server.refuse = (_method, count) =>
      count <= 3 ? { code: status.RESOURCE_EXHAUSTED, details: "rejected by rate limit" } : undefined;
    server.pods = [pod("web", "1")];
    expect(await kubelet.devicesOf(reference("web"))).toEqual(devicesOf("1"));
    expect(server.calls).toHaveLength(4);
  });
});

describe("a kubelet that fails", () => {
  it("and rejects every question is given up at the deadline", async () => {
    const { server, kubelet } = await connected({ deadlineMs: 300 });
    server.refuse = () => ({ code: status.RESOURCE_EXHAUSTED, details: "rejected by rate limit" });
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(
      /kubelet\.sock( \(Get\): 8 RESOURCE_EXHAUSTED: rejected by rate limit|: no answer within 0\.3 s)/,
    );
  });

  it("and never answers is waited for until the deadline", async () => {
    const { server, kubelet } = await connected({ deadlineMs: 200 });
    server.refuse = () => "hang";
    const outcome = await kubelet.devicesOf(reference("web")).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(DevicesUnknown);
    expect(outcome).toMatchObject({
      code: 11,
      message: expect.stringMatching(/kubelet\.sock: no answer within 0\.2 s$/),
    });
  });

  it("with an answer of 20 MB is refused before it is all there", async () => {
    const { server, kubelet } = await connected();
    server.pods = [pod("web", "x".repeat(20 << 20))];
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(
      /\(Get\): 8 RESOURCE_EXHAUSTED: Received message larger than max/,
    );
    expect(server.calls).toEqual(["Get default/web"]);
  });

  it.each([
    [
      "a device id that is too long",
      [pod("web", "x".repeat(300))],
      /device id "x+…" \(300 characters\) is longer than the 256 characters/,
    ],
    [
      "too many devices",
      [
        {
          ...pod("web"),
          containers: [
            {
              name: "app",
              devices: Array.from({ length: 5000 }, () => ({ resource_name: "a/b", device_ids: ["1"] })),
            },
          ],
        },
      ],
      /pod "default\/web" has more than 4096 devices/,
    ],
    [
      "too many containers",
      [{ ...pod("web"), containers: Array.from({ length: 2000 }, () => ({ name: "c" })) }],
      /has more than 1024 containers/,
    ],
  ])("with %s is an error that names the pod", async (_what, pods, message) => {
    const { server, kubelet } = await connected();
    server.pods = pods;
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(message);
  });

  it("and refuses connections is an error after a moment of patience", async () => {
    const socket = scratchSocket();
    const stale = createServer().listen(socket);
    await once(stale, "listening");
    const kubelet = client(socket, { patienceMs: 200 });
    stale.close();
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(/\(Get\): 14 UNAVAILABLE/);
  });

  it.each([
    ["closes every connection", (end: () => void) => end()],
    ["answers with something else than HTTP/2", undefined],
  ])("and %s is an error after a moment of patience", async (_what, close) => {
    const socket = scratchSocket();
    const sockets = new Set<{ destroy(): void }>();
    const garbage = createServer((connection) => {
      sockets.add(connection);
      connection.on("error", () => {});
      if (close !== undefined) close(() => connection.destroy());
      else connection.write("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(100));
    }).listen(socket);
    opened.add(async () => {
      garbage.close();
      for (const each of sockets) each.destroy();
    });
    await once(garbage, "listening");
    const kubelet = client(socket, { patienceMs: 200, deadlineMs: 5_000 });
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(/\(Get\): 14 UNAVAILABLE/);
  });

  it("and accepts a connection without a word is given up at the deadline", async () => {
    const socket = scratchSocket();
    const sockets = new Set<{ destroy(): void }>();
    const silent = createServer((connection) => {
      sockets.add(connection);
      connection.on("error", () => {});
    }).listen(socket);
    opened.add(async () => {
      silent.close();
      for (const each of sockets) each.destroy();
    });
    await once(silent, "listening");
    const kubelet = client(socket, { deadlineMs: 300 });
    await expect(kubelet.devicesOf(reference("web"))).rejects.toThrow(
      /kubelet\.sock: no answer within 0\.3 s/,
    );
  });
});

describe("a kubelet that restarts", () => {
  it("between two questions is asked on a new connection", async () => {
    const { server, kubelet, socket } = await connected();
    server.pods = [pod("web", "1")];
    await kubelet.devicesOf(reference("web"));
    await server[Symbol.asyncDispose]();
    const next = await served(socket);
    next.pods = [pod("web", "1", "2")];
    expect(await kubelet.devicesOf(reference("web"))).toEqual(devicesOf("1", "2"));
  });

  it("while it is asked is asked again", async () => {
    const { server, kubelet, socket } = await connected();
    const begun = Promise.withResolvers<void>();
    server.onCall = () => {
      begun.resolve();
      return new Promise(() => {});
    };
    server.pods = [pod("web", "1")];
    const answer = kubelet.devicesOf(reference("web"));
    await begun.promise;
    await server[Symbol.asyncDispose]();
    const next = await served(socket);
    next.pods = [pod("web", "2")];
    expect(await answer).toEqual(devicesOf("2"));
  });
});
