/** The names under which Go multus's images have what multusctl does: a manifest's `command` stays as it is. */

import { basename } from "node:path";

/** For each of them multusctl's command, with what is that program's default and not the command's. */
const commands: Readonly<Record<string, readonly string[]>> = {
  install_multus: ["install"],
  thin_entrypoint: ["thin-entrypoint"],
  "cert-approver": ["approve-certs"],
  kubeconfig_generator: ["kubeconfig", "--bootstrap-config", "/tmp/kubeconfig"],
};

/** Does a program of that name do what one of multusctl's commands does? @param program path */
export function isGoProgram(program: string): boolean {
  return Object.hasOwn(commands, basename(program));
}

/**
 * A process's arguments with the command that its program's name stands for.
 * @param argv Node, program, arguments
 */
export function withCommandOfName(argv: readonly string[]): string[] {
  const [node = "", program = "", ...args] = argv;
  const name = basename(program);
  const command = isGoProgram(name) ? commands[name] : undefined;
  return [node, program, ...(command ?? []), ...args];
}
