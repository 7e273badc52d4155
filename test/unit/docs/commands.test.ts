/** Every command and option of multusctl that the documentation names is there, and docs/install.md has the options of the thin entrypoint with their defaults. */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { describe, expect, it } from "vitest";
import { commands } from "../../../src/ctl/commands.ts";
import { addThinOptions } from "../../../src/ctl/install/thin-options.ts";
import { documentation, literal, readPage } from "./markdown.ts";

const optionsOf = (command: CommandUnknownOpts) =>
  command.options.flatMap(({ long, short }) => [long, short]);
const known = new Map(commands().map((command) => [command.name(), optionsOf(command)]));
/** Of every command. */
const helpOptions = ["--help", "-h"];
const ownOptions = [...helpOptions, "--version", "-v"];

interface Call {
  readonly text: string;
  /** "" for multusctl alone. */
  readonly command: string;
  readonly options: readonly string[];
}

/** Calls of multusctl in a line of a shell, however it is started. */
function callsIn(text: string): Call[] {
  return Array.from(
    text.matchAll(/(?:^|[\s/"(-])(?:multusctl(?:\.mjs)?|kubectl multus|\bctl)(?=\s|$)([^|;&#`]*)/g),
    ([, rest = ""]) => {
      const words = rest.trim().split(/[\s",\]]+/);
      const [first = ""] = words;
      const options = words.flatMap((word) => /^--?[a-z][a-z-]*/i.exec(word) ?? []);
      return { text, command: /^[a-z][a-z-]*$/.test(first) ? first : "", options };
    },
  );
}

function problemOf({ text, command, options }: Call): string | undefined {
  const allowed = command === "" ? ownOptions : known.get(command)?.concat(helpOptions);
  if (allowed === undefined) return `${text}: there is no ${command}`;
  const wrong = options.filter((option) => !allowed.includes(option));
  return wrong.length === 0 ? undefined : `${text}: there is no ${wrong.join(", ")}`;
}

/** Options of other programs (multusd, helm, kubectl) that the guides name alone, and install.md's pattern of a flag. */
const othersOptions = ["--config", "--idle-exit", "--set", "--server-side", "--flag"];
/** About what is inside: tasks, compilers, the plugin's agent. */
const pagesOfDevelopers = ["docs/architecture.md", "docs/development.md", "docs/wire.md"];

describe("commands in the documentation", () => {
  it.each(documentation())("is there in multusctl: $path", ({ code }) => {
    expect(code.flatMap(callsIn).flatMap((call) => problemOf(call) ?? [])).toEqual([]);
  });

  it("has options of something where they are named alone", () => {
    const all = [...ownOptions, ...[...known.values()].flat(), ...othersOptions];
    const guides = documentation().filter(({ path }) => !pagesOfDevelopers.includes(path));
    const alone = guides.flatMap(({ path, code }) =>
      code.flatMap((text) => {
        const [option] = /^--?[a-z][a-z-]*/i.exec(text) ?? [];
        // Go's forms have one dash as well.
        const isKnown = option === undefined || all.includes(option) || all.includes(`-${option}`);
        return isKnown ? [] : [`${path}: ${text}`];
      }),
    );
    expect(alone).toEqual([]);
  });

  it("is found, and what is not there is seen", () => {
    const named = documentation().flatMap(({ code }) => code.flatMap(callsIn));
    expect(new Set(named.map(({ command }) => command))).toEqual(new Set(["", ...known.keys()]));
    const wrong = callsIn(
      "sudo multusctl statsu && kubectl exec ds/x -- multusctl status --wtch 5 | less --raw",
    );
    expect(wrong.map(problemOf)).toEqual([
      expect.stringContaining("no statsu"),
      expect.stringContaining("no --wtch"),
    ]);
  });
});

describe("the options of the thin entrypoint in docs/install.md", () => {
  const table = readPage("docs/install.md").tables.find(({ section }) => section === "thin-entrypoint");
  /** Several of a row have their defaults in the same order. */
  const documented = (table?.rows ?? []).flatMap(([names = "", defaults = ""]): [string, string][] => {
    const each = names.split(", ").map((name) => literal(name) ?? name);
    const values = each.length === 1 ? [defaults] : defaults.split(", ");
    return each.map((name, index) => [name, values[index] ?? ""]);
  });
  const { options } = addThinOptions(new Command());

  it("are all there, and no others", () => {
    expect(documented.map(([name]) => name).sort()).toEqual(options.map(({ long }) => long).sort());
  });

  it("have the defaults of the program", () => {
    const expected = options.map(({ long = "", defaultValue }) => [long, String(defaultValue ?? "")]);
    // Without one the table says in words what is taken then.
    const said = new Map(
      documented.map(([name, cell]) => {
        const option = options.find(({ long }) => long === name);
        return [name, option?.defaultValue === undefined ? "" : (literal(cell) ?? "")];
      }),
    );
    expect([...said].sort()).toEqual(expected.sort());
  });
});
