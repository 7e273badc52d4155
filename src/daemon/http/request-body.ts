/** The body of an HTTP request, as bytes, and no more of them than a request may have. */

import type { IncomingMessage } from "node:http";
import { CniError, CniErrorCode } from "../../cni/errors.ts";

/** A netconf of 4 MiB, which is what a shim takes, in base64, and half a MiB for the environment. */
export const maxBodyBytes = 6 * 1024 * 1024;

/** More than a request may have. */
export class TooLargeError extends CniError {
  constructor(what: string, bytes: number) {
    super(CniErrorCode.invalidNetworkConfig, `${what} has more than ${bytes} bytes`);
  }
}

/**
 * @returns undefined: the client went away before all of it had come
 * @throws {TooLargeError} as soon as that is known; what comes after it is not read
 */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const tooLarge = () => new TooLargeError("the body of the request", maxBodyBytes);
  if (Number(request.headers["content-length"]) > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBodyBytes) {
        request.pause();
        reject(tooLarge());
        return;
      }
      chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", () => resolve(undefined));
    request.on("close", () => resolve(undefined));
  });
}
