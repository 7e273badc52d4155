/** The daemon's own client, connected to a test's server without credentials. */

import { ApiClient } from "../../../src/kube/api-client.ts";

/** @param server its URL */
export function connectTo(server: string): ApiClient {
  const access = { server: new URL(server), tls: undefined, headers: {} };
  return new ApiClient({ access: async () => access, renewed: async () => access });
}
