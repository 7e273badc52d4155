import { describe, expect, test } from "vitest";
import { parseHttpRequest } from "../../../src/daemon/http/http-request.ts";
import { cniRefusal } from "../../support/refusal.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const parse = (text: string) => parseHttpRequest(Buffer.from(text));
const refused = (text: string) => {
  const { code, message } = cniRefusal(() => parse(text));
  return [code, message];
};

test("a request is taken apart: CNI_ variables, configuration, and the environment for the delegates", () => {
  const env = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "abc",
    CNI_NETNS: "/run/netns/x",
    CNI_IFNAME: "eth0",
    CNI_ARGS: "A=b",
    CNI_PATH: "/opt/cni/bin",
    CNI_EXTRA: "every plugin's",
    PATH: "/bin",
    LD_PRELOAD: "/tmp/evil.so",
    TRACEPARENT: traceparent,
    TRACESTATE: "vendor=1",
  };
  expect(parse(JSON.stringify({ env, config: "eyJuYW1lIjoibiJ9" }))).toEqual({
    request: {
      command: "ADD",
      containerId: "abc",
      netns: "/run/netns/x",
      ifName: "eth0",
      args: "A=b",
      path: "/opt/cni/bin",
      config: Buffer.from('{"name":"n"}'),
      traceparent,
      attributes: undefined,
    },
    environment: { TRACEPARENT: traceparent, TRACESTATE: "vendor=1" },
  });
});

test.each(["00-1-2-01", `${traceparent}\n`, `01${traceparent.slice(2)}-${"x".repeat(500)}`, "() { :; }"])(
  "a TRACEPARENT that an agent would refuse is not handed on: %j",
  (TRACEPARENT) => {
    const { environment } = parse(JSON.stringify({ env: { TRACEPARENT, TRACESTATE: "a\u001bb" } }));
    expect(environment).toEqual({});
  },
);

test("attributes are kept as they are written, and keys may be in any case", () => {
  const { request } = parse(
    '{"Env":{"CNI_COMMAND":"DEL"},"CONFIG":null,"InterfaceAttributes":{"cni-args":{"n":12345678901234567890}}}',
  );
  expect(request).toMatchObject({ command: "DEL", config: Buffer.alloc(0) });
  expect(String(request.attributes)).toBe('{"cni-args":{"n":12345678901234567890}}');
});

describe("errors name the wrong field", () => {
  test.each([
    ['{"env":{"A":1}}', 7, "body of the request: env.A must be string, is 1 (line 1, column 13)"],
    ['{"env":[]}', 7, "body of the request: env must be object or null, is an array (line 1, column 8)"],
    ["{}", 7, "body of the request: it must have required property 'env' (line 1, column 1)"],
    [
      '{"env":{},"config":"e30"}',
      7,
      'body of the request: config must be base64 with padding, is "e30" (line 1, column 20)',
    ],
    [
      '{"env":{},"config":"e3-="}',
      7,
      'body of the request: config must be base64 with padding, is "e3-=" (line 1, column 20)',
    ],
    [
      '{"env":{},"config":{}}',
      7,
      "body of the request: config must be string or null, is an object (line 1, column 20)",
    ],
    [
      '{"env":{},"interfaceAttributes":[]}',
      7,
      "body of the request: interfaceAttributes must be object or null, is an array (line 1, column 33)",
    ],
    ["[1]", 7, "body of the request: it must be object, is an array (line 1, column 1)"],
  ])("%s", (text, code, message) => {
    expect(refused(text)).toEqual([code, message]);
  });

  test.each(['{"env":{"A=B":"c"}}', '{"env":{"":"c"}}', '{"env":{"A":"b\\u0000c"}}', "{", ""])(
    "%s",
    (text) => {
      expect(refused(text)[1]).toMatch(/^body of the request: /);
    },
  );
});
