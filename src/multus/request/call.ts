/** One request as it was read, and the sandbox that it is about: values that the commands pass on. */

import type { CniArgs } from "../../cni/args.ts";
import type { ChainContext } from "../../cni/chain.ts";
import type { CniRequest } from "../../cni/request.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Netconf } from "../input/netconf.ts";
import type { PodReference } from "../input/pod.ts";
import type { DeviceInfoFiles, DeviceSource } from "../plan/devices.ts";
import type { NadSource } from "../plan/nads.ts";
import type { Pause } from "./pause.ts";
import type { RequestReport } from "./report.ts";

/** A pod's sandbox, as its plugins are told of it. */
export interface Sandbox {
  readonly containerId: string;
  /** Path of the network namespace, "" if it is gone. */
  readonly netns: string;
  /** CNI_IFNAME: the cluster network's interface; of a request about one attachment the interface of that. */
  readonly ifName: string;
  readonly pod: PodReference;
  /** CNI_ARGS for the delegates. */
  readonly args: CniArgs;
}

/** A request, checked, with its plugins' surroundings. */
export interface Call {
  readonly request: CniRequest;
  readonly netconf: Netconf;
  readonly sandbox: Sandbox;
  /** Runs plugins for this request. */
  readonly chain: ChainContext;
  /** The cluster that the request belongs to; undefined: none. */
  readonly cluster: Cluster | undefined;
  /** NetworkAttachmentDefinitions: the cluster's, then those of files; undefined: there is nothing to look them up in. */
  readonly nads: NadSource | undefined;
  /** Devices of the node's pods; undefined: there is nothing to ask for them. */
  readonly devices: DeviceSource | undefined;
  /** Device information files; undefined: attachments have none. */
  readonly deviceInfo: DeviceInfoFiles | undefined;
  /** For everything that is waited for but the plugins. */
  readonly pause: Pause;
  readonly report: RequestReport;
}
