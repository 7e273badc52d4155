/** The system's error codes in errors of Node's. */

/** `ENOENT`, `ECONNREFUSED` …; undefined where the error has no such word. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Is it the file system's "there is no such file"? */
export function isMissingFile(error: unknown): boolean {
  return systemErrorCode(error) === "ENOENT";
}

/** The value of `work`; undefined where the file system answers that there is no such file. @throws other errors of `work` */
export function ifThere<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}
