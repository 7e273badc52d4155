/** multusctl: the command-line tool to try and measure networks, check configurations, inspect a node, and install Multus. */

import { Command } from "@commander-js/extra-typings";
import manifest from "../../package.json" with { type: "json" };
import { errorStack, errorText } from "../log/error-text.ts";
import { printableLines } from "../log/quoted.ts";
import { UserError } from "./command/user-error.ts";
import { commands } from "./commands.ts";
import { callOfProgram, inPlainForm } from "./go-programs.ts";
import { isKubectlPlugin, programName, withProgramName } from "./program-name.ts";

const name = programName(process.argv[1] ?? "");
/** Help and errors of usage. */
const output = {
  writeOut: (text: string) => process.stdout.write(withProgramName(text, name)),
  writeErr: (text: string) => process.stderr.write(withProgramName(text, name)),
};

const program = new Command(name)
  .description(
    "Tries and measures networks on this machine, checks configurations of files and clusters, shows the state of this node, and installs Multus on it.",
  )
  .version(manifest.version, "-v, --version", "print the version")
  .helpOption("-h, --help", "print help")
  .helpCommand(false)
  .configureOutput(output)
  .showHelpAfterError("(multusctl --help lists the commands)")
  .addHelpText(
    "after",
    `
Each command has its own help with examples: multusctl try --help

Examples:
  sudo multusctl try
  sudo multusctl try --nad my-network.yaml
  sudo multusctl bench --nad my-network.yaml --report report.html
  multusctl validate /etc/cni/net.d/00-multus.conf my-network.yaml
  multusctl validate --all-namespaces
  multusctl preflight
  sudo multusctl ls
  sudo multusctl devices
  sudo multusctl status
  sudo multusctl doctor`,
  );

/** Environment variable that makes multusctl print the stack of an unexpected error. */
const debugVariable = "MULTUSCTL_DEBUG";

/** Prints an error; of a bug only its message. Node would print the source line, too, and the bundle has only a few, very long lines. */
function report(error: unknown): void {
  const { message, advice } =
    error instanceof UserError
      ? error
      : {
          message: `a bug in multusctl ${manifest.version}: ${errorText(error)}`,
          advice:
            (process.env[debugVariable] ?? "") === ""
              ? `please report it, with what the same command prints after ${debugVariable}=1`
              : errorStack(error),
        };
  process.stderr.write(printableLines(`! ${message}\n`));
  if (advice !== "") process.stderr.write(`  ${advice.replaceAll("\n", "\n  ")}\n`);
}

// Errors in callbacks as well.
process.on("uncaughtException", (error) => {
  report(error);
  process.exit(1);
});
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader has closed the pipe (`| head`).
  if (error.code === "EPIPE") process.exit();
  throw error;
});

for (const command of commands(isKubectlPlugin(process.argv[1] ?? ""))) {
  program.addCommand(
    command
      .configureOutput(output)
      .showHelpAfterError(`(multusctl ${command.name()} --help lists the options)`),
  );
}

async function main(): Promise<void> {
  const { args, warnings, environment } = callOfProgram(process.argv, program);
  for (const warning of warnings) process.stderr.write(`! ${warning}\n`);
  Object.assign(process.env, environment);
  await program.parseAsync(inPlainForm(args, program), { from: "user" });
}

main().catch((error: unknown) => {
  report(error);
  process.exitCode = error instanceof UserError ? error.exitCode : 1;
});
