/** An HTTP client for a daemon's socket: its status and readiness. */

import { type JsonObject, objectIn } from "../base/json.ts";

export interface SocketAnswer {
  /** Of HTTP. */
  readonly status: number;
  readonly body: string;
}

const maxBytes = 4 << 20;

/**
 * One GET.
 * @param socket path @param path of the URL
 * @param withinMs milliseconds until the whole answer has to be there
 * @throws {Error} of the socket; of a request that came too late the cause is a TimeoutError
 */
export function getFromSocket(socket: string, path: string, withinMs: number): Promise<SocketAnswer> {
  // Not imported: an `import` of node:http brings a WebSocket client along (6 MB).
  const { request } = process.getBuiltinModule("node:http");
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: socket, path, agent: false, signal: AbortSignal.timeout(withinMs) },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (text: string) => {
          body += text;
          if (body.length > maxBytes) asked.destroy(new Error(`more than ${maxBytes} bytes`));
        });
        answer.on("error", reject);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}

/** A daemon's answer to GET /status, as far as it is an object. @returns undefined: it has no such page */
export function statusPage({ status, body }: SocketAnswer): JsonObject | undefined {
  return status === 200 ? objectIn(body) : undefined;
}
