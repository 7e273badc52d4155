/** Findings of doctor about an API server that cannot be asked. Those about a cluster are tested in test/cluster. */

import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkCluster } from "../../../../src/ctl/doctor/cluster.ts";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { loadKernels } from "../../../../src/kernels/load.ts";
import { ApiClient } from "../../../../src/kube/api-client.ts";
import { makeSigningRequest } from "../../../../src/kube/certificates/pkcs10.ts";
import { kubeconfigCredentials } from "../../../../src/kube/credentials.ts";
import { silentLogger } from "../../../../src/log/logger.ts";
import { signCertificate } from "../../../support/certificate-signer.ts";
import { Certificates } from "../../../support/cluster/certificates.ts";
import { HttpServer } from "../../../support/http-server.ts";
import { nadsPath, PretendedApiServer } from "../../../support/pretended-api-server.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";
import { definition } from "../cluster-objects.ts";

const hour = 3_600_000;
const directory = new ScratchDirectory("certificates");
let authority: Certificates["authority"];
let key: string;

beforeAll(async () => {
  const certificates = await Certificates.create(join(directory.path, "cluster"));
  ({ authority } = certificates);
  key = readFileSync((await certificates.serving("api")).key, "utf8");
}, 60_000);
afterAll(() => directory[Symbol.dispose]());

/** @param from @param until of the server's certificate, in milliseconds from now */
async function findings(from: number, until: number) {
  const now = Date.now();
  const request = makeSigningRequest("api", "test", createPrivateKey(key));
  await using server = await HttpServer.start((_, response) => response.end("{}"), {
    cert: signCertificate(request, now + from, now + until, authority),
    key,
  });
  const address = `https://127.0.0.1:${server.port}`;
  const kubeconfig = directory.write(
    "kubeconfig",
    JSON.stringify({
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: address, "certificate-authority": authority.certificate } }],
      users: [{ name: "u", user: { token: "t" } }],
    }),
  );
  const api = new ApiClient(kubeconfigCredentials(kubeconfig, silentLogger));
  try {
    const found = await checkCluster({
      api,
      server: address,
      nodeName: "",
      multusNamespace: "kube-system",
      context: { kernels: loadKernels(), binDirs: [] },
    });
    return found.map(findingJson);
  } finally {
    api.close();
  }
}

describe("an API server", () => {
  it.each([
    ["has ended", -2 * hour, -hour],
    ["has not begun", hour, 2 * hour],
  ])("whose certificate %s may be the fault of this machine's clock", async (_, from, until) => {
    expect(await findings(from, until)).toEqual([
      {
        check: "cluster/api",
        verdict: "fail",
        finding: expect.stringMatching(/cannot be reached: .*certificate/),
        remedy: expect.stringContaining("set the clock"),
      },
    ]);
  });

  it("whose certificate is another's is looked for elsewhere", async () => {
    expect(await findings(-hour, hour)).toMatchObject([
      { verdict: "fail", remedy: expect.stringContaining("is it the right address") },
    ]);
  });
});

describe("networks that want a device", () => {
  it.each([
    [false, "fail"],
    [true, "pass"],
    [undefined, "pass"],
  ])("where the daemon sees the kubelet: %s", async (seesDevices, verdict) => {
    await using server = await new PretendedApiServer().start();
    const vf = definition("a", "vf", '{"cniVersion":"1.0.0","type":"sriov"}');
    const annotations = { "k8s.v1.cni.cncf.io/resourceName": "intel.com/sriov" };
    server.fill(nadsPath, [{ ...vf, metadata: { ...vf.metadata, annotations } }]);
    const file = directory.write("pretended", server.kubeconfig);
    const api = new ApiClient(kubeconfigCredentials(file, silentLogger));
    try {
      const all = await checkCluster({
        api,
        server: server.url,
        nodeName: "",
        multusNamespace: "kube-system",
        context: { kernels: loadKernels(), binDirs: [] },
        seesDevices,
      });
      const found = all.map(findingJson).filter(({ check }) => check === "cluster/networks");
      expect(found).toMatchObject([{ verdict }]);
      if (verdict === "fail") {
        expect(found[0]?.finding).toBe(
          "networks want a device (1), and the daemon cannot learn which devices pods have: a/vf",
        );
      }
    } finally {
      api.close();
    }
  });
});
