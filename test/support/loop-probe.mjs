/**
 * Runs inside a daemon (NODE_OPTIONS=--import) and measures the longest turn of its event loop: the CPU time of the loop's thread between two ticks of a timer. The
 * time that other processes take meanwhile is not in it. SIGUSR2 begins anew; the longest so far is in the file that LOOP_PROBE names, in ms.
 */

import { writeFileSync } from "node:fs";

const tickMs = 2;
const file = process.env.LOOP_PROBE;

if (file !== undefined) {
  const busyMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let longest = 0;
  let last = busyMs();
  const note = (milliseconds) => {
    longest = milliseconds;
    writeFileSync(file, String(longest));
    last = busyMs();
  };
  process.on("SIGUSR2", () => note(0));
  setInterval(() => {
    const now = busyMs();
    if (now - last > longest) note(now - last);
    last = now;
  }, tickMs).unref();
}
