/** Findings of doctor about a daemon's way to the devices of pods. */

import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkDevices, devicesRemedy, seesDevices } from "../../../../src/ctl/doctor/devices.ts";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const checkpoint = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";

async function found(source: "pod-resources" | "checkpoint" | "none", socket: string) {
  return (await checkDevices({ devices: { source, socket, checkpoint } })).map(findingJson);
}

describe("a daemon", () => {
  it("that sees neither socket nor checkpoint is worth a look: networks that want a device fail", async () => {
    expect(await found("none", "/none.sock")).toEqual([
      {
        check: "daemon/devices",
        verdict: "warn",
        finding: `the daemon sees neither the kubelet's pod-resources socket /none.sock nor its checkpoint ${checkpoint}: networks that want a device (k8s.v1.cni.cncf.io/resourceName) fail`,
        remedy: devicesRemedy,
      },
    ]);
    expect(seesDevices({ devices: { source: "none", socket: "", checkpoint } })).toBe(false);
  });

  it("that reads the checkpoint is worth a look", async () => {
    expect(await found("checkpoint", "/none.sock")).toMatchObject([
      { verdict: "warn", finding: expect.stringContaining(`from the checkpoint ${checkpoint}`) },
    ]);
  });

  it("passes where the socket takes connections, or is not to be seen from here", async () => {
    using scratch = new ScratchDirectory("kubelet");
    const socket = join(scratch.path, "kubelet.sock");
    expect(await found("pod-resources", socket)).toMatchObject([{ verdict: "pass" }]);
    const server = createServer().listen(socket);
    await once(server, "listening");
    expect(await found("pod-resources", socket)).toMatchObject([
      { verdict: "pass", finding: `the kubelet's pod-resources socket ${socket} takes connections` },
    ]);
    server.close();
    await once(server, "close");
  });

  it("fails where a kubelet that is gone has left the socket behind", async () => {
    using scratch = new ScratchDirectory("kubelet");
    const socket = scratch.write("kubelet.sock", "");
    expect(await found("pod-resources", socket)).toMatchObject([
      { verdict: "fail", finding: expect.stringContaining("takes no connection: connect ECONNREFUSED") },
    ]);
  });

  it("of an earlier release, which does not say it, is not judged", async () => {
    expect(await checkDevices({})).toEqual([]);
    expect(seesDevices({})).toBeUndefined();
  });
});
