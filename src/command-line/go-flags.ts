/** Converts command lines in the forms of Go's packages flag and pflag, for programs that replace those of Go multus, into forms that any parser of options takes. */

/** An option that a program has. */
export interface KnownOption {
  /** Without dashes. */
  readonly name: string;
  /** Of one letter, without a dash. */
  readonly short?: string | undefined;
  /** `switch`: is there or not; `boolean`: has the value true or false. */
  readonly takes: "value" | "switch" | "boolean";
}

/** Reads the words of Go's strconv.ParseBool. @returns undefined for everything else */
export function goBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  return undefined;
}

/**
 * Each option as `--name` or `--name=value`: `-name` is `--name`, the argument behind an option with a value belongs to it even if it looks like an option, and `--switch=false` is left out. Unknown options stay unchanged, for the program's own parser, and so does everything after `--`.
 * @param args without the program
 */
export function withGoFlags(args: readonly string[], known: readonly KnownOption[]): string[] {
  const plain: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const argument = args[at] ?? "";
    if (argument === "--") return [...plain, ...args.slice(at)];
    const [, name = "", value] = /^--?([A-Za-z0-9][\w-]*)(?:=(.*))?$/s.exec(argument) ?? [];
    const option = known.find((each) => each.name === name || each.short === name);
    if (option === undefined) plain.push(argument);
    else if (option.takes !== "value") plain.push(...booleanOption(option, value));
    else if (value !== undefined) plain.push(`--${option.name}=${value}`);
    else {
      at += 1;
      const next = args[at];
      // The parser says that it is missing.
      plain.push(next === undefined ? `--${option.name}` : `--${option.name}=${next}`);
    }
  }
  return plain;
}

function booleanOption({ name, takes }: KnownOption, value = "true"): string[] {
  const isSet = goBoolean(value);
  // The parser says what is wrong with it.
  if (isSet === undefined) return [`--${name}=${value}`];
  if (takes === "boolean") return [`--${name}=${isSet}`];
  return isSet ? [`--${name}`] : [];
}
