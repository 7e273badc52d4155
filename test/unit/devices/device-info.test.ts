/** Device information files in a real directory: what is copied, read and removed, and what is refused. */

import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { InputError } from "../../../src/base/input-error.ts";
import { checkDeviceInfo, DeviceInfoDirectory, pluginFileName } from "../../../src/devices/device-info.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const attachment = { name: "default/vf", containerId: "c0ffee", ifName: "net1" };
const device = { resourceName: "intel.com/sriov", deviceId: "0000:03:02.1" };
const ownName = "default-vf-c0ffee_net1";
const dpName = "intel.com-sriov-0000:03:02.1-device.json";
/** With a number that JavaScript cannot hold, a key that no version has, and blanks: they stay as they are. */
const pci =
  '{ "type":"pci", "version":"1.1.0","pci":{"pci-address":"0000:03:02.1","n":12345678901234567890},"more":[1.0] }\n';

function opened() {
  const directory = new ScratchDirectory("devinfo");
  const files = new DeviceInfoDirectory(directory.path);
  return {
    directory,
    files,
    own: join(directory.path, "cni", ownName),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

it("names files as Go multus and device plugins do", () => {
  expect(new DeviceInfoDirectory().path(attachment)).toBe(
    "/var/run/k8s.cni.cncf.io/devinfo/cni/default-vf-c0ffee_net1",
  );
  expect(pluginFileName(device)).toBe(dpName);
  expect(pluginFileName({ resourceName: "a/b/c", deviceId: "../../x" })).toBe("a-b-c-..-..-x-device.json");
});

it("tells plugins the directory as they see it", () => {
  expect(new DeviceInfoDirectory("/host/devinfo", "/run/devinfo").path(attachment)).toBe(
    `/run/devinfo/cni/${ownName}`,
  );
});

it("copies the device plugin's file before ADD, reads it after, and removes it at DEL", () => {
  using at = opened();
  at.directory.write(`dp/${dpName}`, pci);
  at.files.prepare(attachment, device);
  expect(readFileSync(at.own, "utf8")).toBe(pci);
  expect(statSync(at.own).mode & 0o777).toBe(0o444);
  expect(text(at.files.read(attachment))).toBe(pci);
  at.files.remove(attachment);
  at.files.remove(attachment);
  expect(readdirSync(join(at.directory.path, "cni"))).toEqual([]);
  expect(readdirSync(join(at.directory.path, "dp"))).toEqual([dpName]);
});

it("reads what a CNI plugin has written, where the device plugin wrote nothing", () => {
  using at = opened();
  at.files.prepare(attachment, device);
  expect(at.files.read(attachment)).toBeUndefined();
  at.directory.write(`cni/${ownName}`, '{"type":"memif","memif":{"role":"slave"}}');
  expect(text(at.files.read(attachment))).toBe('{"type":"memif","memif":{"role":"slave"}}');
});

it.each([
  ["with a device whose plugin has written another", device],
  ["without a device", undefined],
])("replaces what an earlier attachment has left, %s", (_what, wanted) => {
  using at = opened();
  at.directory.write(`cni/${ownName}`, '{"type":"pci"}');
  if (wanted !== undefined) at.directory.write(`dp/${dpName}`, pci);
  at.files.prepare(attachment, wanted);
  expect(text(at.files.read(attachment))).toBe(wanted && pci);
});

it("removes what an earlier attachment has left where the device's plugin has written nothing", () => {
  using at = opened();
  at.directory.write(`cni/${ownName}`, '{"type":"pci"}');
  at.files.prepare(attachment, device);
  expect(at.files.read(attachment)).toBeUndefined();
});

describe("files of others", () => {
  it("are not read through a symbolic link", () => {
    using at = opened();
    const secret = at.directory.write("secret", '{"type":"pci","token":"t"}');
    mkdirSync(join(at.directory.path, "dp"));
    mkdirSync(join(at.directory.path, "cni"));
    symlinkSync(secret, join(at.directory.path, "dp", dpName));
    symlinkSync(secret, at.own);
    expect(() => at.files.prepare(attachment, device)).toThrow(/cannot read .*dp.*ELOOP/);
    expect(() => at.files.read(attachment)).toThrow(/cannot read .*cni.*ELOOP/);
  });

  it("are not written through a symbolic link, under neither name", () => {
    using at = opened();
    const victim = at.directory.write("victim", "untouched");
    at.directory.write(`dp/${dpName}`, pci);
    at.files.prepare(attachment, device);
    at.files.remove(attachment);
    symlinkSync(victim, at.own);
    at.files.prepare(attachment, device);
    expect(readFileSync(victim, "utf8")).toBe("untouched");
    expect(statSync(at.own).size).toBe(pci.length);
    at.files.remove(attachment);
    symlinkSync(victim, at.own);
    at.files.remove(attachment);
    expect(readFileSync(victim, "utf8")).toBe("untouched");
    expect(readdirSync(join(at.directory.path, "cni"))).toEqual([]);
  });

  it("that are no regular files, or too large, are errors that name the file", () => {
    using at = opened();
    mkdirSync(at.own, { recursive: true });
    expect(() => at.files.read(attachment)).toThrow(`cannot read ${at.own}: it is no regular file`);
    expect(() => at.files.remove(attachment)).toThrow(`cannot remove ${at.own}`);
    at.directory.write(`dp/${dpName}`, `{"type":"pci"}${" ".repeat(20_000)}`);
    expect(() => at.files.prepare(attachment, device)).toThrow(
      /dp.* it has 20014 bytes, and at most 16384 are allowed/,
    );
  });

  it("in a directory that cannot be made are an error that names the file", () => {
    using at = opened();
    at.directory.write(`dp/${dpName}`, pci);
    writeFileSync(join(at.directory.path, "cni"), "a file");
    expect(() => at.files.prepare(attachment, device)).toThrow(`cannot write ${at.own}`);
  });
});

it("takes names that no file can have for those of files that are not there", () => {
  using at = opened();
  for (const name of [`default/${"x".repeat(300)}`, "default/a\0b"]) {
    expect(at.files.read({ ...attachment, name })).toBeUndefined();
    at.files.remove({ ...attachment, name });
  }
  at.files.prepare(attachment, { ...device, deviceId: "y".repeat(250) });
  expect(at.files.read(attachment)).toBeUndefined();
});

it("keeps a name of 255 bytes, whose temporary name has to be another", () => {
  using at = opened();
  at.directory.write(`dp/${dpName}`, pci);
  const long = { ...attachment, name: "x".repeat(255 - "-c0ffee_net1".length) };
  at.files.prepare(long, device);
  expect(text(at.files.read(long))).toBe(pci);
});

describe("device information", () => {
  const check = (written: string) => checkDeviceInfo(Buffer.from(written), "/d/f");

  it.each([
    '{"type":"pci","version":"1.1.0","pci":{"pci-address":"a","vhost-net":"b","rdma-device":"c","pf-pci-address":"d","representor-device":"e"}}',
    '{"type":"vdpa","vdpa":{"driver":"vhost","path":"/dev/vhost-vdpa-0"}}',
    '{"type":"vhost-user","vhost-user":{"mode":"client","path":"/s"}}',
    '{"type":"memif","memif":{"role":"master","path":"/s","mode":"ip"}}',
    '{"type":"rdma","rdma":{"rdma-device":"mlx5_0"}}',
    '{"type":"of-another-version","what":1,"pci":null}',
  ])("is %s", (written) => {
    expect(() => check(written)).not.toThrow();
  });

  it.each([
    ["{", "syntax", /^\/d\/f: .*line 1, column 2/],
    ["[]", "content", "/d/f: it must be an object, is an array"],
    ["{}", "content", "/d/f: type must be a text of 1 to 63 characters, is undefined"],
    ['{"type":7}', "content", "/d/f: type must be a text of 1 to 63 characters, is 7"],
    ['{"type":""}', "content", '/d/f: type must be a text of 1 to 63 characters, is ""'],
    ['{"type":"pci","pci":"x"}', "content", '/d/f: pci must be an object, is "x"'],
    ['{"type":"pci","vhost-user":[]}', "content", "/d/f: vhost-user must be an object, is an array"],
    ['{"type":"pci","version":1}', "content", "/d/f: version must be a text, is 1"],
  ])("is not %s", (written, kind, message) => {
    expect(() => check(written)).toThrow(message);
    expect(() => check(written)).toThrow(expect.objectContaining({ kind }) as InputError);
  });
});
