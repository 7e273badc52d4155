/** The trace of the W3C's own examples, and a request that may belong to it. */

import type { CniRequest } from "../../src/cni/request.ts";

export const traceId = "0af7651916cd43dd8448eb211c80319c";
export const spanId = "b7ad6b7169203331";
export const traceparent = `00-${traceId}-${spanId}-01`;

/** An ADD. @param of TRACEPARENT of the runtime's environment; undefined: it has none */
export function requestIn(of: string | undefined): CniRequest {
  return {
    command: "ADD",
    containerId: "abc",
    netns: "/run/netns/x",
    ifName: "eth0",
    args: "",
    path: "/opt/cni/bin",
    config: Buffer.from("{}"),
    traceparent: of,
  };
}
