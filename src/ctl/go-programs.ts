/** The names under which Go multus's images have what multusctl does: a manifest's `command` stays as it is. */

import { basename } from "node:path";

/** multusctl's command for each of them. */
const commands: Readonly<Record<string, string>> = {
  install_multus: "install",
  thin_entrypoint: "thin-entrypoint",
  kubeconfig_generator: "kubeconfig",
};

/**
 * A process's arguments with the command that its program's name stands for.
 * @param argv Node, program, arguments
 */
export function withCommandOfName(argv: readonly string[]): string[] {
  const [node = "", program = "", ...args] = argv;
  const name = basename(program);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return [node, program, ...(command === undefined ? [] : [command]), ...args];
}
