/** The C compilers that make the shim for each architecture, and the emulators that run it elsewhere. */

/** Node's names of architectures, and Go's, which Kubernetes and container images use. */
const ownArchitecture = { x64: "amd64", arm64: "arm64" }[process.arch];

/**
 * By architecture: the compiler's command (this machine's own is `cc`), Debian's packages of it, and the emulator for what it makes.
 * @type {Record<"amd64" | "arm64", { command: string, packages: readonly string[], emulator: string }>}
 */
export const compilers = {
  amd64: compilerFor("amd64", "x86_64-linux-gnu", "x86-64-linux-gnu", "qemu-x86_64-static"),
  arm64: compilerFor("arm64", "aarch64-linux-gnu", "aarch64-linux-gnu", "qemu-aarch64-static"),
};

function compilerFor(architecture, triplet, packageName, emulator) {
  return architecture === ownArchitecture
    ? { command: process.env.CC ?? "cc", packages: ["gcc", "libc6-dev"], emulator }
    : {
        command: `${triplet}-gcc`,
        packages: [`gcc-${packageName}`, `libc6-dev-${architecture}-cross`],
        emulator,
      };
}

/** The architectures that are not this machine's. */
export const foreignArchitectures = Object.keys(compilers).filter(
  (architecture) => architecture !== ownArchitecture,
);
