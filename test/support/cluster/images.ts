/** Images that manifests name, made on the spot and put onto a node: nothing is pulled from anywhere. */

import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { buildExecutable } from "../../../tools/build/executable.mjs";
import { writeImageRoot } from "../../../tools/build/image.mjs";
import { runOrThrow } from "../command.ts";
import { imageConfig } from "../dockerfile.ts";
import { buildImage } from "../oci-image.ts";
import { busyboxImage } from "./manifests.ts";
import type { ClusterNode } from "./node.ts";

/** The image that the manifests of deploy/ name. */
export const multusImage = "localhost/multus-wasm:0.1.0";

/** The project's image, as the Dockerfile builds it. @param name as the manifests name it */
export async function importMultusImage(node: ClusterNode, name: string): Promise<void> {
  const root = join(node.directory, "image-root");
  mkdirSync(root);
  writeImageRoot(root, await buildExecutable({ out: join(node.directory, "multusd") }));
  await node.containerd.importImage(await buildImage(node.directory, name, root, imageConfig()));
}

/** Debian's busybox (package busybox-static) under the name that the pods of docs/examples have it by. */
export async function importBusyboxImage(node: ClusterNode): Promise<void> {
  const root = join(node.directory, "busybox-root");
  const programs = join(root, "bin");
  mkdirSync(programs, { recursive: true });
  const busybox = join(programs, "busybox");
  copyFileSync("/bin/busybox", busybox);
  for (const applet of (await runOrThrow([busybox, "--list"])).split("\n")) {
    if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(programs, applet));
  }
  const image = await buildImage(node.directory, busyboxImage, root, {
    Entrypoint: ["/bin/sh"],
    Env: ["PATH=/bin"],
  });
  await node.containerd.importImage(image);
}
