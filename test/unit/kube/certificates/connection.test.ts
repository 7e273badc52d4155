/** A connection with a certificate of the node: who asks for it, and who is shown to the server then. */

import { readFileSync } from "node:fs";
import type { IncomingMessage, RequestListener } from "node:http";
import { json } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { ApiUnreachable } from "../../../../src/kube/api.ts";
import { connectWithNodeCertificate } from "../../../../src/kube/certificates/connection.ts";
import { signingRequestsPath } from "../../../../src/kube/certificates/identity.ts";
import { kubeconfigCredentials } from "../../../../src/kube/credentials.ts";
import { silentLogger } from "../../../../src/log/logger.ts";
import { signCertificate } from "../../../support/certificate-signer.ts";
import { Certificates } from "../../../support/cluster/certificates.ts";
import { HttpServer } from "../../../support/http-server.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

vi.setConfig({ testTimeout: 60_000 });

/** The user that a request shows, by its certificate or its token. */
const userOf = ({ socket, headers }: IncomingMessage) =>
  (socket as TLSSocket).getPeerCertificate().subject?.CN ?? headers.authorization;

test("the bootstrap user asks for it; requests wait for none, and are the node's once it is signed", async () => {
  using scratch = new ScratchDirectory();
  const certificates = await Certificates.create(`${scratch.path}/cluster`);
  const { authority } = certificates;
  const { certificate, key } = await certificates.serving("api");
  const users: unknown[] = [];
  let isApproved = false;
  let signingRequest = "";
  const answer: RequestListener = async (request, response) => {
    if (request.method === "POST") {
      users.push(userOf(request));
      const { spec } = (await json(request)) as { readonly spec: { readonly request: string } };
      signingRequest = Buffer.from(spec.request, "base64").toString();
    }
    const now = Date.now();
    const signed = () => signCertificate(signingRequest, now - 60_000, now + 3_600_000, authority);
    const status = isApproved ? { certificate: Buffer.from(signed()).toString("base64") } : {};
    const isSigningRequest = request.url?.startsWith(signingRequestsPath) === true;
    response.end(
      JSON.stringify(isSigningRequest ? { metadata: { name: "multus-1" }, status } : userOf(request)),
    );
  };
  await using server = await HttpServer.start(answer, {
    cert: readFileSync(certificate),
    key: readFileSync(key),
    ca: readFileSync(authority.certificate),
    requestCert: true,
    rejectUnauthorized: false,
  });
  const cluster = {
    server: `https://127.0.0.1:${server.port}`,
    "certificate-authority": authority.certificate,
  };
  const kubeconfig = scratch.write(
    "kubeconfig",
    stringify({
      clusters: [{ name: "c", cluster }],
      users: [{ name: "kubelet", user: { token: "bootstrap" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "kubelet" } }],
      "current-context": "x",
    }),
  );
  const options = { kubeconfig, certDir: `${scratch.path}/certs`, seconds: 600, nodeName: "node-1" };
  const connection = connectWithNodeCertificate(
    { ...options, log: silentLogger },
    kubeconfigCredentials(kubeconfig, silentLogger),
  );
  const ask = () => connection.request({ method: "GET", path: "/x" });
  await expect(ask()).rejects.toThrow(ApiUnreachable);
  await expect(ask()).rejects.toThrow(/certificate of system:multus:node-1 .* is not there yet/);
  isApproved = true;
  await vi.waitFor(async () => expect(await ask()).toBe("system:multus:node-1"), 30_000);
  expect(users).toEqual(["Bearer bootstrap"]);
  connection.close();
  await expect(ask()).rejects.toThrow("given up");
});
