/**
 * Lets containerd and kubelet of a test see directories of the test's own where a node has those that manifests name (/etc/cni, /opt/cni …): in mount namespaces, so
 * that the machine's own are not touched.
 */

import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * $1: the shared directories. Then pairs of a place and the directory that is to be seen there, `--`, the command. Mounts below a shared directory are
 * seen by everybody, also where it is a place; the places by the command alone.
 */
const script = `set -e
shared=$1; shift
for directory in $shared; do
  mountpoint -q "$directory" || mount --bind "$directory" "$directory"
  mount --make-shared "$directory"
done
exec unshare --mount --propagation unchanged sh -e -c '
while [ "$1" != -- ]; do
  below=$(findmnt --noheadings --output TARGET --target "$1")
  mount --make-private "$below"
  mount --bind "$2" "$1"
  # Of their own again, and with nobody outside: containers may ask for what is mounted on them later, or mount something there for others.
  mount --make-shared "$below"
  mount --make-shared "$1"
  shift 2
done
shift
exec "$@"' - "$@"`;

/** Directories of the machine to mount something on: those that are not there are made, and gone when the object is. */
export class MountPoints implements Disposable {
  readonly #made: string[] = [];

  /** @param paths absolute */
  constructor(paths: readonly string[]) {
    for (const path of paths) this.#make(path);
  }

  #make(directory: string): void {
    if (existsSync(directory)) return;
    this.#make(dirname(directory));
    mkdirSync(directory);
    this.#made.unshift(directory);
  }

  [Symbol.dispose](): void {
    for (const directory of this.#made) {
      try {
        rmdirSync(directory);
      } catch {
        // another run's
      }
    }
  }
}

export class HostPlaces implements Disposable {
  readonly #places: Readonly<Record<string, string>>;
  readonly #shared: readonly string[];
  readonly #mountPoints: MountPoints;

  /**
   * @param places by their path on the machine: directories that are to be seen there
   * @param shared directories below which containerd and kubelet mount what the other has to see; without blanks
   */
  constructor(places: Readonly<Record<string, string>>, shared: readonly string[]) {
    this.#places = places;
    this.#shared = shared;
    for (const directory of [...Object.values(places), ...shared]) mkdirSync(directory, { recursive: true });
    this.#mountPoints = new MountPoints(Object.keys(places));
  }

  /** Words before a command that start it there and become it. */
  get through(): readonly string[] {
    return ["sh", "-c", script, "sh", this.#shared.join(" "), ...Object.entries(this.#places).flat(), "--"];
  }

  [Symbol.dispose](): void {
    this.#mountPoints[Symbol.dispose]();
  }
}
