/** validate finds errors in a daemon's configuration that prevent its start, and keys without effect. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkText } from "../../../src/ctl/configuration/files.ts";
import { formatFinding } from "../../../src/ctl/text/finding.ts";
import { loadKernels } from "../../../src/kernels/load.ts";

const context = { kernels: loadKernels(), binDirs: [] };
const findings = (text: string) => checkText(text, "f", context).findings.map(formatFinding);

test("the one of the manifests is right", () => {
  const file = join(import.meta.dirname, "../../../deploy/thick/daemon-config.json");
  const report = checkText(readFileSync(file, "utf8"), file, context);
  expect(report).toEqual({ file, documents: ["daemon"], findings: [] });
});

test.each([
  [
    "a daemon's key",
    '{"socketDir":"/run/multus",\n "metricsPort":"9091"}',
    "2:16",
    /metricsPort must be integer/,
  ],
  ["in any case", '{"SocketDir":"/run/multus",\n "MetricsPort":0}', "2:16", /metricsPort must be >= 1/],
  ["a netconf's key", '{"socketDir":"/run/multus",\n "binDir":"bin"}', "2:11", /binDir must match/],
  ["an object's key", '{"tracing":{\n"samplingRatio":2}}', "2:17", /tracing\.samplingRatio must be <= 1/],
  [
    "a key that another one needs",
    '{"cniConfigDir":"/c","multusConfigFile":"auto",\n "forceCNIVersion":true}',
    "2:20",
    /forceCNIVersion needs cniVersion/,
  ],
  [
    "one of the certificate",
    '{"perNodeCertificate":{"enabled":true,\n"certDir":"certs","bootstrapKubeconfig":"/k"}}',
    "2:11",
    /perNodeCertificate\.certDir must be an absolute path/,
  ],
])("%s that the daemon would end for", (_, text, place, message) => {
  expect(findings(text)).toEqual([
    expect.stringMatching(new RegExp(`^f:${place}: error: ${message.source}`)),
  ]);
});

test("keys that nobody knows, and those that have no effect", () => {
  const text = '{"socketDir":"/run/multus",\n "logLevle":"debug",\n "multusMasterCNI":"10-a.conf"}';
  expect(findings(text)).toEqual([
    expect.stringMatching(/^f:2:13: warning: key "logLevle" is not known/),
    expect.stringMatching(/^f:3:20: warning: key "multusMasterCNI" has no effect/),
  ]);
});

test("of a thousand unknown keys twenty are named, and the others counted", () => {
  const keys = Array.from({ length: 1_000 }, (_, index) => `"k${index}":1`);
  const found = findings(`{"socketDir":"/run/multus",${keys.join(",")}}`);
  expect(found).toHaveLength(21);
  expect(found.filter((line) => line.endsWith("980 more keys are ignored"))).toHaveLength(1);
});

test("one in YAML is not read", () => {
  expect(findings("socketDir: /run/multus\n")).toEqual([
    "f:1:1: error: is a daemon's configuration in YAML; runtimes and Multus read JSON",
  ]);
});
