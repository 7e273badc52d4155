/** A daemon on demand that belongs to a real cluster: what a pod gets from a daemon that has just started, and that the daemon does not end before the API has taken what it reported. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiPod, networksAnnotation, podsPath, statusOf } from "../support/cluster/api-node.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { FaultProxy } from "../support/cluster/fault-proxy.ts";
import { writeKubeconfig } from "../support/cluster/kubeconfig.ts";
import { OnDemandHost } from "../support/on-demand-host.ts";
import { pauseImageName } from "../support/pause-image.ts";
import { podArgs } from "../support/plugin.ts";
import { shim } from "../support/test-node.ts";

describe("a daemon on demand in a cluster", () => {
  const resources = new AsyncDisposableStack();
  let api: ApiServer;
  let proxy: FaultProxy;
  let host: OnDemandHost;

  beforeAll(async () => {
    api = resources.use(await ApiServer.start());
    await api.applyDeployment();
    await api.createNetwork("storage", { cniVersion: "1.0.0", name: "storage", type: "delegate" });
    proxy = resources.use(await FaultProxy.start(api));
    host = resources.use(new OnDemandHost({ plugin: shim, idleExitSeconds: 2, config: {} }));
  });

  afterAll(() => resources.disposeAsync());

  test("attaches what the API names, asked by a daemon that has just started, and ends when all is delivered", async () => {
    const token = await api.createToken("kube-system", "multus");
    const kubeconfig = writeKubeconfig(
      join(host.directory.path, "kubeconfig"),
      proxy.url,
      api.certificates.authority.certificate,
      { token },
    );
    const add = async (name: string) => {
      const { metadata } = await api.request<ApiPod>("POST", podsPath, {
        metadata: { name, annotations: { [networksAnnotation]: "storage" } },
        spec: { nodeName: "node-1", containers: [{ name: "main", image: pauseImageName }] },
      });
      const args = podArgs({ namespace: "default", name, containerId: name, uid: metadata.uid });
      const answer = await host.call("ADD", name, host.netconf({ kubeconfig }), args);
      expect(answer.result.ips).toHaveLength(1);
      return answer;
    };
    const status = async (name: string) => statusOf(await api.request<ApiPod>("GET", `${podsPath}/${name}`));

    const cold = await add("first");
    const warm = await add("second");
    process.stdout.write(
      `on demand with a cluster: first ADD ${cold.milliseconds.toFixed(0)} ms, second ${warm.milliseconds.toFixed(0)} ms\n`,
    );
    expect(host.starts).toHaveLength(1);
    await host.untilNothingIsLeft();
    for (const name of ["first", "second"]) {
      expect(await status(name)).toMatchObject([{ name: "cluster" }, { name: "default/storage" }]);
    }

    const refused = proxy.fault(
      { method: "PATCH", path: /\/status$/ },
      { answer: { status: 503, reason: "ServiceUnavailable" } },
    );
    await add("third");
    await sleep(5_000);
    expect(refused.hits).toBeGreaterThan(1);
    expect([host.starts.length, host.running.length]).toEqual([2, 1]);
    expect(await status("third")).toBeUndefined();
    await proxy.clear();
    await host.untilNothingIsLeft();
    expect(await status("third")).toMatchObject([{ name: "cluster" }, { name: "default/storage" }]);
  });
});
