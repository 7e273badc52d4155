/** multusctl: what a person at a node uses to try networks, to check configuration and to see what is attached. */

import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { listCommand } from "./ls/command.ts";
import { tryCommand } from "./try/command.ts";
import { UserError } from "./user-error.ts";
import { validateCommand } from "./validate/command.ts";

const program = new Command("multusctl")
  .description(
    "Tries networks on this machine, checks configuration, also that of a cluster, and lists this node's attachments.",
  )
  .version(manifest.version, "-v, --version", "print the version")
  .helpOption("-h, --help", "print help")
  .helpCommand(false)
  .showHelpAfterError("(multusctl --help shows what there is)")
  .addCommand(tryCommand())
  .addCommand(validateCommand())
  .addCommand(listCommand())
  .addHelpText(
    "after",
    `
Each command has its own help with examples: multusctl try --help

Examples:
  sudo multusctl try
  sudo multusctl try --nad my-network.yaml
  multusctl validate /etc/cni/net.d/00-multus.conf my-network.yaml
  multusctl validate --all-namespaces
  sudo multusctl ls`,
  );

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`! ${error.message}\n`);
  if (error.advice !== "") process.stderr.write(`  ${error.advice.replaceAll("\n", "\n  ")}\n`);
  process.exitCode = 1;
}
