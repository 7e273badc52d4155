/** Names that were meant, most likely: the nearest one to a name that is misspelt. */

/** Characters of a name that is compared: that of an object of Kubernetes. */
const longestCompared = 253;

/**
 * The candidate that differs from `word` by the fewest letters: one that is added, missing, another, or changed places with its neighbour. At most a third of the letters may differ, and three.
 * @returns undefined: none is near enough. Of several that are as near, the first
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > longestCompared) return undefined;
  let found: string | undefined;
  let limit = Math.min(3, Math.floor(word.length / 3));
  for (const candidate of candidates) {
    if (limit < 1 || candidate === word) continue;
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = distanceOf(word, candidate, limit);
    if (distance > limit) continue;
    found = candidate;
    // Only a nearer one counts from now on.
    limit = distance - 1;
  }
  return found;
}

/** The number of letters that differ (optimal string alignment); more than `limit` where it is certain to be. */
function distanceOf(left: string, right: string, limit: number): number {
  let before: readonly number[] = [];
  let above = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const line = [row];
    for (let column = 1; column <= right.length; column++) {
      const isSame = left[row - 1] === right[column - 1];
      const isSwapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      line.push(
        Math.min(
          (above[column] ?? 0) + 1,
          (line[column - 1] ?? 0) + 1,
          (above[column - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    if (Math.min(...line) > limit) return limit + 1;
    before = above;
    above = line;
  }
  return above[right.length] ?? 0;
}
