/** A directory as the kubelet makes it for a pod's service account: what is named is a link into a directory that is replaced as a whole. */

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export class ServiceAccountFiles {
  readonly directory: string;
  /** Of the cluster's authority, as far as nobody connects with it. */
  readonly certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  #generation = 0;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    for (const name of ["token", "ca.crt", "namespace"]) symlinkSync(`..data/${name}`, join(directory, name));
  }

  /** Replaces all files at once, as the kubelet does before a token expires. */
  rotate(token: string): void {
    const former = `..2026_${this.#generation}`;
    this.#generation += 1;
    const current = `..2026_${this.#generation}`;
    mkdirSync(join(this.directory, current));
    const files = { token, "ca.crt": this.certificate, namespace: "kube-system" };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(this.directory, current, name), content);
    }
    symlinkSync(current, join(this.directory, "..data_tmp"));
    renameSync(join(this.directory, "..data_tmp"), join(this.directory, "..data"));
    rmSync(join(this.directory, former), { recursive: true, force: true });
  }
}
