/** A kubeconfig with a certificate is given out once there is one that is good. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../../src/ctl/command/user-error.ts";
import { withNodeCertificate } from "../../../../src/ctl/install/certificate-kubeconfig.ts";
import {
  currentCertificatePath,
  readCurrentCertificate,
  storeCertificate,
} from "../../../../src/kube/certificates/certificate-file.ts";
import { parseKubeconfig } from "../../../../src/kube/kubeconfig.ts";
import { certificateAndKey } from "../../../support/certificate-signer.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const user = "system:multus:node-1";
const hour = 3_600_000;
/** Nobody is there: a certificate comes from elsewhere. */
const server = "https://127.0.0.1:1";
const proxy = "http://127.0.0.1:2/";
const bootstrap = JSON.stringify({
  "current-context": "c",
  contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  clusters: [{ name: "c", cluster: { server, "proxy-url": proxy } }],
  users: [{ name: "u", user: { token: "t" } }],
});

function sourceIn(directory: ScratchDirectory) {
  return {
    bootstrapConfig: directory.write("bootstrap", bootstrap),
    certDir: join(directory.path, "certs"),
    nodeName: "node-1",
    seconds: 600,
    log: new RecordingLogger(),
  };
}

describe("a certificate from before", () => {
  const now = Date.now();
  const good = certificateAndKey(user, now - hour, now + hour);

  it.each<[string, { readonly certificate: string; readonly key: string }]>([
    ["that has ended", certificateAndKey(user, now - 2 * hour, now - hour)],
    ["of another node", certificateAndKey("system:multus:node-2", now - hour, now + hour)],
    ["that is torn", { certificate: good.certificate.slice(0, 50), key: good.key }],
  ])("%s is not given out", async (_, before) => {
    using directory = new ScratchDirectory();
    const source = sourceIn(directory);
    storeCertificate(source.certDir, before.certificate, before.key, now - hour);
    const given = withNodeCertificate(source, AbortSignal.timeout(60_000), async (text) => {
      expect(readCurrentCertificate(source.certDir, user)?.until).toBeGreaterThan(Date.now());
      const config = await parseKubeconfig(Buffer.from(text), "kubeconfig");
      const { server: address, proxy: asked, clientCertificate } = config;
      expect([address.origin, asked?.url.href]).toEqual([server, proxy]);
      expect(clientCertificate?.file).toBe(currentCertificatePath(source.certDir));
    });
    // In this time it would be given out, if it were.
    await sleep(300);
    storeCertificate(source.certDir, good.certificate, good.key, now);
    await given;
    expect.assertions(3);
  });
});

it("none before it is ended gives out none", async () => {
  using directory = new ScratchDirectory();
  await withNodeCertificate(sourceIn(directory), AbortSignal.abort(), async () => expect.unreachable());
});

it("a bootstrap kubeconfig that is not there is named", async () => {
  using directory = new ScratchDirectory();
  const source = { ...sourceIn(directory), bootstrapConfig: join(directory.path, "absent") };
  await expect(
    withNodeCertificate(source, AbortSignal.abort(), async () => expect.unreachable()),
  ).rejects.toThrow(UserError);
});
