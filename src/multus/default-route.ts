/** Which attachment of a pod has the default routes: what selections ask with `default-route`, by address family (behaviour page, section 6). */

import { isIPv4 } from "node:net";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import type { AttachmentRequest } from "./delegate.ts";

/** An address family. */
export type Family = 4 | 6;

/** What is done to one interface: its default routes of `clear` go, then those through `add` come. */
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
export interface GatewayFilter {
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
      throw new CniError(
        CniErrorCode.invalidNetworkConfig,
        `default-route: a pod can have one IPv${family} gateway, but its networks ask for ${named.join(" and ")}${others}`,
      );
    }
  }
}

/** What the selections of a pod ask for, all together: made once for a plan, as each of its networks is looked at against it. */
export interface AskedRoutes {
  /** Some selection has `default-route`. */
  readonly any: boolean;
  /** The families that some selection asked for; an empty list asks for both. */
  readonly families: readonly Family[];
}

/** @param delegates all of the plan */
export function askedRoutes(delegates: readonly Requesting[]): AskedRoutes {
  const lists = delegates.flatMap(({ request }) =>
    request.defaultRoute === undefined ? [] : [request.defaultRoute],
  );
  const isAsked = (family: Family) =>
    lists.some((list) => list.length === 0 || list.some((gateway) => familyOf(gateway) === family));
  return { any: lists.length > 0, families: families.filter(isAsked) };
}

/**
 * What to do to the delegate's default routes, undefined where that is nothing. Only families that some selection asked for
 * are touched; an empty list keeps the routes that the network itself sets.
 * @param asked over all of the plan
 */
export function defaultRouteEdit({ request }: Requesting, asked: AskedRoutes): DefaultRouteEdit | undefined {
  const own = request.defaultRoute;
  if (own !== undefined && own.length === 0) {
    return undefined;
  }
  const clear = asked.families;
  return clear.length === 0 ? undefined : { clear, add: own ?? [] };
}

/** The marks that Go multus keeps in its plan, of a pod any of whose networks asks for a default route. */
export function gatewayFilter({ request }: Requesting, asked: AskedRoutes): GatewayFilter {
  if (!asked.any) {
    return { ipv4: false, ipv6: false };
  }
  const own = (request.defaultRoute ?? []).map(familyOf);
  return { ipv4: !own.includes(4), ipv6: !own.includes(6) };
}
