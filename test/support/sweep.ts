/** Removes what killed test runs left: processes, mounts, namespaces, control groups and directories of sessions whose process is gone. Run as a program. */

import { readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { containersOf, removeCgroups } from "./cgroups.ts";
import { runCommand } from "./command.ts";
import { isAlive, markedProcesses, mountsBelow, ownerOf } from "./session.ts";

function isStale(name: string): boolean {
  const owner = ownerOf(name);
  return owner !== undefined && !isAlive(owner);
}

function staleEntries(directory: string): string[] {
  try {
    return readdirSync(directory).filter(isStale);
  } catch {
    return []; // no namespace was ever made
  }
}

const staleProcesses = () => markedProcesses().filter(({ session }) => isStale(session));
for (const { pid, command } of staleProcesses()) {
  process.stderr.write(`> killing ${pid}, left by a test run that is gone: ${command.slice(0, 100)}\n`);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ended by itself
  }
}
// A process that still dies keeps its control group and what is mounted for it.
const deadline = Date.now() + 5_000;
while (staleProcesses().length > 0 && Date.now() < deadline) await sleep(50);
for (const name of staleEntries("/run/netns")) {
  process.stderr.write(`> removing network namespace ${name}, left by a test run that is gone\n`);
  await runCommand(["ip", "netns", "del", name]);
}
for (const name of staleEntries(tmpdir())) {
  const directory = join(tmpdir(), name);
  const containers = containersOf(join(directory, "cri"));
  process.stderr.write(`> removing ${directory}, left by a test run that is gone\n`);
  for (const point of mountsBelow(directory)) await runCommand(["umount", "--lazy", point]);
  await removeCgroups((group) => containers.some((id) => group === `k8s.io/${id}`));
  rmSync(directory, { recursive: true, force: true });
}
await removeCgroups(isStale);
