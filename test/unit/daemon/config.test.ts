import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseDaemonConfig, readDaemonConfig } from "../../../src/daemon-config/config.ts";
import daemonSchema from "../../../src/daemon-config/daemon-config.schema.json" with { type: "json" };
import { netconfOfDaemon, parseNetconf } from "../../../src/multus/input/netconf.ts";
import { daemonConfigOf4_1 } from "../../support/cluster/go-releases.ts";
import { cniRefusal } from "../../support/refusal.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

function parse(text: string) {
  return parseDaemonConfig(Buffer.from(text), "daemon-config.json");
}

describe("the daemon's configuration", () => {
  test("has a default for everything", () => {
    expect(parse("{}")).toMatchObject({
      socketDir: "/run/multus",
      maxConcurrent: 16,
      delegateTimeoutMs: undefined,
      idleExitSeconds: undefined,
      nadDir: "",
      podResourcesSocket: "/var/lib/kubelet/pod-resources/kubelet.sock",
      devicePluginsDir: "/var/lib/kubelet/device-plugins",
      deviceInfoDir: "/var/run/k8s.cni.cncf.io/devinfo",
      agentPath: undefined,
      chrootDir: undefined,
      kubeconfig: "",
      nodeName: "",
      runtimeConfig: undefined,
      unused: [],
      unknown: [],
    });
  });

  test("takes the kubeconfig for itself, and lays it over every netconf", () => {
    const { kubeconfig, overrides, unused } = parse('{"kubeconfig": "/etc/multus/kubeconfig"}');
    const netconf = Buffer.from('{"name": "n", "clusterNetwork": "c", "kubeconfig": "/host/kubeconfig"}');
    expect([kubeconfig, parseNetconf(netconf, overrides).kubeconfig]).toEqual(
      Array(2).fill("/etc/multus/kubeconfig"),
    );
    expect(unused).toEqual([]);
  });

  test("takes the node's name", () => {
    expect(parse('{"nodename": "node-1.example"}')).toMatchObject({
      nodeName: "node-1.example",
      unused: [],
      unknown: [],
    });
  });

  test("evicts no pod unless it is told to, and then those alone that a controller makes again", () => {
    expect(parse("{}").eviction).toBeUndefined();
    expect(parse('{"onMissingNetworks": "report", "evictAlso": ["barePods"]}')).toMatchObject({
      eviction: undefined,
      unused: ["evictAlso"],
    });
    expect(parse('{"onMissingNetworks": "evict"}')).toMatchObject({
      eviction: { daemonSets: false, barePods: false },
      unused: [],
      unknown: [],
    });
    const also = parse('{"onMissingNetworks": "evict", "evictAlso": ["daemonSets", "barePods"]}');
    expect(also).toMatchObject({ eviction: { daemonSets: true, barePods: true }, unused: [] });
    expect(cniRefusal(() => parse('{"onMissingNetworks": "delete"}')).message).toContain("onMissingNetworks");
    expect(
      cniRefusal(() => parse('{"onMissingNetworks": "evict", "evictAlso": ["static"]}')).message,
    ).toContain("evictAlso");
  });

  test("takes connectionLimit for the bound, unless ours is set", () => {
    expect(parse('{"connectionLimit": 5}').maxConcurrent).toBe(5);
    expect(parse('{"connectionLimit": 5, "maxConcurrent": 7}').maxConcurrent).toBe(7);
  });

  test("lays its netconf keys over a netconf", () => {
    const { overrides } = parse('{"binDir": "/opt/daemon/bin", "logLevel": "debug"}');
    const netconf = parseNetconf(
      Buffer.from('{"name": "n", "clusterNetwork": "c", "binDir": "/opt/netconf/bin"}'),
      overrides,
    );
    expect([netconf.binDir, netconf.logLevel]).toEqual(["/opt/daemon/bin", "debug"]);
  });

  test("accepts the one of Go multus's own manifest, and says what it does not use", () => {
    const config = parse(
      JSON.stringify({
        ...daemonConfigOf4_1,
        metricsPort: 9091,
        perNodeCertificate: { enabled: false },
      }),
    );
    expect(config.socketDir).toBe("/host/run/multus/");
    expect(config.log).toMatchObject({ logLevel: "verbose", logToStderr: true });
    expect(config.chrootDir).toBe("/hostroot");
    expect(config.unused).toEqual([]);
    expect(config.unknown).toEqual([]);
    expect(config.nodeCertificate).toBeUndefined();
    expect(config.runtimeConfig).toEqual({
      directory: "/host/etc/cni/net.d",
      readinessIndicatorFile: "",
      removeOnExit: "auto",
      from: {
        clusterNetwork: { directory: "/host/etc/cni/net.d", name: "" },
        options: {
          form: "thick",
          type: "multus",
          cniVersion: "0.3.1",
          forceCniVersion: false,
          overrideNetworkName: false,
          capabilities: {},
          netconfKeys: {
            generatedBy: "multus-wasm",
            logLevel: "verbose",
            logToStderr: true,
            daemonSocketDir: undefined,
          },
        },
      },
    });
  });

  test("takes keys in any case, as Go does", () => {
    const text =
      '{"SocketDir": "/run/x", "ConnectionLimit": 7, "NamespaceIsolation": true, "LogLevel": "debug"}';
    const config = parseDaemonConfig(Buffer.from(text), "here");
    expect(config).toMatchObject({
      socketDir: "/run/x",
      maxConcurrent: 7,
      unknown: [],
      log: { logLevel: "debug" },
    });
    const netconf = Buffer.from('{"name":"m","clusterNetwork":"c"}');
    expect(parseNetconf(netconf, config.overrides).namespaceIsolation).toBe(true);
  });

  test.each([
    [{}, 600],
    [{ certDuration: "24h" }, 86_400],
    [{ CertDuration: "1h30m10s", Enabled: true }, 5_410],
  ])("takes perNodeCertificate %j", (keys, seconds) => {
    const perNodeCertificate = {
      enabled: true,
      bootstrapKubeconfig: "/var/lib/kubelet/kubeconfig",
      certDir: "/etc/cni/multus/certs",
      ...keys,
    };
    expect(parse(JSON.stringify({ perNodeCertificate }))).toMatchObject({
      nodeCertificate: {
        bootstrapKubeconfig: "/var/lib/kubelet/kubeconfig",
        certDir: "/etc/cni/multus/certs",
        seconds,
      },
      unused: [],
    });
  });

  test.each([
    [{ certDir: "/c" }, /perNodeCertificate\.bootstrapKubeconfig is missing/],
    [{ bootstrapKubeconfig: "/k" }, /perNodeCertificate\.certDir is missing/],
    [{ bootstrapKubeconfig: "k", certDir: "/c" }, /bootstrapKubeconfig must be an absolute path/],
    [{ certDuration: "10" }, /certDuration must be a duration such as "10m" or "1h30m", not "10"/],
    [{ certDuration: "-1h" }, /certDuration must be a duration/],
    [{ certDuration: "9m59s" }, /certDuration must be from 10m to 2147483647s: none is signed for 9m59s/],
  ])("refuses perNodeCertificate %j", (keys, message) => {
    const text = JSON.stringify({ perNodeCertificate: { enabled: true, ...keys } });
    expect(cniRefusal(() => parse(text))).toMatchObject({
      code: 7,
      message: expect.stringMatching(message),
    });
  });

  test("takes an empty string for an unset key", () => {
    const ofDevices = ["podResourcesSocket", "devicePluginsDir", "deviceInfoDir"];
    const own = ["socketDir", "nadDir", "agentPath", "chrootDir", "nodeName", "metricsAddress", ...ofDevices];
    const ofFile = ["cniConfigDir", "multusConfigFile", "multusMasterCNI", "daemonSocketDir", "CniVersion"];
    const ofNetconf = ["binDir", "multusNamespace", "logLevel", "delOnDaemonDown", "kubeconfig"];
    const keys = [...own, ...ofFile, ...ofNetconf];
    const empty = Object.fromEntries(keys.map((key) => [key, ""]));
    // The overrides are the netconf's, whose own test looks at them.
    const { overrides, ...parsed } = parse(JSON.stringify(empty));
    expect({ ...parsed, overrides: parse("{}").overrides }).toEqual(parse("{}"));
    expect(netconfOfDaemon(overrides)).toEqual(netconfOfDaemon());
  });

  test("names keys that nobody knows", () => {
    expect(parse('{"socketDirectory": "/run/x", "socketDir": "/run/y"}').unknown).toEqual([
      "socketDirectory",
    ]);
  });

  test.each([
    [
      '{"socketDir": "run"}',
      7,
      /daemon-config\.json: socketDir must match pattern .*, is "run" \(line 1, column 15\)/,
    ],
    ['{"nodeName": "Node_1"}', 7, /nodeName must match pattern/],
    ['{"socketDir": 5}', 7, /daemon-config\.json: socketDir must be string, is 5/],
    ['{"connectionLimit": 0}', 7, /connectionLimit must be >= 1, is 0 \(line 1, column 21\)/],
    ['{"maxConcurrent": 1.5}', 7, /maxConcurrent must be integer/],
    ['{"idleExitSeconds": 0}', 7, /idleExitSeconds must be >= 1/],
    ['{"metricsPort": 70000}', 7, /metricsPort must be <= 65535/],
    ['{"perNodeCertificate": {"enabled": 1}}', 7, /perNodeCertificate\.enabled must be boolean/],
    ['{\n  "logToStderr": "yes"\n}', 7, /logToStderr must be boolean, is "yes" \(line 2, column 18\)/],
    ['{"logOptions": {"maxAge": -1}}', 7, /logOptions\.maxAge must be >= 0, is -1/],
    ["[]", 7, /daemon-config\.json: it must be object/],
    ['{\n  "socketDir": "/run",\n}', 6, /daemon-config\.json: .*line 3, column 1/],
    ["", 6, /daemon-config\.json: .*line 1, column 1/],
  ])("refuses %j with code %i and says where", (text, code, message) => {
    const error = cniRefusal(() => parse(text));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test("comes from a file; one that cannot be read is named", () => {
    using directory = new ScratchDirectory("config");
    const file = join(directory.path, "config.json");
    writeFileSync(file, '{"maxConcurrent": 3}');
    expect(readDaemonConfig(file).maxConcurrent).toBe(3);
    const missing = join(directory.path, "missing.json");
    expect(cniRefusal(() => readDaemonConfig(missing))).toMatchObject({
      code: 5,
      message: expect.stringContaining(missing),
    });
  });

  test("is documented key by key", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/configuration.md"), "utf8");
    const missing = Object.keys(daemonSchema.properties).filter((key) => !page.includes(`\`${key}\``));
    expect(missing).toEqual([]);
  });
});

test("a null leaves a key as it is, before and behind it", () => {
  const text = '{"socketDir":"/a","socketDir":null,"metricsPort":null,"nadDir":null,"nadDir":"/nads"}';
  expect(parse(text)).toMatchObject({ socketDir: "/a", metricsPort: undefined, nadDir: "/nads" });
});
