/** Durations as Go writes them: `10m`, `1h30m`, `1.5h`. */

const milliseconds: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** One number with its unit. Made of the table: esbuild writes a sign of a text as ASCII, and one of a regular expression as it is (tools/build/bundles.mjs). */
const part = `(\\d+(?:\\.\\d*)?|\\.\\d+)(${Object.keys(milliseconds).join("|")})`;
const whole = new RegExp(`^\\+?(?:${part})+$`);

/** @returns milliseconds; undefined where it is no duration, or a negative one */
export function parseGoDuration(text: string): number | undefined {
  if (text === "0" || text === "+0") return 0;
  if (!whole.test(text)) return undefined;
  return Array.from(text.matchAll(new RegExp(part, "g"))).reduce(
    (sum, [, number = "", unit = ""]) => sum + Number(number) * (milliseconds[unit] ?? 0),
    0,
  );
}
