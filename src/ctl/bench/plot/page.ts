/** A page of plots and tables: one HTML file, no script, nothing from a network, in light and in dark. */

import { colours, escapeMarkup, palette } from "./svg.ts";

/** Nothing but what is in the page: whatever a name in it tries, there is nothing that would be loaded or run. */
const contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** The colours of series, as variables of the style sheet. */
const variables = (theme: readonly string[]): string =>
  theme.map((colour, index) => `--c${index}: ${colour};`).join(" ");

const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1c2430; --soft: #586474; --line: #dde2e8; --panel: #f5f7f9; --warn: #8a4b00; --warn-back: #fff4e0;
  ${variables(palette.light)}
  --outside: #8a95a3; --plugins: #2f7ed8; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14181e; --text: #e5e9ee; --soft: #a2adba; --line: #303844; --panel: #1c222a; --warn: #ffcf8a; --warn-back: #3a2a10;
    ${variables(palette.dark)}
    --outside: #77838f; --plugins: #4f95e6; }
}
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 4px; }
p { margin: 6px 0; max-width: 75ch; }
.soft { color: var(--soft); }
.warn { color: var(--warn); background: var(--warn-back); padding: 10px 14px; border-radius: 6px; overflow-wrap: anywhere; white-space: pre-wrap; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; padding: 0; list-style: none; }
.tiles li { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 16px; flex: 1 1 180px; }
.tiles b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 10px 0; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--soft); }
.w { min-width: 6.5em; max-width: 24em; }
.n { text-align: right; white-space: nowrap; overflow-wrap: normal; }
svg { display: block; width: 100%; min-width: 660px; height: auto; margin: 8px 0; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); } svg .axis { fill: var(--soft); }
.median { paint-order: stroke; stroke: var(--back); stroke-width: 3; }
.grid { stroke: var(--line); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .thin { stroke-width: 1.2; }
${Array.from({ length: colours }, (_, index) => `.c${index} { fill: var(--c${index}); } .line.c${index} { fill: none; stroke: var(--c${index}); }`).join("\n")}
.whisker { stroke: var(--soft); stroke-width: 1.2; }
.outside { fill: var(--outside); } .plugins { fill: var(--plugins); }
`;

/** @param title of the window @param parts of the body, markup @returns the page, HTML */
export function page(title: string, parts: readonly string[]): string {
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(contentPolicy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${style}</style></head><body><main>`,
    ...parts,
    "</main></body></html>\n",
  ].join("\n");
}

/** A paragraph that stands out; none for "". */
export function warningText(text: string): string[] {
  return text === "" ? [] : [`<p class="warn">${escapeMarkup(text)}</p>`];
}

/**
 * A table; cells of columns with numbers are `<td class="n">`.
 * @param caption above it; "" for none
 * @param words so many columns from the first on are words
 */
export function table(
  caption: string,
  headings: readonly string[],
  words: number,
  rows: readonly (readonly string[])[],
): string {
  const cell = (tag: "td" | "th") => (text: string, column: number) =>
    column < words
      ? `<${tag} class="w"><bdi>${escapeMarkup(text)}</bdi></${tag}>`
      : `<${tag} class="n">${escapeMarkup(text)}</${tag}>`;
  return [
    ...(caption === "" ? [] : [`<p class="soft">${escapeMarkup(caption)}</p>`]),
    `<div class="scroll"><table aria-label="${escapeMarkup(caption)}">`,
    `<thead><tr>${headings.map(cell("th")).join("")}</tr></thead><tbody>`,
    ...rows.map((row) => `<tr>${row.map(cell("td")).join("")}</tr>`),
    "</tbody></table></div>",
  ].join("\n");
}
