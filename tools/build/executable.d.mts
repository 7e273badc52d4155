/** Types of executable.mjs. */
export interface ExecutableOptions {
  readonly arch?: "amd64" | "arm64";
  readonly out?: string;
}
/** As container images call this machine's architecture. */
export const ownArch: "amd64" | "arm64";
export function buildExecutable(options?: ExecutableOptions): Promise<string>;
