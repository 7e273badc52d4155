/** Processor time of this process: of work that is measured, on a machine that does other work beside it. */

/** Microseconds since the process began, of all its threads. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Microseconds that some work takes. */
export async function cpuTimeOf(work: () => Promise<unknown>): Promise<number> {
  const begin = cpuTime();
  await work();
  return cpuTime() - begin;
}
