/** Reads a JSON array as far as it makes sense: the whole elements at its start, whatever comes after them. */

/** The elements that were found. */
export interface ArrayPrefix {
  readonly elements: readonly unknown[];
  /** The text is one whole JSON array. */
  readonly isWhole: boolean;
}

/**
 * Index after the JSON value that starts at `start`, judged by its brackets and quotes alone; -1 if the text ends before it.
 */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  let inString = false;
  for (let index = start; index < text.length; index++) {
    const character = text[index];
    if (inString) {
      if (character === "\\") {
        index++;
      } else if (character === '"') {
        inString = false;
      }
      continue;
    }
    if (character === '"') {
      inString = true;
    } else if (character === "{" || character === "[") {
      depth++;
    } else if (character === "}" || character === "]") {
      if (depth === 0) {
        return index;
      }
      depth--;
    } else if (character === "," && depth === 0) {
      return index;
    }
  }
  return -1;
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch {
    return undefined;
  }
}

/** @param text what is left of an array; never throws */
export function readArrayPrefix(text: string): ArrayPrefix {
  const whole = parse(text);
  if (whole !== undefined) {
    return Array.isArray(whole.value)
      ? { elements: whole.value, isWhole: true }
      : { elements: [], isWhole: false };
  }
  const elements: unknown[] = [];
  let index = text.indexOf("[") + 1;
  while (index > 0 && index < text.length) {
    const end = endOfValue(text, index);
    const element = end < 0 ? undefined : parse(text.slice(index, end));
    if (element === undefined) {
      break;
    }
    elements.push(element.value);
    index = text[end] === "," ? end + 1 : 0;
  }
  return { elements, isWhole: false };
}
