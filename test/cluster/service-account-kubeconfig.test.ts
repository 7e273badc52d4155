/** multusctl kubeconfig in a pod of a real API server: its kubeconfig works outside of the pod, also after the first token has expired. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient } from "../../src/kube/api-client.ts";
import { kubeconfigCredentials } from "../../src/kube/credentials.ts";
import { silentLogger } from "../../src/log/logger.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { inPodWith } from "../support/cluster/service-account-files.ts";
import { session, sessionVariable } from "../support/session.ts";
import { until } from "../support/until.ts";

const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");
const daemonAccount = ["kube-system", "multus"] as const;
const networks = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
  await server.applyDeployment();
});
afterAll(() => server?.[Symbol.asyncDispose]());

test("the kubeconfig follows the token", async () => {
  const first = await server.createToken(...daemonAccount, 600);
  const account = server.serviceAccountFiles("kube-system", first);
  const path = join(server.directory, "multus.kubeconfig");
  const { hostname, port } = new URL(server.url);
  const [command = "", ...inPod] = inPodWith(account.directory);
  const keeper = spawn(command, [...inPod, process.execPath, multusctl, "kubeconfig", "--kubeconfig", path], {
    stdio: "ignore",
    env: {
      PATH: process.env.PATH,
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
      [sessionVariable]: session,
    },
  });
  const closed = once(keeper, "close");
  const client = new ApiClient(kubeconfigCredentials(path, silentLogger));
  const list = () => client.request<{ readonly kind: string }>({ method: "GET", path: networks });
  try {
    await until("the kubeconfig", () => existsSync(path));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await list()).kind).toBe("NetworkAttachmentDefinitionList");
    // One that no server takes any more: whoever uses the kubeconfig is refused, until the kubelet has brought another.
    account.rotate(await server.signToken(...daemonAccount, { expiresIn: -600 }));
    await until("the expired token", () => !readFileSync(path, "utf8").includes(first));
    await expect(list()).rejects.toThrow(/401|Unauthorized/i);
    const second = await server.createToken(...daemonAccount, 600);
    account.rotate(second);
    await until("the new token", () => readFileSync(path, "utf8").includes(second));
    expect((await list()).kind).toBe("NetworkAttachmentDefinitionList");
  } finally {
    client.close();
    keeper.kill("SIGTERM");
    await closed;
  }
  expect(keeper.exitCode).toBe(0);
  expect(existsSync(path)).toBe(false);
});
