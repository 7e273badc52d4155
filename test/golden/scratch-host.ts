/** A directory that stands in for the host of a case: its paths are the recorded ones below it. Namespace and pod can be others than the recorded ones, too. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { failedDelsDirectory, spoolDirectory } from "../../src/multus/input/cni-dir.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import {
  type GoldenCase,
  isObject,
  type Json,
  type JsonObject,
  nadObject,
  type StateFiles,
  type Step,
} from "./cases.ts";

/** Paths of a host that appear in the cases. */
const hostPath = /^\/(?:opt\/cni|etc\/cni|var\/lib\/cni)(?:\/|$)/u;
const cniDirectory = "/var/lib/cni/multus";
const recordedNetns = "/run/netns/cni-golden";
const recordedPodUid = "00000000-0000-0000-0000-000000000001";

/** Changes every text in a JSON value. */
function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === "string") {
    return change(value);
  }
  if (Array.isArray(value)) {
    return value.map((item: Json) => mapTexts(item, change));
  }
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, change)]))
    : value;
}

/** Directories of ours within the CNI directory: notes and records of DELs that failed. */
const withoutGo: readonly string[] = [failedDelsDirectory, spoolDirectory];

export class ScratchHost implements Disposable {
  readonly root: string;

  /** Directory of NAD manifests. */
  readonly nadDir: string;
  readonly #scratch = new ScratchDirectory("golden");
  readonly #netns: string;
  readonly #podUid: string;

  /**
   * @param netns path of the namespace that stands in for the recorded one
   * @param podUid of the pod that stands in for the recorded one
   */
  constructor(golden: GoldenCase, netns = recordedNetns, podUid = recordedPodUid) {
    this.#netns = netns;
    this.#podUid = podUid;
    this.root = this.#scratch.path;
    this.nadDir = join(this.root, "nads");
    for (const directory of [cniDirectory, "/opt/cni/bin", "/etc/cni/multus/net.d", "/etc/cni/net.d"]) {
      mkdirSync(this.path(directory), { recursive: true });
    }
    mkdirSync(this.nadDir);
    for (const [path, content] of Object.entries(golden.hostFiles ?? {})) {
      this.#write(this.path(path), content);
    }
    for (const nad of golden.nads ?? []) {
      this.#write(join(this.nadDir, `${nad.namespace}.${nad.name}.json`), nadObject(nad));
    }
  }

  /** Where a path of the case is. */
  path(recorded: string): string {
    if (recorded === recordedNetns) {
      return this.#netns;
    }
    return hostPath.test(recorded) ? join(this.root, recorded) : recorded;
  }

  /** CNI_ARGS of the case, with the pod's UID here. */
  args(recorded: string): string {
    return recorded.replaceAll(recordedPodUid, this.#podUid);
  }

  /** A text with paths of this host and the pod's UID, as the case would have it. */
  recorded(text: string): string {
    return text
      .replaceAll(this.root, "")
      .replaceAll(this.#netns, recordedNetns)
      .replaceAll(this.#podUid, recordedPodUid);
  }

  /** The netconf of a step, with its paths here and the pod's annotations as a runtime sends them. */
  netconf(golden: GoldenCase, step: Step, podIsKnown: boolean): JsonObject {
    const mapped = mapTexts(step.given.stdin, (text) => this.path(text)) as JsonObject;
    const runtimeConfig = mapped.runtimeConfig ?? {};
    return {
      confDir: this.path("/etc/cni/multus/net.d"),
      ...mapped,
      cniDir: this.path(cniDirectory),
      runtimeConfig: {
        ...(isObject(runtimeConfig) ? runtimeConfig : {}),
        ...(podIsKnown ? { "io.kubernetes.cri.pod-annotations": golden.pod.annotations } : {}),
      },
    };
  }

  /** Does to the host what was done to it just before the step. */
  prepare(step: Step): void {
    for (const path of step.given.rm ?? []) {
      rmSync(this.path(path));
    }
    for (const [path, content] of Object.entries(step.given.write ?? {})) {
      this.#write(this.path(path), content);
    }
  }

  /** Puts the state of a step in place. */
  writeState(files: StateFiles): void {
    for (const [path, content] of Object.entries(files)) {
      this.#write(join(this.path(cniDirectory), path), content);
    }
  }

  /** The state as it is now, in the cases' form; without what Go multus has none of. */
  readState(): StateFiles {
    const directory = this.path(cniDirectory);
    const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !withoutGo.includes(dirname(file).slice(directory.length + 1)));
    return Object.fromEntries(
      files.map((file) => [
        file.slice(directory.length + 1),
        jsonOrText(this.recorded(readFileSync(file, "utf8"))),
      ]),
    );
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }

  #write(path: string, content: unknown): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, textOf(content));
  }
}

function textOf(content: unknown): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

export function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
