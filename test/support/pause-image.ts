/** The image of a sandbox's first container. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOrThrow } from "./command.ts";
import { buildImage } from "./oci-image.ts";

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

/** Builds the image. @param directory an existing scratch directory @returns path of the tar, to be imported by `ctr images import` */
export async function buildPauseImage(directory: string): Promise<string> {
  const root = join(directory, "pause-root");
  mkdirSync(root);
  const source = join(directory, "pause.c");
  writeFileSync(source, pauseSource);
  await runOrThrow(["cc", "-static", "-Os", "-o", join(root, "pause"), source]);
  return buildImage(directory, pauseImageName, root, { Entrypoint: ["/pause"], WorkingDir: "/" });
}
