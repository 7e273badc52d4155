/** The lines of the daemon's log about native networks. */

/** The log lines of requests of a command that succeeded. */
function requests(output: string, command: "ADD" | "DEL"): readonly string[] {
  return output.split("\n").filter((line) => line.includes(` ${command} done `));
}

/** @param output what a daemon printed at level `verbose` @returns networks of requests of this command that an order made or removed, not their plugins */
export function nativeCount(output: string, command: "ADD" | "DEL"): number {
  return requests(output, command).reduce(
    (sum, line) => sum + Number(/ native=(\d+)/.exec(line)?.[1] ?? 0),
    0,
  );
}

/** @param output as above @returns networks of requests of this command, whichever way */
export function networkCount(output: string, command: "ADD" | "DEL"): number {
  return requests(output, command).reduce(
    (sum, line) => sum + (/ networks=(\S+)/.exec(line)?.[1]?.split(",").length ?? 0),
    0,
  );
}

/** @param output as above @returns why the plugins were run, with how often, the most frequent first */
export function reasons(output: string): readonly string[] {
  const counts = new Map<string, number>();
  for (const [, text = ""] of output.matchAll(/network is not native: .* reason="((?:[^"\\]|\\.)*)"/g)) {
    const reason = text.replaceAll(/\/\S+|\b[0-9a-f]*[.:][0-9a-f.:]+(?:\/\d+)?|\d+/g, "…");
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([reason, count]) => `${count} × ${reason}`);
}
