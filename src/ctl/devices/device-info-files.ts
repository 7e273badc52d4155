/** Device information files that may have been left behind: those of containers that are gone, and of devices that the node does not offer. */

import { join } from "node:path";
import { directoryEntries } from "../../base/directory.ts";
import { isContainerId, maximalIfNameLength } from "../../cni/names.ts";
import { pluginFileName } from "../../devices/device-info.ts";
import { errorText } from "../../log/error-text.ts";
import { plannedContainers } from "../../multus/state/plan-file.ts";

/** Files of a directory that are looked at: a node has one for each attachment and device. */
const mostFiles = 65_536;

/** A file that may have been left behind. */
export interface LeftFile {
  readonly file: string;
  /** `cni`: of an attachment; `dp`: of a device plugin. */
  readonly kind: "cni" | "dp";
  readonly why: string;
}

export interface LeftFiles {
  readonly left: readonly LeftFile[];
  /** Directories that could not be looked at as a whole. */
  readonly problems: readonly { readonly file: string; readonly problem: string }[];
}

export interface DeviceInfoQuestions {
  /** With `dp` and `cni`. */
  readonly directory: string;
  readonly cniDir: string;
  /** Those with a plan or a result. */
  readonly containers: ReadonlySet<string>;
  /** All devices that the node offers or has given out; undefined: they are not all known, and files of device plugins are not judged. */
  readonly devices: Iterable<{ readonly resource: string; readonly device: string }> | undefined;
}

/** Looks through the two directories. One that is not there has no files. */
export async function leftDeviceInfo(questions: DeviceInfoQuestions): Promise<LeftFiles> {
  const { directory, cniDir, containers, devices } = questions;
  const problems: { file: string; problem: string }[] = [];
  const ofAttachments = join(directory, "cni");
  const gone: { readonly name: string; readonly ids: readonly string[] }[] = [];
  for (const name of await namesIn(ofAttachments, problems)) {
    const ids = containersIn(name);
    if (ids.length > 0 && !ids.some((id) => containers.has(id))) gone.push({ name, ids });
  }
  // A plan is written before the file: its ADD may have begun since the plans were read.
  const since = gone.length === 0 ? new Set<string>() : await containersWithPlan(cniDir);
  const left: LeftFile[] = gone
    .filter(({ ids }) => !ids.some((id) => since.has(id)))
    .map(({ name }) => ({
      file: join(ofAttachments, name),
      kind: "cni" as const,
      why: "its container is gone",
    }));
  if (devices !== undefined) {
    const ofPlugins = join(directory, "dp");
    const known = new Set<string>();
    for (const { resource, device } of devices) {
      known.add(pluginFileName({ resourceName: resource, deviceId: device }));
    }
    for (const name of await namesIn(ofPlugins, problems)) {
      if (!known.has(name))
        left.push({ file: join(ofPlugins, name), kind: "dp", why: "the node offers no such device" });
    }
  }
  return { left: left.sort((one, other) => (one.file < other.file ? -1 : 1)), problems };
}

/** Names of a directory's files, without temporary ones of those who write there. */
async function namesIn(
  path: string,
  problems: { file: string; problem: string }[],
): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of directoryEntries(path)) {
      if (name.startsWith(".")) continue;
      if (names.length === mostFiles) {
        problems.push({ file: path, problem: `only the first ${mostFiles} of its files were looked at` });
        break;
      }
      names.push(name);
    }
  } catch (error) {
    problems.push({ file: path, problem: errorText(error) });
  }
  return names;
}

async function containersWithPlan(cniDir: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const id of plannedContainers(cniDir)) ids.add(id);
  return ids;
}

/** Ids that may be in an attachment's file name, `NETWORK-ID_INTERFACE`: network, id and interface may have dashes and low lines; [] for a name of another form. */
function containersIn(name: string): string[] {
  const ids: string[] = [];
  for (let end = name.indexOf("_"); end >= 0; end = name.indexOf("_", end + 1)) {
    const interfaceLength = name.length - end - 1;
    if (interfaceLength === 0 || interfaceLength > maximalIfNameLength) continue;
    for (let start = name.indexOf("-"); start >= 0 && start < end; start = name.indexOf("-", start + 1)) {
      const id = name.slice(start + 1, end);
      if (isContainerId(id)) ids.push(id);
    }
  }
  return ids;
}
