/** `multusctl validate`: what is wrong in configuration files, and where. */

import { resolve } from "node:path";
import { Command } from "commander";
import { loadKernels } from "../../kernels/load.ts";
import { usualBinDirs } from "../installation.ts";
import { checkText, type FileReport, readInput } from "./files.ts";
import { formatFinding } from "./finding.ts";
import { kindNames } from "./kind.ts";

interface ValidateOptions {
  readonly binDir?: readonly string[];
  readonly json?: boolean;
}

export function validateCommand(): Command {
  return new Command("validate")
    .summary("check configuration files")
    .description(
      "Checks files with the daemon's own parsers: Multus's configuration (netconf), network configurations (.conf, .json, " +
        ".conflist) and manifests of NetworkAttachmentDefinitions (YAML or JSON, several documents a file). What a file is, is " +
        "told from its content. Exit code 1 where there is an error; warnings alone are no error.",
    )
    .argument("<file...>", 'files; "-" is stdin')
    .option("--bin-dir <directory...>", `where plugins have to be (default: ${usualBinDirs().join(", ")})`)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  multusctl validate /etc/cni/net.d/00-multus.conf
  multusctl validate networks/*.yaml --bin-dir /opt/cni/bin
  kubectl get network-attachment-definitions -A -o yaml | multusctl validate -`,
    )
    .action((files: string[], options: ValidateOptions) => validate(files, options));
}

/** @throws {UserError} for a file that cannot be read */
async function validate(files: readonly string[], options: ValidateOptions): Promise<void> {
  const context = {
    kernels: loadKernels(),
    binDirs: (options.binDir ?? usualBinDirs()).map((directory) => resolve(directory)),
  };
  const reports = files.map((file) => checkText(readInput(file), file === "-" ? "stdin" : file, context));
  const ok = reports.every(({ findings }) => findings.every(({ severity }) => severity !== "error"));
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ok, files: reports }, undefined, 2)}\n`
      : reports.map(formatReport).join(""),
  );
  process.exitCode = ok ? 0 : 1;
}

function formatReport({ file, documents, findings }: FileReport): string {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const warnings = findings.length - errors;
  const kinds = [...new Set(documents)]
    .map((kind) => {
      const count = documents.filter((each) => each === kind).length;
      return count === 1 ? kindNames[kind] : `${count} × ${kindNames[kind]}`;
    })
    .join(", ");
  const verdict = errors === 0 ? "ok" : count(errors, "error");
  const also = warnings === 0 ? "" : `, ${count(warnings, "warning")}`;
  const about = kinds === "" ? "" : ` (${kinds})`;
  return `${findings.map((finding) => `${formatFinding(finding)}\n`).join("")}${file}: ${verdict}${also}${about}\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
