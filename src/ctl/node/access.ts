/** Checks this user's access rights to the node's files. */

import { accessSync, constants } from "node:fs";

export function isReadable(path: string): boolean {
  return may(path, constants.R_OK);
}

export function isExecutable(path: string): boolean {
  return may(path, constants.X_OK);
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
