/** A registry that serves one OCI layout under any name (OCI distribution specification 1.1, pull only). */

import { createReadStream, existsSync } from "node:fs";
import type { RequestListener } from "node:http";
import { offeredBy } from "../../tools/build/oci-image.mjs";
import { blobFile, type Descriptor } from "../../tools/build/oci-layout.mjs";
import { HttpServer } from "./http-server.ts";

/** @param tag of what the layout offers */
export function startRegistry(layout: string, tag: string): Promise<HttpServer> {
  const [offered] = offeredBy(layout);
  const answer: RequestListener = ({ method, url = "" }, response) => {
    const [, kind, reference = ""] = /^\/v2\/.+\/(manifests|blobs)\/([^/?]+)$/.exec(url) ?? [];
    const found: Pick<Descriptor, "digest" | "mediaType" | "size"> | undefined =
      offered !== undefined && [tag, offered.digest].includes(reference) ? offered : undefined;
    const digest = found?.digest ?? reference;
    const isThere = /^sha256:[0-9a-f]{64}$/.test(digest) && existsSync(blobFile(layout, { digest }));
    if (kind === undefined || !isThere) {
      response.writeHead(url === "/v2/" ? 200 : 404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": found?.mediaType ?? "application/octet-stream",
      "docker-content-digest": digest,
      ...(found === undefined ? {} : { "content-length": found.size }),
    });
    if (method === "HEAD") response.end();
    else createReadStream(blobFile(layout, { digest })).pipe(response);
  };
  return HttpServer.start(answer);
}
