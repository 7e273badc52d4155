/** Names that are too long for the files that they become a part of are refused before a plugin runs, as what it made could not be remembered; and what has such a name can be taken away. */

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };
const named = (length: number): Json => ({ ...macvlan, name: "n".repeat(length) });
/** `<network>-<containerId>-net1` has 255 bytes. */
const room = 255 - `-${containerId}-net1`.length;
const args = (id: string) =>
  `K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=${id};K8S_POD_UID=u-1`;

function nothingIsThere(rig: Rig): void {
  expect(rig.plugins.calls).toEqual([]);
  expect(existsSync(rig.cniDir) ? readdirSync(rig.cniDir) : []).toEqual([]);
}

describe("a network's name", () => {
  test.each([room + 1, 250, 251, 252, 253, 5_000])(
    "of %d bytes is refused before anything runs",
    async (length) => {
      using rig = new Rig(kernels);
      rig.addNad("default/good", macvlan);
      rig.addNad("default/long", named(length));
      const annotations = selecting("good,long@net1");
      const handled = await rig.run("ADD", { annotations });
      expect(answerOf(handled)).toMatchObject({
        code: 7,
        msg: expect.stringMatching(
          new RegExp(
            `default/long.*network name "n+…?".* has ${length} characters.* the file of (a|its) result has room for`,
          ),
        ),
      });
      nothingIsThere(rig);
      expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
    },
  );

  test("of as many bytes as there is room for is attached and taken away", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/long", named(room));
    const annotations = selecting("long");
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(0);
    expect(readdirSync(join(rig.cniDir, "results"))).toContain(`${"n".repeat(room)}-${containerId}-net1`);
    expect((await rig.run("CHECK")).exitCode).toBe(0);
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(readdirSync(join(rig.cniDir, "results"))).toEqual([]);
  });

  test("is measured with the interface that is asked for", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/long", named(room));
    const handled = await rig.run("ADD", { annotations: selecting("long@net12") });
    expect(answerOf(handled)).toMatchObject({
      code: 7,
      msg: expect.stringContaining(`interface "net12" the file of its result has room for ${room - 1}`),
    });
    nothingIsThere(rig);
  });

  test("of the cluster network, of a file and of a definition's own name counts too", async () => {
    using rig = new Rig(kernels);
    const name = "n".repeat(room + 1);
    expect(answerOf(await rig.run("ADD", { netconf: { delegates: [named(room + 1)] } }))).toMatchObject({
      code: 7,
    });
    const file = rig.writeFile("c.conf", named(room + 1));
    const netconf = { delegates: undefined, clusterNetwork: file };
    expect(answerOf(await rig.run("ADD", { netconf }))).toMatchObject({ code: 7 });
    rig.addNad(`default/${name}`, macvlan);
    expect(answerOf(await rig.run("ADD", { annotations: selecting([{ name }]) }))).toMatchObject({ code: 7 });
    nothingIsThere(rig);
  });

  test("is refused where a controller plugs the network in, and its DEL succeeds", async () => {
    using rig = new Rig(kernels);
    for (const length of [room + 1, 252]) {
      expect(answerOf(await rig.delegate("ADD", "net1", named(length)))).toMatchObject({ code: 7 });
      nothingIsThere(rig);
      expect((await rig.delegate("DEL", "net1", named(length))).exitCode).toBe(0);
      rig.plugins.calls.length = 0;
    }
  });

  test.each([room + 1, 252])("of %d bytes in a plan does not keep a DEL from its end", async (length) => {
    using rig = new Rig(kernels);
    const entry = (config: Json) => ({
      Conf: config,
      ConfList: {},
      Name: `default/${config.name}`,
      Bytes: Buffer.from(JSON.stringify(config)).toString("base64"),
    });
    mkdirSync(rig.cniDir);
    const plan = [entry({ ...macvlan, name: "cluster", type: "bridge" }), entry(named(length))];
    writeFileSync(join(rig.cniDir, containerId), JSON.stringify(plan));
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
  });

  test("is too long for the file of a device: an error, but only where there is a device", async () => {
    using rig = new Rig(kernels);
    const name = `default/${"n".repeat(235)}`;
    rig.addNad(name, { ...macvlan, name: "short" });
    const object = name.slice("default/".length);
    const handled = await rig.run("ADD", {
      annotations: selecting([{ name: object, deviceID: "0000:00:01.0" }]),
    });
    expect(answerOf(handled)).toMatchObject({ code: 7, msg: expect.stringContaining("CNIDeviceInfoFile") });
    nothingIsThere(rig);
    expect((await rig.run("ADD", { annotations: selecting([{ name: object }]) })).exitCode).toBe(0);
  });

  test("of the cluster network that no usual container could have is an error of STATUS", async () => {
    using rig = new Rig(kernels);
    const status = (length: number) =>
      rig.run("STATUS", { netconf: { cniVersion: "1.1.0", delegates: [named(length)] } });
    // 64 characters of an id, eth0.
    expect((await status(185)).exitCode).toBe(0);
    expect(answerOf(await status(186))).toMatchObject({
      code: 50,
      msg: expect.stringContaining("room for 185"),
    });
  });
});

describe("a container's id", () => {
  test("of 228 characters is attached and taken away", async () => {
    using rig = new Rig(kernels);
    const id = "c".repeat(228);
    const request = { containerId: id, ifName: "abcdefghijklmno", args: args(id) };
    const netconf = { delegates: [{ ...macvlan, name: "short" }] };
    expect((await rig.run("ADD", { request, netconf })).exitCode).toBe(0);
    expect((await rig.run("DEL", { request, netconf })).exitCode).toBe(0);
    expect(readdirSync(rig.cniDir)).toEqual(["results"]);
  });

  test.each([229, 256, 240_000])("of %d characters is refused, and its DEL ends well", async (length) => {
    using rig = new Rig(kernels);
    const id = "c".repeat(length);
    const request = { containerId: id, args: args(id) };
    for (const command of ["ADD", "CHECK"]) {
      expect(answerOf(await rig.run(command, { request }))).toMatchObject({
        code: 4,
        msg: expect.stringMatching(
          /CNI_CONTAINERID "c+…" \(\d+ characters\) is longer than the 228 characters/,
        ),
      });
    }
    expect(answerOf(await rig.delegate("ADD", "net1", named(5), undefined, request))).toMatchObject({
      code: 4,
    });
    expect((await rig.run("DEL", { request })).exitCode).toBe(0);
    expect((await rig.delegate("DEL", "net1", named(5), undefined, request)).exitCode).toBe(0);
    nothingIsThere(rig);
  });
});
