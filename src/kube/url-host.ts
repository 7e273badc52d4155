/** The host of a URL, as a connection is made to it. */

/** @returns a name or an address; an IPv6 address without the brackets that it has in a URL */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
