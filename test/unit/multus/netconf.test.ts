/** The netconf: defaults, overrides, and errors that say where. */

import { describe, expect, it } from "vitest";
import { CniErrorCode } from "../../../src/cni/errors.ts";
import { netconfOverrides, parseNetconf } from "../../../src/multus/input/netconf.ts";
import { cniRefusal } from "../../support/refusal.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const netconf = (keys: object) =>
  bytesOf(JSON.stringify({ name: "n", type: "multus", clusterNetwork: "c", ...keys }));
const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

describe("the netconf", () => {
  it("has Go multus's defaults", () => {
    expect(parseNetconf(netconf({}))).toEqual({
      name: "n",
      type: "multus",
      cniVersion: "",
      binDir: "/opt/cni/bin",
      confDir: "/etc/cni/multus/net.d",
      cniDir: "/var/lib/cni/multus",
      delegates: [],
      clusterNetwork: "c",
      defaultNetworks: [],
      kubeconfig: "",
      logFile: "",
      logLevel: "panic",
      logToStderr: true,
      logOptions: { maxAge: 5, maxSize: 100, maxBackups: 5, compress: true },
      readinessIndicatorFile: "",
      namespaceIsolation: false,
      nonIsolatedNamespaces: ["default"],
      systemNamespaces: ["kube-system"],
      shimCniDir: "/var/lib/cni/multus",
      multusNamespace: "kube-system",
      maxNetworksPerPod: 64,
      retryDeleteOnError: false,
      attachConcurrency: 1,
      checkDelegates: "cluster",
      nativeNetworks: "off",
      delOnFailure: "retry",
      auxiliaryCniChainName: "",
      runtimeConfig: new Map(),
      podAnnotations: undefined,
      prevResult: undefined,
      warnings: [],
    });
  });

  it("takes every key", () => {
    const parsed = parseNetconf(
      netconf({
        cniVersion: "1.0.0",
        binDir: "/bin",
        confDir: "/conf",
        cniDir: "/cni",
        defaultNetworks: ["a", "b"],
        kubeconfig: "/k",
        logFile: "/log",
        logLevel: "Debug",
        logToStderr: false,
        logOptions: { maxAge: 1, compress: false },
        readinessindicatorfile: "/ready",
        namespaceIsolation: true,
        globalNamespaces: " x, y ,",
        systemNamespaces: ["s"],
        multusNamespace: "m",
        retryDeleteOnError: true,
        nativeNetworks: "auto",
        attachConcurrency: 4,
        auxiliaryCNIChainName: "aux",
        capabilities: { portMappings: true },
        unknown: [1],
      }),
    );
    expect(parsed).toMatchObject({
      cniVersion: "1.0.0",
      binDir: "/bin",
      confDir: "/conf",
      cniDir: "/cni",
      defaultNetworks: ["a", "b"],
      kubeconfig: "/k",
      logFile: "/log",
      logLevel: "debug",
      logToStderr: false,
      logOptions: { maxAge: 1, maxSize: 100, maxBackups: 5, compress: false },
      readinessIndicatorFile: "/ready",
      namespaceIsolation: true,
      nonIsolatedNamespaces: ["x", "y"],
      systemNamespaces: ["s"],
      multusNamespace: "m",
      retryDeleteOnError: true,
      nativeNetworks: "auto",
      attachConcurrency: 4,
      auxiliaryCniChainName: "aux",
    });
  });

  it.each([
    ["auto", "auto"],
    [16, 16],
    ["", 1],
    [null, 1],
  ])("takes attachConcurrency %j for %j", (attachConcurrency, expected) => {
    expect(parseNetconf(netconf({ attachConcurrency })).attachConcurrency).toBe(expected);
  });

  it.each([undefined, "", null])("names no version where its cniVersion is %j", (cniVersion) => {
    const text = JSON.stringify({ name: "m", clusterNetwork: "c", cniVersion });
    expect(parseNetconf(Buffer.from(text)).cniVersion).toBe("");
  });

  it("takes what is not null of keys that mean the same", () => {
    const text =
      '{"name":"n","binDir":"/a","BINDIR":"/b","binDir":null,"prevResult":{"a":1},"PrevResult":null,' +
      '"confDir":"/1","CONFDIR":"/2","confDir":"/3","delegates":[{"type":"a"}],"Delegates":null,"runtimeConfig":{"mac":"x"},"RuntimeConfig":null}';
    const { binDir, confDir, prevResult, delegates, runtimeConfig } = parseNetconf(bytesOf(text));
    expect([binDir, confDir, textOf(prevResult)]).toEqual(["/a", "/3", '{"a":1}']);
    expect([delegates.map(textOf), textOf(runtimeConfig.get("mac"))]).toEqual([['{"type":"a"}'], '"x"']);
  });

  it.each([
    { binDir: "/a\0" },
    { cniDir: "/a\0b" },
    { daemonSocketDir: "/\0" },
    { daemonCommand: ["/a", "\0"] },
  ])("refuses the zero byte that the shim refuses, in %j", (keys) => {
    expect(cniRefusal(() => parseNetconf(netconf(keys)))).toMatchObject({
      code: CniErrorCode.invalidNetworkConfig,
    });
  });

  it("takes a null key for absent, as Go does", () => {
    const parsed = parseNetconf(
      netconf({
        binDir: null,
        delegates: null,
        prevResult: null,
        runtimeConfig: { mac: null },
        cniVersion: null,
      }),
    );
    expect(parsed).toMatchObject({ binDir: "/opt/cni/bin", prevResult: undefined, runtimeConfig: new Map() });
  });

  it("takes an empty string for an unset key", () => {
    const texts = [
      "kubeconfig",
      "binDir",
      "confDir",
      "cniDir",
      "multusNamespace",
      "logFile",
      "logLevel",
      "readinessindicatorfile",
      "globalNamespaces",
      "delOnDaemonDown",
      "auxiliaryCNIChainName",
      "daemonSocketDir",
      "cniVersion",
      "Type",
    ];
    const netconf = JSON.stringify({
      ...Object.fromEntries(texts.map((key) => [key, ""])),
      name: "n",
      clusterNetwork: "c",
    });
    expect(parseNetconf(bytesOf(netconf))).toEqual(
      parseNetconf(bytesOf('{"name":"n","clusterNetwork":"c"}')),
    );
    const overrides = netconfOverrides(bytesOf('{"binDir":"","ConfDir":""}'), "daemon");
    const own = bytesOf('{"name":"n","clusterNetwork":"c","binDir":"/own","confDir":"/own"}');
    expect(parseNetconf(own, overrides)).toMatchObject({ binDir: "/own", confDir: "/own" });
    expect(() => parseNetconf(bytesOf('{"name":"","clusterNetwork":"c"}'))).toThrow("name");
  });

  it("takes the keys of runtimeConfig and logOptions in any case", () => {
    const text =
      '{"name":"n","clusterNetwork":"c","runtimeConfig":{"MAC":"x","portmappings":[]},"logOptions":{"MAXAGE":7}}';
    const { runtimeConfig, logOptions } = parseNetconf(bytesOf(text));
    expect([[...runtimeConfig.keys()], logOptions.maxAge]).toEqual([["mac", "portMappings"], 7]);
    expect(() =>
      parseNetconf(bytesOf('{"name":"n","clusterNetwork":"c","runtimeConfig":{"MAC":1}}')),
    ).toThrow("runtimeConfig.mac must be string");
  });

  it.each([
    '"binDir":"/own","BinDir":"/other","BINDIR":"/third"',
    '"BinDir":"/other","binDir":"/own"',
    '"BinDir":"/other","binDir":null,"BINDIR":"/own","binDIR":null',
  ])("takes the key that is written exactly, else the last that is not null: %s", (text) => {
    const netconf = `{"name":"n","clusterNetwork":"c",${text}}`;
    expect(parseNetconf(Buffer.from(netconf)).binDir).toBe("/own");
  });

  it("takes keys in any case, as Go does: a misspelt namespaceIsolation must not be none", () => {
    const keys = {
      CNIVERSION: "1.0.0",
      Name: "multus",
      NamespaceIsolation: true,
      readinessIndicatorFile: "/run/ready",
      Delegates: [{ type: "bridge", name: "cluster" }],
      RuntimeConfig: { mac: "02:00:00:00:00:01" },
    };
    const netconf = parseNetconf(Buffer.from(JSON.stringify(keys)));
    expect(netconf).toMatchObject({
      cniVersion: "1.0.0",
      name: "multus",
      namespaceIsolation: true,
      readinessIndicatorFile: "/run/ready",
    });
    expect(netconf.delegates.map((delegate) => Buffer.from(delegate).toString())).toEqual([
      '{"type":"bridge","name":"cluster"}',
    ]);
    expect([...netconf.runtimeConfig.keys()]).toEqual(["mac"]);
    expect(() => parseNetconf(Buffer.from('{\n "NAMESPACEISOLATION": "yes"}'))).toThrow(
      'namespaceIsolation must be boolean, is "yes" (line 2, column 24)',
    );
  });

  it.each(["spool", "fail", "ignore"])("takes delOnDaemonDown %s, which is the shim's to read", (value) => {
    expect(parseNetconf(netconf({ delOnDaemonDown: value })).warnings).toEqual([]);
  });

  it("names the values that delOnFailure may have", () => {
    expect(() => parseNetconf(bytesOf('{"delOnFailure": "never"}'))).toThrow(
      /delOnFailure must match pattern "\^\(retry\|fail\|ignore\)\$", is "never" \(line 1, column 18\)/,
    );
  });

  it("names the values that delOnDaemonDown may have", () => {
    expect(() => parseNetconf(bytesOf('{"delOnDaemonDown": "later"}'))).toThrow(
      /delOnDaemonDown must match pattern "\^\(spool\|fail\|ignore\)\$", is "later" \(line 1, column 21\)/,
    );
  });

  it("keeps delegates, runtimeConfig and prevResult as they are written", () => {
    const parsed = parseNetconf(
      bytesOf(
        '{"name":"n","delegates":[{"type":"bridge", "big":18446744073709551615},{"name":"x","plugins":[]}],' +
          '"prevResult":{ "a":1.0 },"runtimeConfig":{"bandwidth":{"ingressRate":18446744073709551615},"io.kubernetes.cri.pod-annotations":{"a":"b"}}}',
      ),
    );
    expect(parsed.delegates.map(textOf)).toEqual([
      '{"type":"bridge", "big":18446744073709551615}',
      '{"name":"x","plugins":[]}',
    ]);
    expect(textOf(parsed.prevResult)).toBe('{ "a":1.0 }');
    expect(textOf(parsed.runtimeConfig.get("bandwidth"))).toBe('{"ingressRate":18446744073709551615}');
    expect(parsed.podAnnotations).toEqual({ a: "b" });
  });

  it("lets clusterNetwork win over delegates", () => {
    const parsed = parseNetconf(netconf({ delegates: [{ type: "bridge" }] }));
    expect([parsed.clusterNetwork, parsed.delegates]).toEqual(["c", []]);
  });

  it("warns of a log level that does not exist, and goes on", () => {
    const parsed = parseNetconf(netconf({ logLevel: "warning" }));
    expect(parsed.logLevel).toBe("panic");
    expect(parsed.warnings).toEqual([
      'netconf on stdin: logLevel "warning" is none of debug, verbose, error, panic; taking panic',
    ]);
  });

  it.each([
    [
      '{"name":"n",\n"clusterNetwork":}',
      CniErrorCode.decodingFailure,
      "not valid JSON: a value is expected (line 2, column 18)",
    ],
    [
      "",
      CniErrorCode.decodingFailure,
      "not valid JSON: it ends where a value is expected (line 1, column 1)",
    ],
    ["[]", CniErrorCode.invalidNetworkConfig, "must be an object (line 1, column 1)"],
    ['{"name":"n"}', CniErrorCode.invalidNetworkConfig, "one of clusterNetwork and delegates is required"],
    [
      '{"name":"n","delegates":[]}',
      CniErrorCode.invalidNetworkConfig,
      "one of clusterNetwork and delegates is required",
    ],
    ['{"clusterNetwork":"c"}', CniErrorCode.invalidNetworkConfig, "the network has no name"],
    [
      '{"name":"n","clusterNetwork":"c","cniVersion":"2.0.0"}',
      CniErrorCode.incompatibleVersion,
      'cniVersion "2.0.0" is not supported; these are: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0',
    ],
    [
      '{"name":"n","delegates":[{"type":"a"},\n 7]}',
      CniErrorCode.invalidNetworkConfig,
      "delegates[1] must be object, is 7 (line 2, column 2)",
    ],
    [
      '{"name":"n","clusterNetwork":"c","logToStderr":"yes","logOptions":{"maxAge":-1}}',
      CniErrorCode.invalidNetworkConfig,
      'logToStderr must be boolean, is "yes" (line 1, column 48); logOptions.maxAge must be >= 0, is -1 (line 1, column 77)',
    ],
    [
      '{"name":"n","clusterNetwork":"c","runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"x/y":1}}}',
      CniErrorCode.invalidNetworkConfig,
      'runtimeConfig["io.kubernetes.cri.pod-annotations"]["x/y"] must be string, is 1 (line 1, column 94)',
    ],
    [
      '{"name":"n","clusterNetwork":"c","cniDir":"var/lib/cni"}',
      CniErrorCode.invalidNetworkConfig,
      'cniDir must match pattern "^/[^\\u0000]*$", is "var/lib/cni" (line 1, column 43)',
    ],
    [
      '{"name": "n", "clusterNetwork": "c", "daemonCommand": ["multusd", 1], "daemonStartTimeoutMs": 0}',
      CniErrorCode.invalidNetworkConfig,
      'daemonCommand[1] must be string, is 1 (line 1, column 67); daemonCommand[0] must match pattern "^/[^\\u0000]*$", is "multusd" (line 1, column 56); daemonStartTimeoutMs must be >= 1, is 0 (line 1, column 95)',
    ],
    [
      '{"name":"n","clusterNetwork":"c","auxiliaryCNIChainName":"../x"}',
      CniErrorCode.invalidNetworkConfig,
      'auxiliaryCNIChainName: network name "../x" must be',
    ],
  ])("refuses %s", (text, code, message) => {
    expect(cniRefusal(() => parseNetconf(bytesOf(text)))).toMatchObject({
      code,
      message: expect.stringContaining(`netconf on stdin: ${message}`),
    });
  });
});

describe("the daemon's own keys", () => {
  const overrides = (keys: object) => netconfOverrides(bytesOf(JSON.stringify(keys)), "daemon.json");

  it("win over the netconf's, key by key", () => {
    const parsed = parseNetconf(
      netconf({ binDir: "/bin", confDir: "/conf", logLevel: "debug" }),
      overrides({ binDir: "/other", logLevel: "error", metricsPort: 9091, socketDir: "/run/x" }),
    );
    expect(parsed).toMatchObject({ binDir: "/other", confDir: "/conf", logLevel: "error" });
  });

  it("can name the networks", () => {
    const withDelegates = overrides({ delegates: [{ type: "bridge", big: 1 }] });
    const parsed = parseNetconf(bytesOf('{"name":"n"}'), withDelegates);
    expect(parsed.delegates.map(textOf)).toEqual(['{"type":"bridge","big":1}']);
    expect(parseNetconf(netconf({}), withDelegates)).toMatchObject({ clusterNetwork: "c", delegates: [] });
    expect(parseNetconf(bytesOf('{"name":"n"}'), overrides({ clusterNetwork: "x" })).clusterNetwork).toBe(
      "x",
    );
  });

  it("do not touch what belongs to one call", () => {
    const parsed = parseNetconf(
      netconf({ cniVersion: "0.3.1", runtimeConfig: { mac: "m" } }),
      overrides({ cniVersion: "1.0.0", name: "d", type: "d", runtimeConfig: {}, prevResult: {} }),
    );
    expect(parsed).toMatchObject({ name: "n", type: "multus", cniVersion: "0.3.1", prevResult: undefined });
    expect(textOf(parsed.runtimeConfig.get("mac"))).toBe('"m"');
  });

  it("are checked where they are read", () => {
    expect(() => overrides({ binDir: 1 })).toThrow(
      "daemon.json: binDir must be string, is 1 (line 1, column 11)",
    );
  });
});
