/** The resources that a container uses, as the kubelet counts it against requests and limits. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const mountPoint = "/sys/fs/cgroup";

/** The directory of a process's control group that has its memory's numbers (v1 or v2). @throws {Error} */
function memoryGroup(pid: number): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  const path = (isWanted: (controllers: string) => boolean) => {
    const found = lines.map((line) => line.split(":")).find(([, controllers = ""]) => isWanted(controllers));
    return found?.slice(2).join(":");
  };
  const own = path((controllers) => controllers.split(",").includes("memory"));
  if (own !== undefined) return join(mountPoint, "memory", own);
  const unified = path((controllers) => controllers === "");
  if (unified === undefined) throw new Error(`process ${pid} has no control group for memory`);
  return join(mountPoint, unified);
}

/** Bytes in use but for files that were read and not again since (the kubelet's working set). @param pid of a process in the container */
export function workingSet(pid: number): number {
  const group = memoryGroup(pid);
  const v1 = join(group, "memory.usage_in_bytes");
  const [usage, key] = existsSync(v1)
    ? [v1, "total_inactive_file"]
    : [join(group, "memory.current"), "inactive_file"];
  const inactive = new RegExp(`^${key} (\\d+)$`, "m").exec(readFileSync(join(group, "memory.stat"), "utf8"));
  if (inactive === null) throw new Error(`${group}/memory.stat has no ${key}`);
  return Number(readFileSync(usage, "utf8")) - Number(inactive[1]);
}

/** Seconds that a process has had a CPU. */
export function cpuSeconds(pid: number): number {
  // Behind the command's name, which may have blanks in it; in ticks of a hundredth of a second on every Linux.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A Kubernetes quantity of CPU such as `100m`, in CPUs. @throws {Error} for one of another unit */
export function cpusOf(quantity: string | undefined): number {
  const match = /^(\d+)m$/.exec(quantity ?? "");
  if (match === null) throw new Error(`${quantity} is not in m`);
  return Number(match[1]) / 1000;
}

/** A Kubernetes quantity of memory, such as `128Mi`, in bytes. @throws {Error} for one of another unit */
export function bytesOf(quantity: string | undefined): number {
  const match = /^(\d+)Mi$/.exec(quantity ?? "");
  if (match === null) throw new Error(`${quantity} is not in Mi`);
  return Number(match[1]) * 1024 * 1024;
}
