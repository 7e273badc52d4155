/** What doctor makes of an API server that cannot be asked. What it finds in a cluster is tested in test/cluster. */

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
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

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
