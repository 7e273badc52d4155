/** Types of executable.mjs. */
export interface ExecutableOptions {
  readonly arch?: "amd64" | "arm64";
  readonly out?: string;
}
export function buildExecutable(options?: ExecutableOptions): Promise<string>;
