/** Reads from a daemon's status how the times of pods that were just started came about. */

import { isJsonObject } from "../../base/json.ts";
import type { PluginTiming, RequestTiming } from "../../socket/status.ts";
import { UserError } from "../command/user-error.ts";
import { type DaemonStatus, daemonStatusOf } from "../node/daemon-socket.ts";

/** A daemon's account of requests. */
export class DaemonTimes {
  readonly #socketDir: string;

  constructor(socketDir: string) {
    this.#socketDir = socketDir;
  }

  /**
   * Timings by container id.
   * @param command ADD or DEL
   * @returns none where no daemon of ours answers: there is another multus, or it is started by its plugin
   */
  async of(command: "ADD" | "DEL"): Promise<ReadonlyMap<string, RequestTiming>> {
    return timingsOf(command, await this.status());
  }

  /** The daemon's status; undefined where none of ours answers. */
  async status(): Promise<DaemonStatus | undefined> {
    try {
      return await daemonStatusOf(this.#socketDir);
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }
}

/** Timings in a daemon's status, by container id: those with all that is used here. */
export function timingsOf(
  command: "ADD" | "DEL",
  status: Pick<DaemonStatus, "timings"> | undefined,
): ReadonlyMap<string, RequestTiming> {
  const timings: unknown = status?.timings;
  const own = (Array.isArray(timings) ? timings : []).filter(isTiming);
  // The newest is first: it is to be what stays.
  return new Map(
    own
      .filter((timing) => timing.command === command)
      .toReversed()
      .map((timing) => [timing.containerId, timing]),
  );
}

/** A daemon may be of another release than this program. */
function isTiming(value: unknown): value is Required<RequestTiming> {
  if (!isJsonObject(value)) return false;
  const { command, containerId, milliseconds, queueMilliseconds, phases, networks, plugins } = value;
  return (
    typeof command === "string" &&
    typeof containerId === "string" &&
    isTime(milliseconds) &&
    isTime(queueMilliseconds) &&
    isJsonObject(phases) &&
    Object.values(phases).every(isTime) &&
    Array.isArray(networks) &&
    networks.every(isNetworkTime) &&
    Array.isArray(plugins) &&
    plugins.every(isPluginTime)
  );
}

const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

function isNetworkTime(value: unknown): value is RequestTiming["networks"][number] {
  if (!isJsonObject(value)) return false;
  return typeof value.network === "string" && typeof value.ifName === "string" && isTime(value.milliseconds);
}

function isPluginTime(value: unknown): value is PluginTiming {
  if (!isJsonObject(value)) return false;
  const { plugin, command, ifName, milliseconds } = value;
  return [plugin, command, ifName].every((text) => typeof text === "string") && isTime(milliseconds);
}
