/** The parts of a kernel benchmark. */

/** One kernel at one input size, beside its twin. */
export interface KernelCase {
  /** As Kernels names it. */
  readonly kernel: string;
  /** For the table: "0.2 KB". */
  readonly size: string;
  /** The whole call as its users make it, bytes in and bytes (or parts) out. */
  readonly runKernel: () => unknown;
  /** The twin of test/reference on the same input. */
  readonly runTwin: () => unknown;
}

/** The sizes that every kernel is measured at, in bytes of its main input. */
export const sizes: ReadonlyMap<string, number> = new Map([
  ["0.2 KB", 200],
  ["4 KB", 4 * 1024],
  ["64 KB", 64 * 1024],
]);
