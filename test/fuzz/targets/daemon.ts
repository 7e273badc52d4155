/** Targets: the daemon's configuration, frames, HTTP bodies, the trace context and log levels. */

import { Fields } from "../../../src/agent/frame-fields.ts";
import { FrameReader } from "../../../src/agent/frame-reader.ts";
import { decodeFrame, encodeFrame, FrameError, FrameType } from "../../../src/agent/frames.ts";
import { decodeMessagePack } from "../../../src/agent/messagepack.ts";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { parseHttpRequest } from "../../../src/daemon/http/http-request.ts";
import { TooLargeError } from "../../../src/daemon/http/request-body.ts";
import { parseDaemonConfig } from "../../../src/daemon-config/config.ts";
import { parseLogLevel } from "../../../src/log/settings.ts";
import { netconfOfDaemon } from "../../../src/multus/input/netconf.ts";
import { formatTraceparent, parseTraceparent } from "../../../src/telemetry/trace-context.ts";
import { goldenNetconfs } from "../engine/golden.ts";
import { attempt, type FuzzTarget, must, mustEqual, mustKeepPrototypes } from "../engine/target.ts";

export const daemonConfigTarget: FuzzTarget = {
  name: "daemon/config",
  covers: ["src/daemon-config/config.ts parseDaemonConfig"],
  seeds: () => [
    '{"socketDir":"/run/multus","maxConcurrent":4,"delegateTimeoutMs":1000,"idleExitSeconds":60,"nadDir":"/etc/nads","agentPath":"/a","chrootDir":"/hostroot","kubeconfig":"/k","nodeName":"node-1","metricsPort":9091,"metricsAddress":"127.0.0.1","tracing":{},"perNodeCertificate":{"enabled":true,"bootstrapKubeconfig":"/b","certDir":"/c","certDuration":"1h"}}',
    '{"cniVersion":"0.3.1","logLevel":"verbose","logToStderr":true,"cniConfigDir":"/host/etc/cni/net.d","multusAutoconfigDir":"/host/etc/cni/net.d","multusConfigFile":"auto","socketDir":"/host/run/multus/","readinessindicatorfile":"/x","namespaceIsolation":true,"globalNamespaces":"a,b","forceCNIVersion":true,"overrideNetworkName":true,"capabilities":{"a":true}}',
    ...goldenNetconfs().slice(0, 5),
  ],
  words: [
    '"SOCKETDIR":',
    '"metricsPort":65536',
    '"multusConfigFile":"auto"',
    '"perNodeCertificate":{}',
    '"tracing":{"endpoint":"http://a"}',
    '"logOptions":{}',
  ],
  run(input) {
    const config = attempt(input, [ExpectedError], () => parseDaemonConfig(input, "daemon-config.json"));
    if (config === undefined) return;
    must(config.socketDir.startsWith("/") && config.maxConcurrent >= 1, "no socket, or no place in the line");
    must(config.metricsPort === undefined || config.metricsPort < 65_536, "no port");
    mustKeepPrototypes(netconfOfDaemon(config.overrides));
  },
};

/** Fields of every type under every name that the wire knows: each is there with its type, or an error. */
function readFields(body: Readonly<Record<string, unknown>>, input: Buffer): void {
  const fields = new Fields("FUZZ", body);
  for (const name of [
    "command",
    "config",
    "exitCode",
    "stdout",
    "exists",
    "links",
    "absent",
    "error",
    "__proto__",
    "constructor",
  ]) {
    fields.has(name);
    const text = attempt(input, [FrameError], () => fields.text(name));
    must(text === undefined || typeof text === "string", "no text");
    attempt(input, [FrameError], () => fields.bytes(name));
    attempt(input, [FrameError], () => fields.unsigned(name));
    attempt(input, [FrameError], () => fields.boolean(name));
    const numbers = attempt(input, [FrameError], () => fields.unsignedList(name)) ?? [];
    must(numbers.every(Number.isSafeInteger), "no integers");
    for (const inner of attempt(input, [FrameError], () => fields.maps(name)) ?? []) inner.has("exists");
  }
}

function payloads(input: Buffer, pieceLength: number): { found: string[]; incomplete: boolean } | undefined {
  const found: string[] = [];
  const reader = new FrameReader((payload) => found.push(payload.toString("latin1")));
  return attempt(input, [FrameError], () => {
    for (let at = 0; at < input.length; at += pieceLength) reader.push(input.subarray(at, at + pieceLength));
    return { found, incomplete: reader.incomplete };
  });
}

export const framesTarget: FuzzTarget = {
  name: "agent/frames",
  covers: ["src/agent/frames.ts decodeFrame", "src/agent/messagepack.ts decodeMessagePack"],
  seeds: () => [
    Buffer.concat([
      encodeFrame(FrameType.hello, 0, { protocol: 1, version: "0.1.0", role: "plugin", after: true }),
      encodeFrame(FrameType.request, 0, {
        command: "ADD",
        containerId: "c",
        netns: "/n",
        ifName: "eth0",
        args: "",
        path: "/",
        config: Buffer.from("{}"),
      }),
    ]),
    encodeFrame(FrameType.done, 7, {
      exitCode: 0,
      stdout: Buffer.from("{}"),
      micros: 12,
      signal: 9,
      stderrTail: Buffer.from("x"),
    }),
    encodeFrame(FrameType.done, 8, {
      error: "not-found",
      message: "x",
      exists: true,
      other: [1.5, -1, null, { a: [] }],
    }),
    encodeFrame(FrameType.done, 9, {
      links: [{ exists: true, mac: Buffer.from("x"), absent: [0, 63] }, { exists: false }],
      absent: [1, 2],
    }),
  ],
  words: ["\xdf\xff\xff\xff\xff", "\xa9__proto__", "\xdc\x00\x03", "\xc7\x01\x00", "\xd4\x72\x40", "\xcf"],
  run(input) {
    const whole = payloads(input, Math.max(1, input.length));
    mustEqual(payloads(input, 3), whole, "the same stream in pieces");
    for (const payload of whole?.found ?? []) {
      const frame = attempt(input, [FrameError], () => decodeFrame(Buffer.from(payload, "latin1")));
      if (frame === undefined) continue;
      readFields(frame.body, input);
      const again = decodeFrame(encodeFrame(frame.type, frame.id, frame.body).subarray(4));
      mustEqual(
        [again.type, again.id, Object.keys(again.body)],
        [frame.type, frame.id, Object.keys(frame.body)],
        "encoded again",
      );
    }
    // Every error that it throws becomes a FrameError; a text without bound would be one too.
    attempt(input, [Error], () => ({ value: decodeMessagePack(input) }));
  },
};

export const httpTarget: FuzzTarget = {
  name: "daemon/http-request",
  covers: ["src/daemon/http/http-request.ts parseHttpRequest"],
  seeds: () => [
    '{"env":{"CNI_COMMAND":"ADD","CNI_CONTAINERID":"c","CNI_NETNS":"/n","CNI_IFNAME":"eth0","CNI_PATH":"/opt/cni/bin","TRACEPARENT":"x"},"config":"e30="}',
    '{"env":{"CNI_COMMAND":"DEL"},"config":"e30=","interfaceAttributes":{"ips":["10.0.0.1"]}}',
    '{"Env":null,"CONFIG":null}',
  ],
  words: ['"env":{}', '"ENV":{"__proto__":"a"}', '"config":"===="', '"interfaceAttributes":null'],
  run(input) {
    const request = attempt(input, [ExpectedError, TooLargeError], () => parseHttpRequest(input));
    for (const [name, value] of Object.entries(request?.environment ?? {})) {
      must(/^[^=\0]+$/.test(name) && !value.includes("\0"), `variable ${JSON.stringify(name)}`);
    }
    must(request === undefined || Buffer.isBuffer(request.request.config), "no config");
  },
};

export const wordsTarget: FuzzTarget = {
  name: "daemon/words",
  covers: ["src/telemetry/trace-context.ts parseTraceparent", "src/log/settings.ts parseLogLevel"],
  seeds: () => [
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
    "Verbose",
  ],
  words: ["00-", "-01", "ff", "PANIC"],
  run(input) {
    const text = input.toString("utf8");
    const context = parseTraceparent(text);
    if (context !== undefined) {
      must(/^[0-9a-f]{32}$/.test(context.traceId) && /^[0-9a-f]{16}$/.test(context.spanId), "ids");
      mustEqual(parseTraceparent(formatTraceparent(context)), context, "written and read");
    }
    const level = parseLogLevel(text);
    must(level === undefined || level === text.toLowerCase(), "another level");
  },
};
