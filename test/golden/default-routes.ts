/** The default routes that a pod keeps where selections ask for some: of each family that a selection names, its gateways alone. */

import { isIPv6 } from "node:net";
import { attachmentsOf, type RecordedAttachment } from "./attachments.ts";
import { type GoldenCase, isObject, type Json, type JsonObject } from "./cases.ts";
import type { RoutesChanged } from "./results.ts";

const familyOf = (address: string) => (isIPv6(address) ? 6 : 4);
const anywhere = ["0.0.0.0/0", "::/0"];

/** Gateways of the default routes that the network's plugins set. */
function gatewaysSet({ result }: RecordedAttachment): readonly string[] {
  const routes = Array.isArray(result?.routes) ? (result.routes as readonly JsonObject[]) : [];
  return routes.flatMap(({ dst, gw }) => (anywhere.includes(String(dst)) && gw ? [String(gw)] : []));
}

/** The families that the networks that ask name or, where they name none, bring. */
function familiesTaken(attachments: readonly RecordedAttachment[]): ReadonlySet<number> {
  return new Set(
    attachments.flatMap((attachment) => {
      const { defaultRoute } = attachment;
      if (defaultRoute === undefined) return [];
      return (defaultRoute.length > 0 ? defaultRoute : gatewaysSet(attachment)).map(familyOf);
    }),
  );
}

function gatewaysLeft(attachment: RecordedAttachment, taken: ReadonlySet<number>): readonly string[] {
  const { defaultRoute, result } = attachment;
  // A network without an interface has no routes.
  if (result === undefined) return [];
  const own = gatewaysSet(attachment);
  if (defaultRoute === undefined) return own.filter((gateway) => !taken.has(familyOf(gateway)));
  if (defaultRoute.length === 0) return own;
  return [...own.filter((gateway) => !taken.has(familyOf(gateway))), ...defaultRoute];
}

/** Changes to the result of one of the pod's networks; undefined: no selection asks for any. */
export function routesChanged(golden: GoldenCase, ifName: string): RoutesChanged | undefined {
  const attachments = attachmentsOf(golden);
  if (attachments.every(({ defaultRoute }) => defaultRoute === undefined)) return undefined;
  const taken = familiesTaken(attachments);
  const own = attachments.find((attachment) => attachment.ifName === ifName);
  const keepsOwn = own?.defaultRoute?.length === 0;
  return {
    removeIPv4: !keepsOwn && taken.has(4),
    removeIPv6: !keepsOwn && taken.has(6),
    add: own?.result === undefined ? [] : (own.defaultRoute ?? []),
  };
}

/** Does a selection of the pod ask for default routes, and was it attached? */
export function asksForDefaultRoute(golden: GoldenCase): boolean {
  return attachmentsOf(golden).some(({ defaultRoute }) => defaultRoute !== undefined);
}

/** A recorded network-status with the gateways that are left. */
export function statusWithGatewaysLeft(status: Json | undefined, golden: GoldenCase): Json | undefined {
  if (!Array.isArray(status)) return status;
  const attachments = attachmentsOf(golden);
  const taken = familiesTaken(attachments);
  return status.filter(isObject).map(({ gateway: _recorded, ...entry }) => {
    const attachment = attachments.find(({ ifName }) => ifName === entry.interface);
    const gateway = attachment === undefined ? [] : gatewaysLeft(attachment, taken);
    return gateway.length === 0 ? entry : { ...entry, gateway };
  });
}

/** Of the namespace's recorded default routes those that are left. */
export function routesLeft(
  routes: readonly string[] | undefined,
  golden: GoldenCase,
): readonly string[] | undefined {
  const attachments = attachmentsOf(golden);
  const taken = familiesTaken(attachments);
  const left = attachments.flatMap((attachment) =>
    gatewaysLeft(attachment, taken).map((gateway) => `default via ${gateway} dev ${attachment.ifName}`),
  );
  return routes?.filter((route) => left.includes(route));
}
