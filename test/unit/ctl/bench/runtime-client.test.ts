/** The client of a runtime, with a server that another reader of the same protocol file makes: bytes are what both agree on. */

import { join } from "node:path";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RuntimeClient } from "../../../../src/ctl/bench/cri/runtime-client.ts";
import { GrpcServer, grpcService } from "../../../support/grpc-service.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const proto = join(import.meta.dirname, "../../../../src/ctl/bench/cri/cri.proto");
const service = grpcService(proto, "runtime.v1.RuntimeService");

type Answer = (error: { code: number; details: string } | null, value?: unknown) => void;
type Method = (call: { readonly request: unknown }, answer: Answer) => void;

let scratch: ScratchDirectory;
let server: GrpcServer | undefined;
let client: RuntimeClient;
/** Requests by method, as they came. */
let requests: [string, unknown][];

/** Serves these answers by method. */
async function serve(answers: Readonly<Record<string, unknown>>): Promise<void> {
  const methods = Object.fromEntries(
    Object.entries(answers).map(([method, value]): [string, Method] => [
      method,
      ({ request }, answer) => {
        requests.push([method, request]);
        if (value instanceof Error) answer(value as never);
        else answer(null, value);
      },
    ]),
  );
  const socket = join(scratch.path, "cri.sock");
  server = await GrpcServer.listen(socket, [[service, methods as unknown as UntypedServiceImplementation]]);
  client = await RuntimeClient.open(socket);
}

const failure = (code: number, details: string) => Object.assign(new Error(details), { code, details });

beforeEach(() => {
  scratch = new ScratchDirectory("cri");
  server = undefined;
  requests = [];
});

afterEach(() => {
  client?.close();
  server?.[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

const config = {
  metadata: { name: "web", uid: "u1", namespace: "default" },
  hostname: "web",
  labels: { "a/b": "c", ["__proto__"]: "d" },
  annotations: { "k8s.v1.cni.cncf.io/networks": "storage, video" },
  linux: { cgroupParent: "/x" },
};

/** As the server reads it: with the defaults of what is not set. */
const received = { ...config, metadata: { ...config.metadata, attempt: 0 }, logDirectory: "" };

describe("a runtime", () => {
  test("gets a sandbox's configuration whole, and its id is read", async () => {
    await serve({ RunPodSandbox: { podSandboxId: "s1" }, StopPodSandbox: {}, RemovePodSandbox: {} });
    expect(await client.runPodSandbox(config, "peer")).toBe("s1");
    await client.stopPodSandbox("s1");
    await client.removePodSandbox("s1");
    expect(JSON.parse(JSON.stringify(requests))).toEqual(
      JSON.parse(
        JSON.stringify([
          ["RunPodSandbox", { config: received, runtimeHandler: "peer" }],
          ["StopPodSandbox", { podSandboxId: "s1" }],
          ["RemovePodSandbox", { podSandboxId: "s1" }],
        ]),
      ),
    );
  });

  test("lists sandboxes by label, with state and labels", async () => {
    await serve({
      ListPodSandbox: {
        items: [
          { id: "s1", state: 0, labels: { run: "1" }, metadata: config.metadata },
          { id: "s2", state: 1 },
        ],
      },
    });
    expect(await client.listPodSandboxes({ run: "1" })).toEqual([
      { id: "s1", labels: { run: "1" }, isReady: true },
      { id: "s2", labels: {}, isReady: false },
    ]);
    expect(requests[0]?.[1]).toEqual({ filter: { labelSelector: { run: "1" } } });
  });

  test("says what it is, and what keeps it from starting pods", async () => {
    const conditions = [
      { type: "RuntimeReady", status: true },
      { type: "NetworkReady", status: false, reason: "r", message: "cni plugin not initialized" },
      { type: "Other", status: false, message: "a warning" },
    ];
    await serve({
      Version: { version: "0.1.0", runtimeName: "containerd", runtimeVersion: "2.1.4" },
      Status: { status: { conditions } },
    });
    expect(await client.version()).toEqual({ program: "containerd 2.1.4" });
    expect(await client.problems()).toEqual([
      { type: "NetworkReady", message: "cni plugin not initialized" },
    ]);
  });

  test.each([
    [12, "unknown service", /serves no CRI v1: unknown service/],
    [2, "failed to get sandbox image", /RunPodSandbox: failed to get sandbox image/],
    [2, "plugin type multus failed", /RunPodSandbox: plugin type multus failed/],
  ])("that fails with code %i %j is quoted", async (code, details, message) => {
    await serve({ RunPodSandbox: failure(code, details) });
    await expect(client.runPodSandbox(config, "")).rejects.toThrow(message);
  });

  test("that is not there is named, with its socket", async () => {
    client = await RuntimeClient.open(join(scratch.path, "none.sock"));
    await expect(client.version()).rejects.toThrow(/Version: no container runtime answers on .*none\.sock/);
  });

  test("that answers without an id is not believed", async () => {
    await serve({ RunPodSandbox: {} });
    await expect(client.runPodSandbox(config, "")).rejects.toThrow("answers without an id");
  });

  test("that answers with far more than a node has is not read to its end", async () => {
    const items = Array.from({ length: 20_000 }, () => ({ id: "i".repeat(1_000) }));
    await serve({ ListPodSandbox: { items } });
    await expect(client.listPodSandboxes({})).rejects.toThrow(/larger than max/);
  });
});
