/** A runtime that asks for STATUS while the daemon makes its first list of the cluster's networks: the answer waits for it, as a runtime takes a node for broken for seconds. */

import { expect, test } from "vitest";
import { plainKubeconfig } from "../support/cluster/kubeconfig.ts";
import { callPlugin, type PluginAnswer } from "../support/plugin.ts";
import { PretendedApiServer } from "../support/pretended-api-server.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shim, TestNode } from "../support/test-node.ts";

// The daemon makes the answer wait for a second: on a machine that does much else its list may take longer, but not each time.
test("STATUS right after a start says that the node can serve, once it can; an API that says nothing makes it 50", {
  retry: 2,
}, async () => {
  await using api = new PretendedApiServer();
  using directory = new ScratchDirectory("cluster");
  const kubeconfig = directory.write("kubeconfig", plainKubeconfig((await api.start()).url));
  // Longer than a daemon needs from its socket to the answer.
  api.fault = () => ({ delayMs: 250 });
  await using node = await TestNode.start({ daemonConfig: { kubeconfig, nadDir: undefined } });
  const status = (): Promise<PluginAnswer> =>
    callPlugin(node.network.enter(shim), {
      command: "STATUS",
      containerId: "",
      netns: "",
      ifName: "",
      args: "",
      path: "/usr/lib/cni",
      config: node.netconf({ cniVersion: "1.0.0", name: "unused", type: "bridge" }, { cniVersion: "1.1.0" }),
    });
  (await status()).expectSuccess();

  await node.daemon.stop();
  api.fault = () => "silence";
  await node.daemon.start();
  const { error } = await status();
  expect(error).toMatchObject({ code: 50, msg: expect.stringContaining("are not known yet") });
});
