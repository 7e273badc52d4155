/** Reads Prometheus' text format, as far as a test needs it. */

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

/**
 * @param text what GET /metrics answers
 * @returns the samples of a name, by their labels: in alphabetical order, as `a="1",b="2"`
 */
export async function samples(
  text: string | Promise<string>,
): Promise<(name: string) => Readonly<Record<string, number>>> {
  const all = new Map<string, Record<string, number>>();
  for (const sample of (await text).split("\n")) {
    if (sample === "" || sample.startsWith("#")) continue;
    const [, name, labels = "", value] = line.exec(sample) ?? [];
    if (name === undefined) throw new Error(`not a sample: ${sample}`);
    const sorted = Array.from(labels.matchAll(/\w+="(?:[^"\\]|\\.)*"/g), ([label]) => label).sort();
    const ofName = all.get(name) ?? {};
    ofName[sorted.join(",")] = Number(value);
    all.set(name, ofName);
  }
  return (name) => all.get(name) ?? {};
}
