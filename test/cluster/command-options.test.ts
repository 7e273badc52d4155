/** Commands of kubectl and Helm in the documentation have subcommands and options that these programs have, each by its own --help. */

import { describe, expect, test } from "vitest";
import { helmProgram, kubernetesProgram } from "../support/cluster/binaries.ts";
import { runCommand } from "../support/command.ts";
import { documentation } from "../unit/docs/markdown.ts";

/** Words of the subcommands that have subcommands. */
const groups = ["rollout", "config", "create", "set"];
/** Options that may be before the subcommand and have a value behind them. */
const withValue = ["--namespace", "-n", "--kubeconfig", "--context"];

interface Call {
  readonly text: string;
  readonly program: "kubectl" | "helm";
  readonly subcommand: readonly string[];
  readonly options: readonly string[];
}

/** Calls in a line of a shell, however they are nested. */
function callsIn(text: string): Call[] {
  return Array.from(
    text.matchAll(/(?:^|[\s(;|&])(kubectl|helm) ([^|;&#()`]*)/g),
    ([, program, rest = ""]): Call => {
      // Words behind `--` are another program's, text in quotes is a value.
      const [own = ""] = rest.replaceAll(/'[^']*'|"[^"]*"?/g, "VALUE").split(/\s--(?:\s|$)/);
      const words = own.trim().split(/\s+/);
      const options = words.flatMap((word) => /^--?[a-z][a-z-]*/.exec(word) ?? []);
      const plain = words.filter((word, index) => {
        return !word.startsWith("-") && !withValue.includes(words[index - 1] ?? "");
      });
      const subcommand = plain.slice(0, groups.includes(plain[0] ?? "") ? 2 : 1);
      return { text, program: program === "helm" ? "helm" : "kubectl", subcommand, options };
    },
  ).filter(({ subcommand: [first = ""] }) => /^[a-z][a-z-]*$/.test(first));
}

const programs = { kubectl: kubernetesProgram("kubectl"), helm: helmProgram() };
/** Of every command. */
const everywhere = ["--help", "-h"];
const known = new Map<string, Promise<ReadonlySet<string> | undefined>>();

async function printed(program: Call["program"], ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runCommand([programs[program], ...args]);
  return `${stdout}\n${stderr}`;
}

/** Options of a subcommand; undefined where the program has none of that name. */
async function optionsOf({ program, subcommand }: Call): Promise<ReadonlySet<string> | undefined> {
  const help = await printed(program, ...subcommand, "--help");
  const of = [program, ...subcommand].join(" ");
  // Both print the help of what is above for a word that they do not know.
  if (!help.replaceAll(/\s+/g, " ").includes(`Usage: ${of} `)) return undefined;
  const further = program === "kubectl" ? await printed(program, "options") : "";
  const names = `${help}\n${further}`.match(/(?<=^\s*(?:-\w, )?)--?[a-zA-Z][\w-]*/gm) ?? [];
  const short = `${help}\n${further}`.match(/^\s*-\w(?=, )/gm) ?? [];
  return new Set([...names, ...short.map((name) => name.trim()), ...everywhere]);
}

async function problemOf(call: Call): Promise<string | undefined> {
  const key = [call.program, ...call.subcommand].join(" ");
  const found = known.get(key) ?? optionsOf(call);
  known.set(key, found);
  const options = await found;
  if (options === undefined) return `${call.text}: there is no ${key}`;
  const wrong = call.options.filter((option) => !options.has(option));
  return wrong.length === 0 ? undefined : `${call.text}: ${key} has no ${wrong.join(", ")}`;
}

/** Plugins of kubectl, which are no part of it. */
const isOfPlugin = ({ subcommand: [first] }: Call) => first === "multus";

const pages = documentation();
const calls = pages.map(({ path, code }) => ({
  path,
  found: code.flatMap(callsIn).filter((call) => !isOfPlugin(call)),
}));

describe("commands of kubectl and Helm in the documentation", () => {
  test.each(calls.filter(({ found }) => found.length > 0))("are there: $path", async ({ found }) => {
    const problems: string[] = [];
    for (const call of found) problems.push(...[(await problemOf(call)) ?? []].flat());
    expect(problems).toEqual([]);
  });

  test("are found, and what is not there is seen", async () => {
    expect(calls.flatMap(({ found }) => found).length).toBeGreaterThan(50);
    const wrong = [
      "kubectl --namespace kube-system rollout status daemonset/x --timout=5m",
      "kubectl destroy pod x",
      "helm upgrade --install multus chart --take-owner",
    ];
    const problems = await Promise.all(wrong.flatMap(callsIn).map(problemOf));
    expect(problems).toEqual([
      expect.stringContaining("kubectl rollout status has no --timout"),
      expect.stringContaining("there is no kubectl destroy"),
      expect.stringContaining("helm upgrade has no --take-owner"),
    ]);
  });
});
