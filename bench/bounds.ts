/**
 * The bounds of `npm run bench -- --gate`, all of them, each with its reason. None is in milliseconds: times are in units (starts of one free delegate, a
 * static program that does nothing, by the same process in the same rounds) or shares of something else in the same rounds; the rest are counts and megabytes.
 */

export interface Bound {
  /** A measurement is at most so much. */
  readonly most: number;
  /** Its unit; "share": of what it is compared with. */
  readonly in: "units" | "share" | "processes" | "round trips" | "requests" | "MB";
  /** The bound that it is to become; undefined: `most` is meant to stay. */
  readonly aim?: number;
  readonly why: string;
}

const notYet = "What a quiet machine of two processors gave, with a margin; `aim` is where it is to get.";

export const bounds = {
  kernel: {
    most: 0.25,
    in: "share",
    why: "A kernel of the time of its TypeScript twin: one that is not several times faster has no reason to exist.",
  },
  kernelSplit: {
    most: 0.12,
    in: "share",
    why: "splitConfig of its twin: it is far below what every kernel has to keep, and twice its time would not be seen there.",
  },
  kernelAdjust: {
    most: 0.05,
    in: "share",
    why: "adjustConfig of its twin, for the same reason as splitConfig.",
  },
  kernelMerge: {
    most: 0.07,
    in: "share",
    why: "mergeConfig of its twin, for the same reason as splitConfig.",
  },

  overheadOfOne: {
    most: 5.5,
    in: "units",
    aim: 2,
    why: `Time over the delegate, one network that costs nothing: the start of the shim is one unit of it. ${notYet}`,
  },
  overheadOfFour: {
    most: 9,
    in: "units",
    aim: 3,
    why: `The same with four networks, of which each has its round trip. ${notYet}`,
  },
  overheadOfFourInCluster: {
    most: 11,
    in: "units",
    aim: 4,
    why: `The same with networks from the API, network-status and events: these are sent after the answer, and may cost no more than one unit. ${notYet}`,
  },
  devices: {
    most: 2.2,
    in: "units",
    why: "Time of each device of a pod with several over the same without: reading its information file, on the path of the answer. One alone also has the whole question to the kubelet, half of it this benchmark's own kubelet, and no bound.",
  },

  processesOfOne: {
    most: 2,
    in: "processes",
    why: "The shim and the delegate: any other is a program that a pod waits for.",
  },
  processesOfFour: {
    most: 5,
    in: "processes",
    why: "The shim and four delegates: there is no process for the work of Multus itself.",
  },
  roundTripsOfOne: {
    most: 2,
    in: "round trips",
    why: "A turn of shim and daemon costs two wake-ups: the request, and an order for each thing that needs the answer to the one before.",
  },
  roundTripsOfFour: {
    most: 3,
    in: "round trips",
    why: "The same of four networks, of which each is ordered while the plugin of the one before runs: the shim waits for no order in between.",
  },
  requests: {
    most: 5,
    in: "requests",
    why: "To the API, of an ADD with four networks and its DEL: one PATCH with the network-status, and an event for each network. Nothing is asked: the watches know it.",
  },

  nativeOne: {
    most: 0.85,
    in: "share",
    aim: 0.25,
    why: `ADD with a bridge, of the plugins executed in order; aim after that: 0.15. ${notYet}`,
  },
  nativeFour: {
    most: 0.3,
    in: "share",
    aim: 0.1,
    why: `ADD with a bridge and three macvlan, of the plugins executed in order; aim after that: 0.05. ${notYet}`,
  },
  nativeEight: {
    most: 0.22,
    in: "share",
    aim: 0.06,
    why: `ADD with a bridge and seven macvlan, of the plugins executed in order. ${notYet}`,
  },
  nativeDel: {
    most: 0.15,
    in: "share",
    aim: 0.12,
    why: `DEL of four and eight networks, of the plugins executed in reverse order: the kernel's grace periods once for all links, and not waited for. ${notYet}`,
  },
  nativeCpu: {
    most: 0.3,
    in: "share",
    aim: 0.15,
    why: `CPU of shim, daemon and all that is started, per ADD of four networks, of the plugins' own: speed that is bought with processors is none. ${notYet}`,
  },
  nativeProcesses: {
    most: 3,
    in: "processes",
    aim: 1,
    why: `Processes and threads of an ADD of four networks: the shim alone, where no plugin is executed. ${notYet}`,
  },
  inOrder: {
    most: 16,
    in: "units",
    aim: 1.5,
    why: `Four real networks executed in order, over the plugins alone: checks, plans and files of one network are to happen while the next one's plugin runs. ${notYet}`,
  },
  atOnce: {
    most: 1,
    in: "share",
    aim: 0.85,
    why: `The same with attachConcurrency "auto", of in order, on two processors. ${notYet}`,
  },

  podStart: {
    most: 1.25,
    in: "share",
    aim: 0.95,
    why: `RunPodSandbox of a pod with four native networks, of that of a pod with the bridge alone and without multus. ${notYet}`,
  },
  podStop: {
    most: 0.95,
    in: "share",
    why: "StopPodSandbox of the same pods: a runtime waits for it before the addresses are free for others.",
  },
  crowd: {
    most: 1.3,
    in: "share",
    aim: 0.9,
    why: `60 pods with four native networks at once, until all sandboxes run, of 60 with the bridge alone and without multus. ${notYet}`,
  },

  herd: {
    most: 0.3,
    in: "share",
    aim: 0.2,
    why: `110 pods with four networks each at once, the ADDs' wall time native, of executed; aim after that: 0.15. ${notYet}`,
  },
  memory: {
    most: 90,
    in: "MB",
    why: "Resident memory of the daemon at the most, with 110 pods at once: its limit in the manifests has room for two of these.",
  },
  memoryInCluster: {
    most: 110,
    in: "MB",
    why: "The same where it belongs to a cluster, one of 2,000 networks and 250 pods on the node too.",
  },
  objects: {
    most: 1.1,
    in: "share",
    why: "ADD among 2,000 networks and 250 pods, of that among ten and one: what others have made costs a pod nothing.",
  },
} as const satisfies Readonly<Record<string, Bound>>;

export type BoundName = keyof typeof bounds;

/** @param name of a bound */
export function boundOf(name: BoundName): Bound {
  return bounds[name];
}
