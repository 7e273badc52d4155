/** Makes the image of a sandbox's first container on the spot, as an OCI layout in a tar: the tests pull nothing from anywhere. */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOrThrow } from "./command.ts";
import { session, sessionVariable } from "./session.ts";

export const pauseImageName = "localhost/pause:1";

/** As init of the sandbox it waits, takes in orphans and ends when it is told to. */
const pauseSource = `
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void stop(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, NULL, WNOHANG) > 0) {} }

int main(void) {
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
`;

/** Debian's and Go's names of this machine's architecture differ from Node's for x64 only. */
const architecture = process.arch === "x64" ? "amd64" : process.arch;

/**
 * Builds the image. @param directory an existing scratch directory @returns path of the tar, to be imported by `ctr images import`
 * (OCI image layout specification 1.0)
 */
export async function buildPauseImage(directory: string): Promise<string> {
  const root = join(directory, "pause-root");
  const layout = join(directory, "pause-layout");
  const blobs = join(layout, "blobs", "sha256");
  mkdirSync(root);
  mkdirSync(blobs, { recursive: true });
  const source = join(directory, "pause.c");
  writeFileSync(source, pauseSource);
  await runOrThrow(["cc", "-static", "-Os", "-o", join(root, "pause"), source]);
  const layerFile = join(directory, "pause-layer.tar");
  await runOrThrow(["tar", "--owner=0", "--group=0", "-C", root, "-cf", layerFile, "pause"]);

  const addBlob = (mediaType: string, content: Uint8Array) => {
    const hex = createHash("sha256").update(content).digest("hex");
    writeFileSync(join(blobs, hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const addJson = (mediaType: string, content: unknown) =>
    addBlob(mediaType, Buffer.from(JSON.stringify(content)));

  const layer = addBlob("application/vnd.oci.image.layer.v1.tar", readFileSync(layerFile));
  const config = addJson("application/vnd.oci.image.config.v1+json", {
    architecture,
    os: "linux",
    // The mark of this session: what a killed run left is found by it.
    config: { Entrypoint: ["/pause"], WorkingDir: "/", Env: [`${sessionVariable}=${session}`] },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = addJson("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config,
    layers: [layer],
  });
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...manifest, annotations: { "io.containerd.image.name": pauseImageName } }],
    }),
  );
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const image = join(directory, "pause.tar");
  await runOrThrow(["tar", "-C", layout, "-cf", image, "oci-layout", "index.json", "blobs"]);
  return image;
}
