/** Lines of text in a Markdown file, and where one of them may be broken. Tables, code, headings and links are left as they are. */

/** Characters that a line of text may have. */
export const longest = 100;

/** Number of the line, from 1, and the line. */
type Numbered = readonly [number: number, line: string];

/** Lines that are one text: a paragraph, or an item of a list with the lines that go on in it. */
export type Paragraph = readonly Numbered[];

/** The beginning of a list's item. */
const itemStart = /^\s*(?:[-*+]|\d+[.)]) +/;
/** Lines that are no text: headings, tables, quotations, HTML, definitions of links, pictures. */
const noText = /^\s*(?:#{1,6} |\||>|<|\[[^\]]+\]: |!\[)/;

/** @param text of the whole file */
export function paragraphsIn(text: string): Paragraph[] {
  const paragraphs: Numbered[][] = [];
  let open: Numbered[] | undefined;
  let isCode = false;
  for (const [index, line] of text.split("\n").entries()) {
    const isFence = /^\s*```/.test(line);
    if (isFence) isCode = !isCode;
    if (isFence || isCode || line.trim() === "" || noText.test(line)) {
      open = undefined;
      continue;
    }
    if (open === undefined || itemStart.test(line)) {
      open = [];
      paragraphs.push(open);
    }
    open.push([index + 1, line]);
  }
  return paragraphs;
}

/** A word that would begin a list, a heading or the like on a new line: it stays behind the word before it. */
const marker = /^(?:[-*+]|\d+[.)]|#{1,6}|[>|<].*|```.*)$/;

/**
 * The parts of a text between which it may be broken: words, with all of a piece of code or the target of a link in one, and what
 * is in quotes, as the titles of tests that others look for.
 */
export function unitsOf(text: string): string[] {
  const words = text.trim().match(/(?:(`+)(?:(?!\1).)*\1|(?<![^\s(])"[^"`]{1,90}"|\S)+/g) ?? [];
  const units: string[] = [];
  for (const word of words) {
    const last = units.at(-1);
    if (last !== undefined && marker.test(word)) units[units.length - 1] = `${last} ${word}`;
    else units.push(word);
  }
  return units;
}

/** Can the line be broken, so that each part is shorter? */
export function isTooLong(line: string): boolean {
  const [start = ""] = itemStart.exec(line) ?? [];
  return [...line].length > longest && unitsOf(line.slice(start.length)).length > 1;
}

/** The item's marker, or the blanks that the line begins with. */
export function startOf(line: string): string {
  return (itemStart.exec(line) ?? /^\s*/.exec(line) ?? [""])[0];
}
