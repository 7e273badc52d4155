/** Texts of a given length. */

/** As many pieces as fit between `open` and `close`, with commas between them; blanks behind them make up the length. */
export function filled(
  open: string,
  piece: (index: number) => string,
  close: string,
  length: number,
): string {
  const pieces: string[] = [];
  let size = open.length + close.length;
  for (let index = 0; ; index++) {
    const text = piece(index);
    size += text.length + 1;
    if (size > length) break;
    pieces.push(text);
  }
  return `${open}${pieces.join()}${close}`.padEnd(length);
}
