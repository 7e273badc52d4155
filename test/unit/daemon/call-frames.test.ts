/**
 * How many functions an ADD passes through in the daemon. Counted is what V8 says of the stack where the order is given: a line for each function of src/ that is running or awaits another one.
 * Functions that have returned by then, as those that took the request in, are counted where the handler begins.
 */

import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { duplexPair } from "node:stream";
import { expect, test, vi } from "vitest";
import { encodeFrame, FrameType } from "../../../src/agent/frames.ts";
import { ShimExecutor } from "../../../src/agent/shim-executor.ts";
import { Admission } from "../../../src/daemon/admission.ts";
import type { Observer } from "../../../src/daemon/observer.ts";
import { type RequestHandler, RequestLine } from "../../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { ShimSession } from "../../../src/daemon/shim-session.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { Multus } from "../../../src/multus/multus.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

/** From the line, in which a request waits for its turn, to the executor. */
const mostToExecutor = 14;
/** From the socket to the handler. */
const mostToHandler = 17;

const observer: Observer = { answered() {}, refused() {}, delegateRan() {}, httpAnswered() {} };

/** The functions of src/ on the stack, the innermost first. */
function framesOfSource(): string[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 200;
  const { stack = "" } = new Error("here");
  Error.stackTraceLimit = limit;
  return stack.split("\n").filter((line) => line.includes("/src/"));
}

test("an ADD passes through few functions from the socket to the executor", async () => {
  using directory = new ScratchDirectory("call-frames");
  const cniDir = directory.path;
  mkdirSync(`${cniDir}/results`);
  const kernels = loadKernels();
  const multus = new Multus({ kernels, log: silentLogger });
  let toHandler: string[] = [];
  let toExecutor: string[] = [];
  const handle: RequestHandler = (...request) => {
    toHandler = framesOfSource();
    return multus.handle(...request);
  };
  using runPlugin = vi.spyOn(ShimExecutor.prototype, "runPlugin").mockImplementation(async () => {
    toExecutor = framesOfSource();
    const stdout = Buffer.from('{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}]}');
    return { exitCode: 0, stdout, stderrTail: "", milliseconds: 1 };
  });
  const loggers = new RequestLoggers(new Loggers(() => {}), {});
  const line = new RequestLine({ admission: new Admission(1), loggers, observer });
  const [daemonEnd, shimEnd] = duplexPair();
  const context = { line, handle, notReady: () => undefined, replayed: new Set<string>() };
  new ShimSession(context, daemonEnd, Buffer.alloc(0), { requested() {}, closed() {} });
  const netconf = {
    cniVersion: "1.0.0",
    name: "multus",
    type: "multus",
    cniDir,
    delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "bridge" }],
  };
  const body = {
    command: "ADD",
    containerId: "c1",
    netns: "/run/netns/c1",
    ifName: "eth0",
    args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
    path: "/opt/cni/bin",
    config: Buffer.from(JSON.stringify(netconf)),
  };
  shimEnd.write(encodeFrame(FrameType.hello, 0, { protocol: 1, version: "0.0.0-test", role: "plugin" }));
  shimEnd.write(encodeFrame(FrameType.request, 0, body));
  const ended = once(shimEnd, "end");
  shimEnd.resume();
  await ended;
  expect(runPlugin).toHaveBeenCalledTimes(1);
  const [outermost = "", innermost = ""] = [toExecutor.at(-1), toExecutor[0]];
  // The stack goes all the way: else the count would say nothing.
  expect(outermost).toContain("request-line.ts");
  expect(innermost).toContain("observed-executor.ts");
  expect(toHandler.at(-1)).toContain("frame-connection.ts");
  expect(toHandler.length, toHandler.join("\n")).toBeLessThanOrEqual(mostToHandler);
  expect(toExecutor.length, toExecutor.join("\n")).toBeLessThanOrEqual(mostToExecutor);
});
