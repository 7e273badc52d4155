/** `multusctl doctor` asks a real API server: with the daemon's credentials, with too few rights, without the definition. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { neededRights } from "../../src/ctl/doctor/cluster.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { nadManifest } from "../support/cluster/manifests.ts";
import { doctorFindings } from "../support/doctor.ts";

const root = join(import.meta.dirname, "..", "..");
let api: ApiServer;

async function clusterFindings(kubeconfig: string) {
  const { findings } = await doctorFindings("--kubeconfig", kubeconfig);
  return findings.filter(({ check }) => check.startsWith("cluster/"));
}

const found = (check: string, verdict: string, finding: RegExp) =>
  expect.objectContaining({ check, verdict, finding: expect.stringMatching(finding) });

beforeAll(async () => {
  api = await ApiServer.start();
});

afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
});

test("the rights that are asked for are those of the daemon's role", () => {
  const documents = parseAllDocuments(readFileSync(join(root, "deploy", "base", "rbac.yaml"), "utf8"));
  const role = documents.map((document) => document.toJS()).find(({ kind }) => kind === "ClusterRole");
  const given = (role.rules as { apiGroups: string[]; resources: string[]; verbs: string[] }[]).flatMap(
    ({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource} ${group}`)),
      ),
  );
  const asked = neededRights.map(
    ({ group, resource, subresource, verb }) =>
      `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`} ${group}`,
  );
  expect(asked.sort()).toEqual(given.sort());
});

test("without the definition, as the administrator", async () => {
  const findings = await clusterFindings(api.adminKubeconfig);
  expect(findings).toContainEqual(found("cluster/api", "pass", /answers, to admin$/));
  expect(findings).toContainEqual(found("cluster/clock", "pass", /agrees/));
  expect(findings).toContainEqual(found("cluster/crd", "fail", /does not know/));
});

describe("with what deploy/ has", () => {
  beforeAll(() => api.applyDeployment());

  test("the daemon's account may do all, and a broken network is named", async () => {
    const kubeconfig = api.kubeconfigFor({ token: await api.createToken("kube-system", "multus") });
    expect(await clusterFindings(kubeconfig)).toEqual([
      found("cluster/api", "pass", /system:serviceaccount:kube-system:multus$/),
      found("cluster/clock", "pass", /./),
      found("cluster/rights", "pass", /have all rights/),
      found("cluster/crd", "pass", /./),
      found("cluster/networks", "pass", /0 NetworkAttachmentDefinitions are valid/),
    ]);
    await api.apply(nadManifest("default", "broken", { cniVersion: "1.0.0" }));
    expect(await clusterFindings(kubeconfig)).toContainEqual(
      found("cluster/networks", "warn", /default\/broken: .*type/),
    );
  });

  test("another account may not", async () => {
    const kubeconfig = api.kubeconfigFor({ token: await api.createToken("default", "default") });
    const findings = await clusterFindings(kubeconfig);
    expect(findings).toContainEqual(
      found("cluster/rights", "fail", /may not get network-attachment-definitions, .*patch pods\/status/),
    );
  });

  test("a token that is none is refused, and nothing more is asked", async () => {
    expect(await clusterFindings(api.kubeconfigFor({ token: "x.y.z" }))).toEqual([
      found("cluster/api", "fail", /does not accept the credentials/),
    ]);
  });
});

test("a server that is away is named", async () => {
  await api.stop();
  expect(await clusterFindings(api.adminKubeconfig)).toEqual([
    found("cluster/api", "fail", /cannot be reached/),
  ]);
});
