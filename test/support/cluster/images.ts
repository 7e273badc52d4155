/** Images that manifests name, put onto a node: the project's as `npm run image` builds it, others made on the spot; nothing is pulled from anywhere. */

import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import project from "../../../package.json" with { type: "json" };
import { ownArch } from "../../../tools/build/executable.mjs";
import { joinImages, localName } from "../../../tools/build/oci-image.mjs";
import { archiveLayout } from "../../../tools/build/oci-layout.mjs";
import { runOrThrow } from "../command.ts";
import { buildImage } from "../oci-image.ts";
import { buildOwnImage } from "../own-image.ts";
import { busyboxImage } from "./manifests.ts";
import type { ClusterNode } from "./node.ts";

/** The image that the manifests of deploy/ name. */
export const multusImage = `${localName}:${project.version}`;

/** The project's image, as `npm run image` builds it. @param name as the manifests name it */
export async function importMultusImage(node: ClusterNode, name: string): Promise<void> {
  await buildOwnImage();
  const layout = join(node.directory, "multus-image");
  joinImages(layout, [ownArch], multusImage);
  const file = `${layout}.oci.tar`;
  await archiveLayout(layout, file);
  await node.containerd.importImage(file);
  if (name !== multusImage) await node.containerd.tagImage(multusImage, name);
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
