/** Types of oci-image.mjs, for tests that run the image. */

import type { Architecture } from "./image.d.mts";
import type { Descriptor } from "./oci-layout.d.mts";

/** See oci-image.mjs. */
export const localName: string;
export function offeredBy(layout: string): readonly Descriptor[];
export function joinImages(
  directory: string,
  architectures: readonly Architecture[],
  name: string,
): Descriptor;
export function readFromImage(architecture: Architecture, path: string): Buffer;
