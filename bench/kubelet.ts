/**
 * A kubelet's pod-resources socket in a process of its own: `node bench/kubelet.ts SOCKET PODS`, pods as JSON. It prints a line when it listens, and ends with its stdin. Answers are encoded before
 * they are asked for: a kubelet, in Go, has them in a fraction of a millisecond, and a gRPC server of Node's would be most of what is measured.
 */

import { createServer } from "node:http2";
import { type PodOfKubelet, podResourcesMethods } from "../test/support/pod-resources-server.ts";

const [socket = "", json = "[]"] = process.argv.slice(2);
const pods = JSON.parse(json) as PodOfKubelet[];
const { Get, List } = podResourcesMethods;

/** A message with gRPC's prefix: not compressed, its length. */
function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const gets = new Map(
  pods.map((pod) => [`${pod.namespace}/${pod.name}`, framed(Get.responseSerialize({ pod_resources: pod }))]),
);
const list = framed(List.responseSerialize({ pod_resources: pods }));

const server = createServer();
server.on("stream", (stream, { ":path": path }) => {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    let answer: Buffer | undefined = list;
    if (path === Get.path) {
      const { pod_namespace: namespace, pod_name: name } = Get.requestDeserialize(
        Buffer.concat(chunks).subarray(5),
      ) as { readonly pod_namespace: string; readonly pod_name: string };
      answer = gets.get(`${namespace}/${name}`);
    }
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": answer === undefined ? "2" : "0" }));
    stream.end(answer);
  });
});
server.listen(socket, () => process.stdout.write("listening\n"));
process.stdin.on("end", () => process.exit(0)).resume();
