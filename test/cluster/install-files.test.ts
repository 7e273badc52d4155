/** A release's files for clusters, unchanged: one file for `kubectl apply -f` with the image beside it, on a node without multus, and the chart for Helm. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { writeChart } from "../../tools/build/chart.mjs";
import { helmProgram } from "../support/cluster/binaries.ts";
import { byName, manifests, renderChart } from "../support/cluster/deployment.ts";
import { documents, nadManifest, podManifest } from "../support/cluster/manifests.ts";
import { Player } from "../support/cluster/player.ts";
import { runOrThrow } from "../support/command.ts";
import { makeTrialRelease } from "../support/own-image.ts";
import { startRegistry } from "../support/registry.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const { version } = packageJson;
const scratch = new ScratchDirectory("install-files");
const dist = join(scratch.path, "dist");

beforeAll(() => makeTrialRelease(dist));
afterAll(() => scratch[Symbol.dispose]());

const macvlan = (subnet: string) => ({
  cniVersion: "1.0.0",
  type: "macvlan",
  master: "eth1",
  mode: "bridge",
  ipam: { type: "host-local", ranges: [[{ subnet }]] },
});

const firstPod = documents([
  nadManifest("default", "storage", macvlan("192.168.7.0/24")),
  nadManifest("default", "video", macvlan("192.168.8.0/24")),
  podManifest({
    namespace: "default",
    name: "first",
    annotations: { "k8s.v1.cni.cncf.io/networks": "storage, video" },
  }),
]);

describe.each([
  ["install.yaml", "1.6", "00-multus.conf"],
  ["install-thin.yaml", "2.4", "00-multus.conflist"],
])("%s on a bare node with containerd %s", (file, containerd, runtimeFile) => {
  let player: Player;

  beforeAll(async () => {
    player = new Player("--bare", "--without-image", "--containerd", containerd);
    await player.until(/Ctrl-C removes everything/);
  });

  afterAll(async () => {
    expect(await player.signal("SIGINT")).toBe(0);
  });

  test("within two minutes of the image's import and kubectl apply a pod has two networks", async () => {
    const manifest = scratch.write(`first-${containerd}.yaml`, firstPod);
    const [, importing = ""] = await player.until(/of a tar: (.* images import) TAR/);
    const listing = importing.replace(/import$/, "list --quiet");
    expect(await player.shell(listing)).not.toContain("multus-wasm");

    const started = performance.now();
    await player.shell(`${importing} ${join(dist, `multus-wasm-${version}.oci.tar`)}`);
    await player.shell(`kubectl apply -f ${join(dist, file)}
kubectl --namespace kube-system rollout status daemonset/kube-multus-ds --timeout=2m`);
    // Thin's pods have no probe: their container is ready before this is there.
    const configuration = join(await player.onNode("/etc/cni/net.d"), runtimeFile);
    await expect.poll(() => existsSync(configuration), { timeout: 60_000 }).toBe(true);
    await player.shell(`kubectl apply -f ${manifest}
kubectl wait --for=condition=Ready pod/first --timeout=2m`);
    expect((performance.now() - started) / 1000).toBeLessThan(120);

    const [, inPod = ""] = await player.until(/^ {2}(\S+\/in-pod) with-macvlan/m);
    const links: { readonly ifname: string; readonly addr_info: readonly { readonly local: string }[] }[] =
      JSON.parse(await player.shell(`${inPod} first ip -j -4 address show`));
    expect(links.map(({ ifname, addr_info: [address] }) => [ifname, address?.local])).toEqual([
      ["lo", "127.0.0.1"],
      ["eth0", expect.stringMatching(/^10\.120\./)],
      ["net1", expect.stringMatching(/^192\.168\.7\./)],
      ["net2", expect.stringMatching(/^192\.168\.8\./)],
    ]);
    expect(await player.shell(listing)).toContain(`localhost/multus-wasm:${version}\n`);
  });
});

describe("the chart", () => {
  const image = "registry.test/team/multus-wasm";
  const packed = new ScratchDirectory("chart");
  let file: string;

  beforeAll(async () => {
    file = (await writeChart(packed.path, image, 0)).package;
  });
  afterAll(() => packed[Symbol.dispose]());

  const helm = (...args: readonly string[]) =>
    runOrThrow([helmProgram(), ...args], { env: { PATH: process.env.PATH, HOME: packed.path } });

  test("as a package renders what the checkout's does with that image", async () => {
    const common = ["--namespace", "kube-system", "--include-crds"];
    const rendered = manifests(await helm("template", "multus", file, ...common));
    const own = manifests(await renderChart("--set", `image.repository=${image}`));
    expect(byName(rendered)).toEqual(byName(own));
    expect(JSON.stringify(rendered)).toContain(`${image}:${version}`);
  });

  test("as an artifact comes from a registry, the same file", async () => {
    const registry = await startRegistry(join(packed.path, "chart"), version);
    const source = `oci://127.0.0.1:${registry.port}/charts/multus-wasm`;
    try {
      const pulled = join(packed.path, "pulled");
      await helm(
        "pull",
        source,
        "--version",
        version,
        "--plain-http",
        "--destination",
        packed.path,
        "--untar",
        "--untardir",
        pulled,
      );
      expect(await helm("show", "chart", join(pulled, "multus-wasm"))).toContain(`appVersion: ${version}`);
      const shown = await helm("show", "chart", source, "--version", version, "--plain-http");
      expect(shown).toContain("name: multus-wasm");
    } finally {
      await registry[Symbol.asyncDispose]();
    }
  });
});
