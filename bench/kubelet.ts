/** A kubelet's pod-resources socket in a process of its own: `node bench/kubelet.ts SOCKET PODS`, pods as JSON. It prints a line when it listens, and ends with its stdin. */

import { type PodOfKubelet, PodResourcesServer } from "../test/support/pod-resources-server.ts";

const [socket = "", pods = "[]"] = process.argv.slice(2);
const kubelet = await new PodResourcesServer(socket).listen();
kubelet.pods = JSON.parse(pods) as PodOfKubelet[];
process.stdout.write("listening\n");
process.stdin.on("end", () => void kubelet[Symbol.asyncDispose]().then(() => process.exit(0))).resume();
