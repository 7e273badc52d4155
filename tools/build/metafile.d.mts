/** Types of metafile.mjs. */
import type { Metafile } from "esbuild";

/** See metafile.mjs. */
export function packagesIn(metafile: Pick<Metafile, "outputs">): string[];
