/** The body of an HTTP request, as bytes, and no more of them than a request may have. */

import type { IncomingMessage } from "node:http";
import { CniError, CniErrorCode } from "../../cni/errors.ts";

/** A netconf of 4 MiB, which is what a shim takes, in base64, and half a MiB for the environment. */
const maxBodyBytes = 6 * 1024 * 1024;

/** More than a request may have. */
export class TooLargeError extends CniError {
  constructor(what: string, bytes: number) {
    super(CniErrorCode.invalidNetworkConfig, `${what} has more than ${bytes} bytes`);
  }
}

/** So much is read, and forgotten, of a body that is too large: a client that cannot send all would never read why. */
const maxReadBytes = 64 * 1024 * 1024;

/**
 * @returns undefined: the client went away before all of it had come
 * @throws {TooLargeError}
 */
export function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const tooLarge = new TooLargeError("the body of the request", maxBodyBytes);
  let chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBodyBytes) chunks.push(chunk);
      else chunks = [];
      if (length > maxReadBytes) {
        request.pause();
        reject(tooLarge);
      }
    });
    request.on("end", () => {
      if (length > maxBodyBytes) reject(tooLarge);
      else resolve(Buffer.concat(chunks));
    });
    request.on("error", () => resolve(undefined));
    request.on("close", () => resolve(undefined));
  });
}
