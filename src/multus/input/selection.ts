/** Network selection: what a pod's annotations ask for (docs/behaviour.md, "Network selection"). */

import { isIP } from "node:net";
import validateSelections from "../../../build/validators/selection.validator.mjs";
import {
  arrayElements,
  elementCount,
  isJsonObject,
  isNull,
  joinElements,
  joinMembers,
  objectMembers,
  parseJson,
} from "../../base/json.ts";
import { type KeySpelling, keySpelling } from "../../base/key-spelling.ts";
import { checkSchema, invalidValue } from "../../base/schema.ts";
import { TextPlaces } from "../../base/text-places.ts";
import { CniError, CniErrorCode, configError } from "../../cni/errors.ts";
import { ifNameProblem } from "../../cni/names.ts";
import { quoted } from "../../log/quoted.ts";
import { longestAnnotation, usualNetworksPerPod } from "./bounds.ts";
import schema from "./selection.schema.json" with { type: "json" };

/** Annotation with a pod's networks. */
export const networksAnnotation = "k8s.v1.cni.cncf.io/networks";
/** Annotation that replaces the cluster network. */
export const defaultNetworkAnnotation = "v1.multus-cni.io/default-network";
/** All that this room reads of a pod's annotations to know its networks. */
export const podAnnotationsRead: readonly string[] = [networksAnnotation, defaultNetworkAnnotation];

/** Selects nothing: no text, or an empty list. */
const emptySelection = /^\s*(?:\[\s*\]\s*)?$/;

/** Do a pod's annotations ask for other networks than every pod gets? A selection that cannot be parsed does. */
export function selectsNetworks(annotations: Readonly<Record<string, string>>): boolean {
  return podAnnotationsRead.some((name) => !emptySelection.test(annotations[name] ?? ""));
}

/** A selection's wishes for the attachment, beyond the network itself. */
export interface AttachmentRequest {
  readonly ifName?: string | undefined;
  readonly mac?: string | undefined;
  readonly infinibandGUID?: string | undefined;
  /** Addresses or CIDRs. */
  readonly ips?: readonly string[] | undefined;
  /** Raw JSON array. */
  readonly portMappings?: Uint8Array | undefined;
  /** Raw JSON object. */
  readonly bandwidth?: Uint8Array | undefined;
  readonly deviceID?: string | undefined;
  /** `default-route`: gateways of the default routes; an empty list asks for those that the network brings itself. */
  readonly defaultRoute?: readonly string[] | undefined;
}

/** One network that a pod selects. */
export interface NetworkSelection {
  readonly name: string;
  readonly namespace: string;
  readonly request: AttachmentRequest;
  /** `cni-args`: raw JSON object. */
  readonly cniArgs?: Uint8Array | undefined;
}

/** An item of the JSON form as selection.schema.json has it. */
interface SelectionItem {
  readonly name: string;
  readonly namespace?: string | null;
  readonly interface?: string | null;
  readonly interfaceRequest?: string | null;
  readonly ips?: readonly string[] | null;
  readonly mac?: string | null;
  readonly "infiniband-guid"?: string | null;
  readonly "default-route"?: readonly string[] | null;
  readonly deviceID?: string | null;
}

/** A DNS-1123 label: namespaces, and names in the comma form. */
const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
/** A DNS-1123 subdomain, which is what an object of Kubernetes may be called. */
const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const longestName = 253;

/** Items of the lists in one selection. A pod maps ranges of ports one by one; it has one gateway of a family. */
const longestLists: readonly (readonly [keyof SelectionItem | "portMappings", number])[] = [
  ["ips", 256],
  ["default-route", 256],
  ["portMappings", 4096],
];

const fields = schema.items.properties;
const spelling = keySpelling(Object.keys(fields));
const mappingSpelling = keySpelling(Object.keys(fields.portMappings.items.properties));
const bandwidthSpelling = keySpelling(Object.keys(fields.bandwidth.properties));

/**
 * Parses annotation `k8s.v1.cni.cncf.io/networks`: comma form, or JSON where the text has one of `[ { "`. The items are counted before anything is made of them.
 * @param text the annotation's value; "" selects nothing
 * @param podNamespace namespace of an item that names none
 * @param most items: the netconf's maxNetworksPerPod
 * @throws {CniError} 7 naming annotation, item, field and value; too many items, or too long a text; 6 with line and column for broken JSON
 */
export function parseNetworkSelections(
  text: string,
  podNamespace: string,
  most: number = usualNetworksPerPod,
): NetworkSelection[] {
  if (text === "") return [];
  const where = `annotation ${networksAnnotation}`;
  const count = selectionCount(text, where, most);
  if (count > most) {
    throw configError(
      `${where}: selects ${count} networks, and a pod may have at most ${most} (key maxNetworksPerPod)`,
    );
  }
  return parseSelections(text, podNamespace, where);
}

/**
 * Parses annotation `v1.multus-cni.io/default-network`: the same forms, exactly one item.
 * @param multusNamespace namespace of an item that names none
 * @throws {CniError} 7, 6 as parseNetworkSelections
 */
export function parseDefaultNetworkSelection(text: string, multusNamespace: string): NetworkSelection {
  const where = `annotation ${defaultNetworkAnnotation}`;
  const count = selectionCount(text, where, 1);
  const [selection] = count > 1 ? [] : parseSelections(text, multusNamespace, where);
  if (selection === undefined) {
    throw configError(`${where}: must name exactly one network, names ${count > 1 ? count : "none"}`);
  }
  return selection;
}

const jsonForm = /[[{"]/;

/**
 * How many items a text has, without making anything of them: a JSON text of 256 KiB can have 85,000.
 * @param most so many commas need no second look; below it the count may be too high
 * @returns 0 or 1 for a JSON text that is no list: parsing says what is wrong with it
 * @throws {CniError} 7 a text that is longer than an annotation can be
 */
function selectionCount(text: string, where: string, most: number): number {
  const length = Buffer.byteLength(text);
  if (length > longestAnnotation) {
    throw configError(`${where}: has ${length} bytes, and at most ${longestAnnotation} are allowed`);
  }
  let pieces = 1;
  for (let comma = text.indexOf(","); comma >= 0; comma = text.indexOf(",", comma + 1)) pieces++;
  return pieces > most && jsonForm.test(text) ? elementCount(Buffer.from(text)) : pieces;
}

function parseSelections(text: string, defaultNamespace: string, where: string): NetworkSelection[] {
  if (jsonForm.test(text)) return parseJsonForm(text, defaultNamespace, where);
  let next = 0;
  return text.split(",").map((item, index) => {
    const offset = next + item.length - item.trimStart().length;
    next += item.length + 1;
    return parseCommaItem(item.trim(), defaultNamespace, (what) => {
      const message = `item ${index + 1}, ${quoted(item.trim())}: ${what}`;
      const problems = [{ message, ...new TextPlaces(text).at(offset) }];
      return new CniError(CniErrorCode.invalidNetworkConfig, `${where}: ${message}`, "", { problems });
    });
  });
}

/** `[namespace/]name[@interface]`, blanks around each part dropped. @param refuse makes the error of what is wrong with the item */
function parseCommaItem(
  item: string,
  defaultNamespace: string,
  refuse: (what: string) => CniError,
): NetworkSelection {
  const slash = item.indexOf("/");
  const namespace = item.slice(0, Math.max(slash, 0)).trim();
  const [name = "", interfaceRequest = "", ...further] = item
    .slice(slash + 1)
    .split("@")
    .map((part) => part.trim());
  if (name.includes("/") || interfaceRequest.includes("/") || further.length > 0) {
    throw refuse("must be [namespace/]name[@interface]");
  }
  if (namespace !== "" && !isLabel(namespace)) {
    throw refuse(`namespace ${quoted(namespace)} is no DNS-1123 label`);
  }
  if (!isLabel(name)) throw refuse(`name ${quoted(name)} is no DNS-1123 label`);
  const wrong = interfaceRequest === "" ? undefined : ifNameProblem(interfaceRequest);
  if (wrong !== undefined) throw refuse(`interface ${quoted(interfaceRequest)} ${wrong}`);
  return {
    name,
    namespace: namespace || defaultNamespace,
    request: { ifName: interfaceRequest || undefined },
  };
}

function parseJsonForm(text: string, defaultNamespace: string, where: string): NetworkSelection[] {
  const bytes = Buffer.from(text);
  const parsed = parseJson(bytes, where);
  const items = Array.isArray(parsed)
    ? arrayElements(bytes, where).map((raw, index) => presentItem(parsed[index], raw, where))
    : [];
  const value = Array.isArray(parsed) ? items.map(({ object }) => object) : parsed;
  checkLists(value, bytes, where);
  checkSchema(validateSelections, value, bytes, where);
  return items.map(({ object, members }, index) => {
    const item = withNamespace(object as SelectionItem);
    checkItem(item, index, bytes, where);
    return {
      name: item.name,
      namespace: item.namespace || defaultNamespace,
      request: {
        ifName: item.interface || item.interfaceRequest || undefined,
        ips: item.ips ?? undefined,
        mac: item.mac || undefined,
        infinibandGUID: item["infiniband-guid"] || undefined,
        portMappings: spelledMappings(rawMember(members, "portMappings"), where),
        bandwidth: spelledWithin(bandwidthSpelling, rawMember(members, "bandwidth"), where),
        defaultRoute: item["default-route"] ?? undefined,
        deviceID: item.deviceID || undefined,
      },
      cniArgs: rawMember(members, "cni-args"),
    };
  });
}

/** The keys of an item that count, those of its port mappings and its bandwidth among them. Anything but an object stays as it is, for the schema to refuse. */
function presentItem(
  item: unknown,
  raw: Uint8Array,
  where: string,
): { readonly object: unknown; readonly members: ReadonlyMap<string, Uint8Array> } {
  if (!isJsonObject(item)) return { object: item, members: new Map() };
  const { object, members } = spelling.present(raw, where, spelling.isKnown);
  const { portMappings, bandwidth } = object;
  const spelled = {
    ...object,
    ...(Array.isArray(portMappings) ? { portMappings: portMappings.map(mappingSpelling.object) } : {}),
    ...(isJsonObject(bandwidth) ? { bandwidth: bandwidthSpelling.object(bandwidth) } : {}),
  };
  return { object: spelled, members };
}

/** An object as it is written, or, where keys of it are not, with these as plugins know them: not all are in Go. */
function spelledWithin(
  within: KeySpelling,
  raw: Uint8Array | undefined,
  where: string,
): Uint8Array | undefined {
  if (raw === undefined) return undefined;
  const members = objectMembers(raw, where);
  const spelled = within.members(members);
  return [...spelled.keys()].every((key) => members.has(key)) && spelled.size === members.size
    ? raw
    : joinMembers(spelled);
}

function spelledMappings(raw: Uint8Array | undefined, where: string): Uint8Array | undefined {
  if (raw === undefined) return undefined;
  const mappings = arrayElements(raw, where);
  const spelled = mappings.map((mapping) => spelledWithin(mappingSpelling, mapping, where) ?? mapping);
  return spelled.every((mapping, index) => mapping === mappings[index]) ? raw : joinElements(spelled);
}

/** `{"name":"ns/net"}` is `net` of namespace `ns`, as in the comma form. Other values stay as they are, for checkItem to refuse. */
function withNamespace(item: SelectionItem): SelectionItem {
  const slash = item.name.indexOf("/");
  if (slash < 0) return item;
  const namespace = item.name.slice(0, slash);
  const name = item.name.slice(slash + 1);
  return namespace === "" || (item.namespace && item.namespace !== namespace)
    ? item
    : { ...item, name, namespace };
}

/** So that the schema, which says what is wrong with each item of a list, has not a hundred thousand of them. */
function checkLists(items: unknown, bytes: Uint8Array, where: string): void {
  for (const [index, item] of Array.isArray(items) ? items.entries() : []) {
    for (const [field, most] of isJsonObject(item) ? longestLists : []) {
      const list = item[field];
      if (!Array.isArray(list) || list.length <= most) continue;
      const message = `must have at most ${most} items and has ${list.length}`;
      throw invalidValue(bytes, where, [String(index), field], message, list);
    }
  }
}

/** A member as it is written; null counts as absent. */
function rawMember(members: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array | undefined {
  const raw = members.get(name);
  return raw === undefined || isNull(raw) ? undefined : raw;
}

/** Checks that the schema cannot express. An empty text counts as absent, but for the name. */
function checkItem(item: SelectionItem, index: number, bytes: Uint8Array, where: string): void {
  const refuse = (path: string[], message: string, value: unknown) =>
    invalidValue(bytes, where, [String(index), ...path], message, value);

  if (item.name.length > longestName || !subdomain.test(item.name)) {
    const form = item.name.includes("/") ? " or namespace/name, without another namespace beside it" : "";
    throw refuse(["name"], `must be a DNS-1123 name${form}`, item.name);
  }
  if (item.namespace && !isLabel(item.namespace)) {
    throw refuse(["namespace"], "must be a DNS-1123 label", item.namespace);
  }
  for (const field of ["interface", "interfaceRequest"] as const) {
    const problem = item[field] ? ifNameProblem(item[field]) : undefined;
    if (problem !== undefined) throw refuse([field], `must be an interface name: it ${problem}`, item[field]);
  }
  for (const field of ["mac", "infiniband-guid"] as const) {
    if (item[field] && !isHardwareAddress(item[field])) {
      throw refuse([field], "must be a hardware address (6, 8 or 20 bytes)", item[field]);
    }
  }
  for (const [place, ip] of (item.ips ?? []).entries()) {
    if (!isAddressOrCidr(ip)) throw refuse(["ips", String(place)], "must be an IP address or CIDR", ip);
  }
  for (const [place, gateway] of (item["default-route"] ?? []).entries()) {
    if (!isAddress(gateway)) throw refuse(["default-route", String(place)], "must be an IP address", gateway);
  }
}

function isLabel(text: string): boolean {
  return text.length <= longestName && label.test(text);
}

/** The forms of IEEE 802 MAC-48, EUI-48, EUI-64 and 20-byte InfiniBand addresses: pairs with one separator, or groups of four with dots. */
export function isHardwareAddress(text: string): boolean {
  const isPairs = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2})+$/i.test(text);
  const isGroups = /^[0-9a-f]{4}(?:\.[0-9a-f]{4})+$/i.test(text);
  return (isPairs || isGroups) && [6, 8, 20].includes(text.replaceAll(/[:.-]/g, "").length / 2);
}

/** An address without a zone: it would name an interface of another namespace. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%");
}

/** An address, or an address with the length of its prefix. */
export function isAddressOrCidr(text: string): boolean {
  const [address = "", length, ...further] = text.split("/");
  if (!isAddress(address) || further.length > 0) return false;
  if (length === undefined) return true;
  return /^\d{1,3}$/.test(length) && Number(length) <= (isIP(address) === 4 ? 32 : 128);
}
