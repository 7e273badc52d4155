/** Wraps the text of a table's cell. */

/** Characters of a line. */
const usualWidth = 90;

/** @param text its blanks and line ends become single blanks, or ends of lines; a longer word has a line of its own @param width characters of a line */
export function wrap(text: string, width: number = usualWidth): string {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}
