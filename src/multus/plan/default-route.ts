/** Which attachment of a pod has the default routes: what selections ask with `default-route`, by address family (docs/behaviour.md, "Default routes"). */

import { isIP, isIPv4 } from "node:net";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { configError } from "../../cni/errors.ts";
import type { AttachmentRequest } from "../input/selection.ts";

export type Family = 4 | 6;

/** The changes of one interface: its default routes of `clear` go, then those through `add` come. */
export interface DefaultRouteEdit {
  readonly clear: readonly Family[];
  /** Gateways. */
  readonly add: readonly string[];
}

interface Requesting {
  readonly name: string;
  readonly request: AttachmentRequest;
}

/** Go multus's marks in the plan: true where another network has the default route of that family. */
interface GatewayFilter {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

const families: readonly Family[] = [4, 6];

/** Gateways that an error names; a selection can have thousands. */
const gatewaysNamed = 4;

/** @param gateway an address, checked when the selection was parsed */
export function familyOf(gateway: string): Family {
  return isIPv4(gateway) ? 4 : 6;
}

/** At most one gateway of each family over all selections. @throws {CniError} 7 naming the networks */
export function checkDefaultRoutes(delegates: readonly Requesting[]): void {
  for (const family of families) {
    const asked = delegates.flatMap(({ name, request }) =>
      (request.defaultRoute ?? [])
        .filter((gateway) => familyOf(gateway) === family)
        .map((gateway) => ({ gateway, name })),
    );
    if (asked.length > 1) {
      const named = asked.slice(0, gatewaysNamed).map(({ gateway, name }) => `${gateway} of ${name}`);
      const others = asked.length > named.length ? `, ${asked.length} in all` : "";
      throw configError(
        `default-route: a pod can have one IPv${family} gateway, but its networks ask for ${named.join(" and ")}${others}`,
      );
    }
  }
}

/** The default routes that all selections of a pod ask for: made once for a plan, as each of its networks is looked at against it. */
export interface AskedRoutes {
  /** Some selection has `default-route`. */
  readonly any: boolean;
  /** The families of which some selection names a gateway. */
  readonly families: readonly Family[];
  /** Some selection has an empty list: it asks for the families that its network brings a default route of, which is known when the network is there. */
  readonly hasEmpty: boolean;
}

/** @param delegates all of the plan */
export function askedRoutes(delegates: readonly Requesting[]): AskedRoutes {
  const lists = delegates.flatMap(({ request }) =>
    request.defaultRoute === undefined ? [] : [request.defaultRoute],
  );
  const isNamed = (family: Family) =>
    lists.some((list) => list.some((gateway) => familyOf(gateway) === family));
  return {
    any: lists.length > 0,
    families: families.filter(isNamed),
    hasEmpty: lists.some((list) => list.length === 0),
  };
}

/**
 * The changes of the delegate's default routes as soon as it is there; undefined: none. Only families of which some selection names a gateway are touched; an empty
 * list keeps the routes that the network itself sets.
 * @param asked over all of the plan
 */
export function defaultRouteEdit({ request }: Requesting, asked: AskedRoutes): DefaultRouteEdit | undefined {
  const own = request.defaultRoute;
  if (own !== undefined && own.length === 0) return undefined;
  const clear = asked.families;
  return clear.length === 0 ? undefined : { clear, add: own ?? [] };
}

interface Attached extends Pick<Requesting, "request"> {
  /** As it is in the result cache, JSON text, checked. */
  readonly result: Uint8Array;
}

/** The changes that are made when all delegates of a pod are there. */
interface LaterEdits<Delegate> {
  /** Families whose default routes go from `from`: interface and cached result. */
  readonly clear: readonly Family[];
  readonly from: readonly Delegate[];
  /**
   * The default routes that the asking networks brought. They are set again, in the kernel only: a plugin that adds a route only where there is none of its family passes
   * over its own beside the one that was there then.
   */
  readonly set: readonly { readonly attached: Delegate; readonly edit: DefaultRouteEdit }[];
}

/**
 * For selections with an empty list: of the families that their networks brought a default route of, and no other selection names a gateway of, the others' default routes go. A default
 * route counts that has a gateway; of two networks that bring one of the same family the first. So no pod loses a default route in exchange for none.
 * @param attached all delegates of the pod, in order
 */
export function laterEdits<Delegate extends Attached>(
  attached: readonly Delegate[],
  asked: AskedRoutes,
): LaterEdits<Delegate> {
  const bringers = new Map<Family, { readonly attached: Delegate; readonly gateway: string }>();
  const asksByEmptyList = ({ request }: Delegate) => request.defaultRoute?.length === 0;
  for (const delegate of asked.hasEmpty ? attached.filter(asksByEmptyList) : []) {
    for (const [family, gateway] of defaultGateways(delegate.result)) {
      if (asked.families.includes(family) || bringers.has(family)) continue;
      bringers.set(family, { attached: delegate, gateway });
    }
  }
  const clear = families.filter((family) => bringers.has(family));
  return {
    clear,
    from: clear.length === 0 ? [] : attached.filter((delegate) => !asksByEmptyList(delegate)),
    set: Array.from(bringers, ([family, bringer]) => ({
      attached: bringer.attached,
      edit: { clear: [family], add: [bringer.gateway] },
    })),
  };
}

/** The gateway of a result's first default route of each family; where the route names none, that of the result's first address of the family that has one, as plugins take it. */
function defaultGateways(result: Uint8Array): Map<Family, string> {
  const parsed: unknown = JSON.parse(Buffer.from(result).toString("utf8"));
  const gateways = new Map<Family, string>();
  if (!isJsonObject(parsed)) return gateways;
  const { ip4, ip6 } = parsed;
  // Spec 0.1.0 and 0.2.0 have one address of a family, with its own routes.
  const old = [ip4, ip6].filter(isJsonObject);
  const routes = [parsed, ...old].flatMap((owner) => objectsIn(owner.routes));
  const ofAddresses = firstOfFamilies([...objectsIn(parsed.ips), ...old].map(({ gateway }) => gateway));
  for (const { dst, gw, table } of routes) {
    if (typeof dst !== "string" || !isDefault.test(dst) || !isMainTable(table)) continue;
    const family = familyOf(dst.slice(0, dst.indexOf("/")));
    if (gateways.has(family)) continue;
    const gateway = firstOfFamilies([gw]).get(family) ?? ofAddresses.get(family);
    if (gateway !== undefined) gateways.set(family, gateway);
  }
  return gateways;
}

/** Of values the first address of each family. */
function firstOfFamilies(values: readonly unknown[]): Map<Family, string> {
  const first = new Map<Family, string>();
  for (const value of values) {
    const family = typeof value === "string" ? isIP(value) : 0;
    if ((family === 4 || family === 6) && !first.has(family)) first.set(family, String(value));
  }
  return first;
}

const isDefault = /\/0+$/;

/** A route of another table is no default route of the pod. 0 and none at all mean the main one, which has this number. */
function isMainTable(table: unknown): boolean {
  return table === undefined || table === null || table === 0 || table === 254;
}

function objectsIn(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

/** The marks that Go multus keeps in its plan, of a pod any of whose networks asks for a default route. */
export function gatewayFilter({ request }: Requesting, asked: AskedRoutes): GatewayFilter {
  if (!asked.any) return { ipv4: false, ipv6: false };
  const own = (request.defaultRoute ?? []).map(familyOf);
  return { ipv4: !own.includes(4), ipv6: !own.includes(6) };
}
