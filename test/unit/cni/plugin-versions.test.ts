/** Known versions of a plugin need no order, until somebody doubts it. */

import { expect, it } from "vitest";
import { PluginVersions } from "../../../src/cni/plugin-versions.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { PretendedPlugins } from "../../support/pretended-plugins.ts";

const path = "/opt/cni/bin";

it("asks once, and again where the file has changed since it was doubted", async () => {
  const plugins = new PretendedPlugins();
  const versions = new PluginVersions();
  plugins.fileStates.set("bridge", "1");
  const known = () => versions.known(plugins, "bridge", path, silentLogger);
  const answer = { fileState: "1", versions: supportedVersions, isCurrent: true };
  expect(await known()).toEqual(answer);
  plugins.fileStates.set("bridge", "2");
  expect(await known()).toEqual(answer);
  expect(plugins.asked).toEqual(["bridge"]);
  versions.doubt("bridge", path);
  expect(await known()).toEqual({ ...answer, fileState: "2" });
  versions.doubt("bridge", path);
  expect(await known()).toEqual({ ...answer, fileState: "2" });
  expect(plugins.asked).toEqual(["bridge", "bridge"]);
});

it("knows nothing of a file that is changing, or that gives no answer", async () => {
  const plugins = new PretendedPlugins();
  const versions = new PluginVersions();
  expect(await versions.known(plugins, "bridge", path, silentLogger)).toBeUndefined();
  plugins.fileStates.set("silent", "1");
  plugins.versions.set("silent", { exitCode: 1 });
  expect(await versions.known(plugins, "silent", path, silentLogger)).toBeUndefined();
});

it.each([
  ["of an older release", supportedVersions.slice(0, -1)],
  ["of a newer release", [...supportedVersions, "1.2.0"]],
  ["in another order", supportedVersions.toReversed()],
])("a list %s is not the current one", async (_what, list) => {
  const plugins = new PretendedPlugins();
  plugins.fileStates.set("bridge", "1");
  plugins.versions.set("bridge", list);
  const known = await new PluginVersions().known(plugins, "bridge", path, silentLogger);
  expect(known).toMatchObject({ isCurrent: false });
});
