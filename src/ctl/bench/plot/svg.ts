/** Parts of all plots: text that is safe in markup, axes, legends. */

/** Characters that end text in markup. */
const markup = /[&<>"'`]/g;
/** Characters that are none of a text: control characters, those that turn the direction of writing around, halves of pairs, what is assigned to nothing. */
const invisible = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text for HTML or SVG, also within an attribute's quotes. Names are those of whoever may make pods and networks. */
export function escapeMarkup(text: string): string {
  return text.replace(invisible, "\ufffd").replace(markup, (character) => `&#${character.charCodeAt(0)};`);
}

/** Shortens a text from its middle, as names of one kind often begin the same. @param most characters */
export function shortened(text: string, most: number): string {
  const characters = Array.from(text);
  if (characters.length <= most) return text;
  const end = Math.floor((most - 1) / 2);
  return `${characters.slice(0, most - 1 - end).join("")}…${characters.slice(-end).join("")}`;
}

/** The largest round number (1, 2 or 5 times a power of ten) that gives at most `steps` steps up to `top`. */
export function axisStep(top: number, steps: number): number {
  const power = 10 ** Math.floor(Math.log10(top / steps));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => top / step <= steps) ?? power * 10;
}

/** The marks of an axis from 0 to `top`, which is above 0. */
export function axisMarks(top: number, steps: number): readonly number[] {
  const step = axisStep(top, steps);
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(12)),
  );
}

/** A coordinate, in hundredths: the text of a plot is to stay short. */
export function at(coordinate: number): string {
  return String(Math.round(coordinate * 100) / 100);
}

/** Colours of series, as classes `c0` … `c9` of the page's style sheet. */
export const colours = 10;

/** The colours `c0` … `c9`, on white and on black. */
export const palette = {
  light: [
    ...["#c2410c", "#1d63c4", "#0f7a5a", "#7b3fb5", "#a11d52"],
    ...["#5b6675", "#b58900", "#0e7490", "#6b4f1d", "#4d7c0f"],
  ],
  dark: [
    ...["#ff9a5c", "#6db0ff", "#4fd0a4", "#c79bf2", "#ff8ab3"],
    ...["#a8b3c0", "#f0cf5a", "#5fc9df", "#c9a26a", "#a6d65c"],
  ],
} as const;

/** Rules that fill the classes of the colours. */
const fills = (theme: readonly string[]): string =>
  theme.map((colour, index) => `.c${index}{fill:${colour}}`).join("");

const pictureStyle =
  `svg{font:12px system-ui,sans-serif}text{fill:#1c2430}.heading{font-size:15px;font-weight:600}.axis{fill:#586474}.back{fill:#fff}.median{paint-order:stroke;stroke:#fff;stroke-width:3}.grid{stroke:#dde2e8}.whisker{stroke:#586474}${fills(palette.light)}` +
  `@media(prefers-color-scheme:dark){text{fill:#e5e9ee}.axis{fill:#a2adba}.back{fill:#14181e}.median{stroke:#14181e}.grid{stroke:#303844}.whisker{stroke:#a2adba}${fills(palette.dark)}}`;

/** The class of the colour of a series. @param index of the series */
export const colourOf = (index: number): string => `c${index % colours}`;

/**
 * An SVG element with a title that is read to those who do not see it, in an element that scrolls where the window is too narrow for its text.
 * @param title of the plot
 * @param width and @param height of its coordinates
 * @param parts elements
 */
export function svg(title: string, width: number, height: number, parts: readonly string[]): string {
  return [
    `<div class="scroll"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeMarkup(title)}">`,
    ...parts,
    "</svg></div>",
  ].join("\n");
}

/** Elements, and the coordinates that they are in. */
export interface Drawing {
  /** Its subject. */
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly parts: readonly string[];
}

/** The drawing as a file: it has its own colours, for light and for dark. @param heading above it */
export function pictureFile({ title, width, height, parts }: Drawing, heading: string): string {
  const room = 28;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 ${-room} ${width} ${height + room}" role="img" aria-label="${escapeMarkup(title)}">`,
    `<style>${pictureStyle}</style>`,
    `<rect class="back" y="${-room}" width="${width}" height="${height + room}"/>`,
    `<text class="heading" x="12" y="-8">${escapeMarkup(heading)}</text>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** Names of series with their colours, in rows below a plot. @returns the elements, and the height that they take */
export function legend(
  entries: readonly { readonly label: string; readonly colour: string }[],
  left: number,
  top: number,
  width: number,
): { readonly parts: readonly string[]; readonly height: number } {
  const rowHeight = 20;
  let x = left;
  let row = 0;
  const parts = entries.map(({ label, colour }) => {
    const text = shortened(label, 44);
    const needed = 30 + text.length * 7;
    if (x > left && x + needed > left + width) {
      x = left;
      row += 1;
    }
    const y = top + row * rowHeight;
    const part = `<rect class="${colour}" x="${at(x)}" y="${at(y)}" width="12" height="12" rx="2"/><text x="${at(x + 18)}" y="${at(y + 10)}">${escapeMarkup(text)}</text>`;
    x += needed;
    return part;
  });
  return { parts, height: (row + 1) * rowHeight };
}
