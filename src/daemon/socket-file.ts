/** The daemon's unix socket as a file: it exists only while a daemon listens on it, and is never taken from a daemon that is alive. */

import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, lstatSync, readdirSync, renameSync, type Stats, statSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import { makeDirectory, removeFile } from "../base/atomic-file.ts";
import { systemErrorCode } from "../base/system-error.ts";
import { getFromSocket, statusPage } from "../socket/client.ts";
import { answers, isDaemonFile, socketName } from "../socket/directory.ts";

const groupAndOthersWrite = 0o022;
const sticky = 0o1000;
/** Another daemon may create a new socket between two checks. */
const maxAttempts = 5;
const statusWithinMs = 2_000;

/** Why the daemon cannot have its socket. */
export class SocketFileError extends Error {
  override readonly name = "SocketFileError";
}

/** A socket that is listened to. */
export interface SocketFile {
  readonly path: string;
  /** Did a daemon on demand have its name until now? */
  readonly isTakenOver: boolean;
  /** Removes it, if it is still this one. */
  remove(): void;
}

/**
 * Makes `server` listen on `<directory>/multus.sock`, mode 0600. The directory is made (0700) if it is missing.
 * A daemon on demand that serves it loses the name to one that stays, at once: it goes on with what it has, and ends when it is idle.
 * @param isOnDemand is that what this one is?
 * @throws {SocketFileError} where another daemon serves it, or others could replace it
 * @throws {Error} of the file system
 */
export async function listenOn(server: Server, directory: string, isOnDemand: boolean): Promise<SocketFile> {
  prepareDirectory(directory);
  const path = join(directory, socketName);
  // Bound under a unique name and linked when it listens: no client ever connects to a socket that does not listen yet, and
  // of two daemons that start at once exactly one gets the name.
  const ownPath = uniquePath(path);
  await listen(server, ownPath);
  try {
    chmodSync(ownPath, 0o600);
    const isTakenOver = await linkInPlace(ownPath, path, !isOnDemand);
    const own = statSync(ownPath);
    return {
      path,
      isTakenOver,
      remove() {
        if (isSame(statIfThere(path), own)) removeFile(path);
      },
    };
  } catch (error) {
    server.close();
    throw error;
  } finally {
    removeFile(ownPath);
  }
}

/** A name beside `path`. Not by pid: daemons in containers of their own all have the same. */
function uniquePath(path: string): string {
  return `${path}.${randomBytes(4).toString("hex")}`;
}

/** @param takesOver from a daemon on demand @returns has it? */
async function linkInPlace(ownPath: string, path: string, takesOver: boolean): Promise<boolean> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    try {
      linkSync(ownPath, path);
      return false;
    } catch (error) {
      if (systemErrorCode(error) !== "EEXIST") throw error;
    }
    if (takesOver && (await isServedOnDemand(path))) {
      const link = uniquePath(path);
      linkSync(ownPath, link);
      renameSync(link, path);
      return true;
    }
    await removeStale(path);
  }
  throw new SocketFileError(`${path} keeps coming back: is another daemon starting again and again?`);
}

/** Does the daemon that has it say that it ends by itself? */
async function isServedOnDemand(path: string): Promise<boolean> {
  try {
    return statusPage(await getFromSocket(path, "/status", statusWithinMs))?.onDemand === true;
  } catch {
    return false;
  }
}

/** Removes a socket without a listener. @throws {SocketFileError} where a daemon listens on it, or it is no socket */
async function removeStale(path: string): Promise<void> {
  const found = statIfThere(path);
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketFileError(`${path} is there and is no socket`);
  if (await answers(path)) {
    throw new SocketFileError(`another daemon serves ${path}; stop it first, or use another socketDir`);
  }
  // Remove only the socket that was tried: another daemon may have put its own there meanwhile.
  const aside = uniquePath(path);
  renameSync(path, aside);
  if (isSame(statIfThere(aside), found)) removeFile(aside);
  else linkSync(aside, path);
  removeFile(aside);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The socket is made inside listen(): no other user can connect to it before its mode is set.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/**
 * Makes the directory, or checks that it is safe: users who can write in it could replace our socket with theirs. One that holds
 * nothing but ours is closed to others (a hostPath directory is made with 0755).
 * @throws {SocketFileError}
 */
function prepareDirectory(directory: string): void {
  makeDirectory(directory, 0o700);
  const { mode } = statSync(directory);
  const shared = (mode & sticky) !== 0 || readdirSync(directory).some((name) => !isDaemonFile(name));
  if (!shared) {
    chmodSync(directory, 0o700);
  } else if ((mode & groupAndOthersWrite) !== 0) {
    throw new SocketFileError(
      `socketDir ${directory} is shared and others can write in it (mode ${(mode & 0o7777).toString(8)}); use a directory of its own`,
    );
  }
}

export function statIfThere(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Are both the same file? */
export function isSame(left: Stats | undefined, right: Stats): boolean {
  return left !== undefined && left.dev === right.dev && left.ino === right.ino;
}
