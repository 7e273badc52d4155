/** The size of this process's own heap after a collection: to see what is kept alive. */

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Bytes in use. */
export function usedHeap(): number {
  collect();
  return getHeapStatistics().used_heap_size;
}
