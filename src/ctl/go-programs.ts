/** Emulates the programs of Go multus's images, by their names and arguments, so that a manifest's `command` and `args` stay unchanged. */

import { basename, dirname } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { formerDaemonFlags, isFormerDaemon } from "../command-line/former-daemon.ts";
import { type KnownOption, withGoFlags } from "../command-line/go-flags.ts";
import { UserError } from "./command/user-error.ts";
import { defaultCniConfDir, kubeconfigPath } from "./node/paths.ts";
import { installedPluginNames } from "./node/program.ts";

/** A call in multusctl's own words. */
export interface GoProgramCall {
  /** Command and options. */
  readonly args: readonly string[];
  /** Printed before it runs, a line each. */
  readonly warnings: readonly string[];
  /** Additional environment variables. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** By program: multusctl's command with the defaults of that program that the command lacks, or a function that makes the call. */
const programs: Readonly<
  Record<string, readonly string[] | ((args: readonly string[], root: CommandUnknownOpts) => GoProgramCall)>
> = {
  install_multus: ["install"],
  thin_entrypoint: ["thin-entrypoint"],
  "cert-approver": ["approve-certs"],
  kubeconfig_generator: ["kubeconfig", "--bootstrap-config", "/tmp/kubeconfig"],
  // Of releases before 4.0.
  "entrypoint.sh": entrypointScript,
  "generate-kubeconfig": generateKubeconfig,
  "multus-daemon": formerDaemon,
  // The init container of manifests before 4.2 runs it.
  cp: copyOfPlugin,
};

/** Commands that replace such programs: they take their options in Go's forms under every name of multusctl. */
const commandsWithGoFlags = ["install", "thin-entrypoint", "approve-certs", "kubeconfig"];

/** Does a program of that name do what one of multusctl's commands does? `multus-daemon` does with the flags that it had in 3.9, and is multusd otherwise. @param args behind it */
export function isGoProgram(program: string, args: readonly string[]): boolean {
  const name = basename(program);
  return name === "multus-daemon" ? isFormerDaemon(program, args) : Object.hasOwn(programs, name);
}

/**
 * A process's arguments as a call of multusctl.
 * @param argv Node, program, arguments
 * @param root multusctl, with all its commands
 * @throws {UserError} for a call that Go multus's images take and ours cannot
 */
export function callOfProgram(argv: readonly string[], root: CommandUnknownOpts): GoProgramCall {
  const [, program = "", ...args] = argv;
  const known = isGoProgram(program, args) ? programs[basename(program)] : undefined;
  if (typeof known === "function") return known(args, root);
  return { args: [...(known ?? []), ...args], warnings: [] };
}

/** The same, with options of Go multus's commands in any form of Go's flags. @param root multusctl, with all its commands */
export function inPlainForm(args: readonly string[], root: CommandUnknownOpts): string[] {
  const [name = "", ...rest] = args;
  const command = commandsWithGoFlags.includes(name)
    ? root.commands.find((each) => each.name() === name)
    : undefined;
  if (command === undefined) return [...args];
  return [name, ...withGoFlags(rest, [...optionsOf(command), ...optionsOf(root), help])];
}

const help: KnownOption = { name: "help", short: "h", takes: "switch" };

/** A command's options, as Go's flags take them. */
export function optionsOf(command: CommandUnknownOpts): KnownOption[] {
  return command.options.map((option) => ({
    name: option.long?.replace(/^--/, "") ?? "",
    short: option.short?.replace(/^-/, ""),
    takes: option.required ? "value" : option.optional ? "boolean" : "switch",
  }));
}

/** The script of 3.9 reports an unknown argument and continues. Its values follow `=`, and are never the next argument. */
function entrypointScript(args: readonly string[], root: CommandUnknownOpts): GoProgramCall {
  const command = root.commands.find((each) => each.name() === "thin-entrypoint");
  const known = ["-h", "--help", ...(command?.options ?? []).map(({ long }) => long)];
  const isKnown = (argument: string) => known.includes(argument.split("=", 1)[0] ?? "");
  return {
    args: ["thin-entrypoint", ...args.filter(isKnown)],
    warnings: args.filter((argument) => !isKnown(argument)).map((argument) => `unknown argument ${argument}`),
  };
}

/** The flags in a call of a program of Go multus 3.9, which parsed them with Go's package flag. @throws {UserError} for a flag that it did not have */
function flagsOf(
  program: string,
  args: readonly string[],
  known: readonly KnownOption[],
): (readonly [name: string, value: string])[] {
  return withGoFlags(args, known).map((argument) => {
    const [, name = "", value = ""] = /^--([^=]+)=(.*)$/s.exec(argument) ?? [];
    if (known.some((option) => option.name === name)) return [name, value];
    throw new UserError(`${program}: unknown argument ${argument}`);
  });
}

function formerDaemon(args: readonly string[]): GoProgramCall {
  const options = new Map(formerDaemonFlags.map(({ name, thinOption }) => [name, thinOption]));
  const call: string[] = ["thin-entrypoint"];
  const warnings = [
    "multus-daemon has arguments of Go multus 3.9, where it was an installer: this is thin-entrypoint",
  ];
  for (const [name, value] of flagsOf("multus-daemon", args, formerDaemonFlags)) {
    const option = options.get(name);
    if (option !== undefined) call.push(`--${option}=${value}`);
    else warnings.push(`--${name} has no effect: the log's size is not set here`);
  }
  return { args: call, warnings };
}

function generateKubeconfig(args: readonly string[]): GoProgramCall {
  const valued = ["k8s-service-host", "k8s-service-port", "kube-ca-file", "cni-config-dir"];
  const known: KnownOption[] = valued.map((name) => ({ name, takes: "value" }));
  known.push({ name: "skip-tls-verify", takes: "boolean" });
  const flags = new Map(flagsOf("generate-kubeconfig", args, known));
  const { "k8s-service-host": host, "k8s-service-port": port } = Object.fromEntries(flags);
  return {
    args: [
      "kubeconfig",
      "--once",
      `--kubeconfig=${kubeconfigPath(flags.get("cni-config-dir") ?? defaultCniConfDir)}`,
      ...(flags.get("skip-tls-verify") === "true" ? ["--skip-tls-verify"] : []),
    ],
    warnings: flags.has("kube-ca-file")
      ? ["--kube-ca-file has no effect: the service account's ca.crt is used"]
      : [],
    environment: {
      ...(host === undefined ? {} : { KUBERNETES_SERVICE_HOST: host }),
      ...(port === undefined ? {} : { KUBERNETES_SERVICE_PORT: port }),
    },
  };
}

/** @throws {UserError} for everything but the plugin: the image has no such program */
function copyOfPlugin(args: readonly string[]): GoProgramCall {
  const [source = "", target = "", ...others] = args.filter((argument) => argument !== "-f");
  const isPlugin =
    dirname(source) === "/usr/src/multus-cni/bin" && installedPluginNames.includes(basename(source));
  if (!isPlugin || target === "" || others.length > 0) {
    throw new UserError(
      `cp ${args.join(" ")}: this image has no cp; it can only copy Multus's plugin`,
      "multusctl install puts the plugin onto a node",
    );
  }
  // As cp: a directory, or the file's own name.
  const directory = installedPluginNames.includes(basename(target)) ? dirname(target) : target;
  return { args: ["install", `--cni-bin-dir=${directory}`], warnings: [] };
}
