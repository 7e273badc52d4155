/** Milliseconds of each network, from the daemon's line about a request (src/daemon/request-line.ts). */

export interface NetworkTime {
  readonly ifName: string;
  readonly milliseconds: number;
}

/**
 * The networks of a container's ADDs that succeeded.
 * @param lines of the daemon's log at level verbose
 * @returns one entry for each ADD, in the order of the log
 */
export function addTimes(lines: readonly string[], containerId: string): NetworkTime[][] {
  return lines
    .filter((line) => line.includes(" ADD done ") && line.includes(` container=${containerId} `))
    .map((line) => {
      const [, networks = ""] = / networks=(\S+)/.exec(line) ?? [];
      return networks.split(",").flatMap((network) => {
        const found = /@([^@]+):([\d.]+)$/.exec(network);
        return found === null ? [] : [{ ifName: found[1] ?? "", milliseconds: Number(found[2]) }];
      });
    });
}
