/** The kubelet's device-manager checkpoint: which devices it has given to which container of which pod, in a file that is read where its pod-resources socket is not there. */

import { type InputError, textError } from "../base/input-error.ts";
import { isJsonObject, parseJson, scalarText } from "../base/json.ts";
import { bounded, quoted } from "../log/quoted.ts";
import { longestDeviceId, mostEntries } from "./bounds.ts";
import { checkpointChecksum } from "./checkpoint-checksum.ts";
import type { CheckpointData, CheckpointEntry } from "./checkpoint-data.ts";

/**
 * Reads a checkpoint of either form: the ids of a container's devices in a list (Kubernetes up to 1.19) or by NUMA node. All that the kubelet has put into its checksum is read, and compared with it: a
 * file that is torn, damaged, or of a kubelet with another form is an error.
 * @param where names the file in errors
 * @throws {InputError} of kind "syntax" or "content"
 */
export function parseCheckpoint(bytes: Uint8Array, where: string): CheckpointData {
  const text = parseJson(bytes, where);
  const { Data: data, Checksum: checksum } = object(text, where, "it");
  const content = checkpointData(object(data, where, "Data"), where);
  const computed = checkpointChecksum(content);
  if (checksum !== computed) {
    throw problem(
      where,
      `Checksum is ${bounded(scalarText(checksum))}, and that of its content is ${computed}: the file is damaged, or of a kubelet whose form of it is not known`,
    );
  }
  return content;
}

function checkpointData(data: Readonly<Record<string, unknown>>, where: string): CheckpointData {
  checkKeys(data, ["PodDeviceEntries", "RegisteredDevices"], where, "Data");
  const { PodDeviceEntries: entries = null, RegisteredDevices: registered = null } = data;
  const list = entries === null ? undefined : array(entries, where, "Data.PodDeviceEntries");
  if ((list?.length ?? 0) > mostEntries) {
    throw problem(where, `Data.PodDeviceEntries has more than ${mostEntries} entries`);
  }
  return {
    entries: list?.map((entry, index) => checkpointEntry(entry, where, `Data.PodDeviceEntries[${index}]`)),
    registered:
      registered === null
        ? undefined
        : new Map(
            Object.entries(object(registered, where, "Data.RegisteredDevices")).map(([name, ids]) => [
              name,
              textList(ids, where, `Data.RegisteredDevices[${quoted(name)}]`),
            ]),
          ),
  };
}

const entryKeys = ["PodUID", "ContainerName", "ResourceName", "DeviceIDs", "AllocResp"];

function checkpointEntry(value: unknown, where: string, path: string): CheckpointEntry {
  const entry = object(value, where, path);
  checkKeys(entry, entryKeys, where, path);
  const { PodUID, ContainerName, ResourceName, DeviceIDs = null, AllocResp = null } = entry;
  return {
    podUid: text(PodUID, where, `${path}.PodUID`),
    container: text(ContainerName, where, `${path}.ContainerName`),
    resourceName: text(ResourceName, where, `${path}.ResourceName`),
    devices: entryDevices(DeviceIDs, where, `${path}.DeviceIDs`),
    allocation: AllocResp === null ? undefined : base64Bytes(AllocResp, where, `${path}.AllocResp`),
  };
}

/** Of a null the form is not known: it is the newer one, and without devices. A kubelet writes no entry without devices. */
function entryDevices(value: unknown, where: string, path: string): CheckpointEntry["devices"] {
  if (value === null) return { form: "nodes", byNode: undefined };
  if (Array.isArray(value)) return { form: "list", ids: textList(value, where, path) };
  const byNode = new Map<bigint, readonly string[] | undefined>();
  for (const [node, ids] of Object.entries(object(value, where, path))) {
    if (!/^(?:0|-?[1-9]\d{0,17})$/.test(node)) {
      throw problem(where, `${path} has the key ${quoted(node)}, which is no number of a NUMA node`);
    }
    byNode.set(BigInt(node), textList(ids, where, `${path}[${node}]`));
  }
  return { form: "nodes", byNode };
}

/** A key that is not known may be part of a newer form's checksum, which then differs; it is named before. */
function checkKeys(
  value: Readonly<Record<string, unknown>>,
  known: readonly string[],
  where: string,
  path: string,
): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw problem(where, `${path} has the key ${quoted(unknown)}, which no known kubelet writes`);
}

function textList(value: unknown, where: string, path: string): readonly string[] | undefined {
  if (value === null) return undefined;
  const list = array(value, where, path);
  return list.map((item, index) => {
    const id = text(item, where, `${path}[${index}]`);
    if (id.length <= longestDeviceId) return id;
    throw problem(
      where,
      `${path}[${index}] has ${id.length} characters, and at most ${longestDeviceId} are allowed`,
    );
  });
}

function base64Bytes(value: unknown, where: string, path: string): Uint8Array {
  const written = text(value, where, path);
  const bytes = Buffer.from(written, "base64");
  if (bytes.toString("base64") !== written) throw problem(where, `${path} is no base64 as Go writes it`);
  return bytes;
}

function object(value: unknown, where: string, path: string): Readonly<Record<string, unknown>> {
  if (isJsonObject(value)) return value;
  throw problem(where, `${path} must be an object, is ${bounded(scalarText(value))}`);
}

function array(value: unknown, where: string, path: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw problem(where, `${path} must be an array, is ${bounded(scalarText(value))}`);
}

function text(value: unknown, where: string, path: string): string {
  if (typeof value === "string") return value;
  throw problem(where, `${path} must be a text, is ${bounded(scalarText(value))}`);
}

function problem(where: string, message: string): InputError {
  return textError("content", where, [{ message }]);
}
