/** The files that a kubelet puts into a container for its service account: `ca.crt`, `token`, `namespace`, replaced all at once. */

import { copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export class ServiceAccountFiles {
  /** Stands for /var/run/secrets/kubernetes.io/serviceaccount. */
  readonly directory: string;
  readonly #authority: string;
  readonly #namespace: string;
  #generation = 0;

  /**
   * @param directory is created
   * @param authority path of the certificate that the API server's is signed with
   */
  constructor(directory: string, authority: string, namespace: string, token: string) {
    this.directory = directory;
    this.#authority = authority;
    this.#namespace = namespace;
    mkdirSync(directory, { mode: 0o755 });
    this.rotate(token);
    for (const name of ["ca.crt", "namespace", "token"]) symlinkSync(`..data/${name}`, join(directory, name));
  }

  /** Another token: as a kubelet does it, by a new directory and one rename of the link that leads to it. */
  rotate(token: string): void {
    const before = `..${this.#generation}`;
    this.#generation += 1;
    const name = `..${this.#generation}`;
    const path = join(this.directory, name);
    mkdirSync(path, { mode: 0o755 });
    copyFileSync(this.#authority, join(path, "ca.crt"));
    writeFileSync(join(path, "namespace"), this.#namespace);
    writeFileSync(join(path, "token"), token);
    const link = join(this.directory, "..data");
    symlinkSync(name, `${link}_tmp`);
    renameSync(`${link}_tmp`, link);
    rmSync(join(this.directory, before), { recursive: true, force: true });
  }
}

/**
 * Words before a command that start it as if in a pod: service account files are where the kubelet mounts them, in a mount namespace that ends with the command.
 * @param directory the service account's files
 * @param volumes further directories by the places that they are mounted at; those outside of /run have to be there
 */
export function inPodWith(
  directory: string,
  volumes: Readonly<Record<string, string>> = {},
): readonly string[] {
  const place = "/run/secrets/kubernetes.io/serviceaccount";
  const script = `set -e
mount -t tmpfs tmpfs /run
mkdir -p ${place}
mount --bind "$0" ${place}
while [ "$1" != -- ]; do
  mkdir -p "$1"
  mount --bind "$2" "$1"
  shift 2
done
shift
exec "$@"`;
  return [
    ...["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, directory],
    ...Object.entries(volumes).flat(),
    "--",
  ];
}
