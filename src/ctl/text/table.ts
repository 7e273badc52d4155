/** Formats tables for a terminal: plain text, with columns as wide as their content. */

/** One column: its heading, and its alignment if it is not to the left. */
export type Column = string | { readonly heading: string; readonly align: "right" };

/**
 * A table as text, a line per row, columns two blanks apart, no blanks at the end of a line.
 * A cell may have several lines; the row is then as high as its highest cell.
 * @param columns headings, in order
 * @param rows cells, in the columns' order; a missing cell is empty
 * @returns text that ends with a newline
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const headings = columns.map((column) => (typeof column === "string" ? column : column.heading));
  const lines = [headings, ...rows.flatMap(splitIntoLines)];
  // Not Math.max(...lines): a call takes no more than some hundred thousand arguments.
  const widths = columns.map((_, index) =>
    lines.reduce((widest, line) => Math.max(widest, line[index]?.length ?? 0), 0),
  );
  const format = (line: readonly string[]) =>
    columns
      .map((column, index) => {
        const cell = line[index] ?? "";
        const width = widths[index] ?? 0;
        return typeof column === "string" ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return `${lines.map(format).join("\n")}\n`;
}

/** A row with cells of several lines becomes as many lines of cells. */
function splitIntoLines(row: readonly string[]): string[][] {
  const cells = row.map((cell) => cell.split("\n"));
  const height = Math.max(1, ...cells.map((cell) => cell.length));
  return Array.from({ length: height }, (_, line) => cells.map((cell) => cell[line] ?? ""));
}
