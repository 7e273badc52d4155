/** The page of a benchmark: well-formed, with nothing from elsewhere, and names that cannot get out of their place. */

import fc from "fast-check";
import { parse } from "parse5";
import { describe, expect, test } from "vitest";
import { htmlReport } from "../../../../src/ctl/bench/html-report.ts";
import { lineChart } from "../../../../src/ctl/bench/plot/line-chart.ts";
import { stackedBars } from "../../../../src/ctl/bench/plot/stacked-bars.ts";
import { stepChart } from "../../../../src/ctl/bench/plot/step-chart.ts";
import { axisMarks, escapeMarkup, shortened } from "../../../../src/ctl/bench/plot/svg.ts";
import { reportOf, usualSeries } from "./report-of.ts";

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A node of parse5's tree, as far as it is looked at. */
interface Node {
  readonly nodeName: string;
  readonly value?: string;
  readonly attrs?: readonly { readonly name: string; readonly value: string }[];
  readonly childNodes?: readonly Node[];
}

interface Page {
  readonly elements: readonly Element[];
  /** All text but that of style sheets. */
  readonly text: string;
  readonly style: string;
  readonly errors: readonly string[];
}

/** Reads a page as a browser does. */
function read(html: string): Page {
  const errors: string[] = [];
  const document = parse(html, { onParseError: ({ code }) => void errors.push(code) }) as unknown as Node;
  const elements: Element[] = [];
  let text = "";
  let style = "";
  const visit = (node: Node, within: string): void => {
    if (node.nodeName === "#text") {
      if (within === "style") style += node.value ?? "";
      else text += `${node.value ?? ""}\n`;
    } else if (node.attrs !== undefined) {
      const attributes = Object.fromEntries(node.attrs.map(({ name, value }) => [name, value]));
      elements.push({ name: node.nodeName, attributes });
    }
    for (const child of node.childNodes ?? []) visit(child, node.nodeName);
  };
  visit(document, "");
  return { elements, text, style, errors };
}

const names = ({ elements }: Page) => elements.map(({ name }) => name);

/** Elements that load or run something, or lead somewhere. */
const active =
  /^(script|link|iframe|frame|object|embed|img|image|a|form|input|base|audio|video|source|use|foreignobject|animate|set|button)$/i;

function expectInert(page: Page): void {
  expect(page.errors).toEqual([]);
  expect(names(page).filter((name) => active.test(name))).toEqual([]);
  for (const { attributes } of page.elements) {
    for (const [name, value] of Object.entries(attributes)) {
      expect(name).not.toMatch(/^on|^(src|href|xlink:href|srcset|action|formaction|style|background|ping)$/i);
      expect(value).not.toMatch(/^\s*(javascript|data|https?):/i);
    }
  }
  expect(page.style).not.toMatch(/url\(|@import|expression\(/i);
}

describe("the page", () => {
  const page = read(htmlReport(reportOf(usualSeries())));

  test("is well-formed, and has nothing that loads, runs or leads away", () => {
    expectInert(page);
    expect(page.elements.find(({ attributes }) => "http-equiv" in attributes)?.attributes.content).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    );
  });

  test("has a plot of scaling, of two distributions, of waits of start and stop, and of networks, each with what it is of", () => {
    const plots = page.elements.filter(({ name }) => name === "svg");
    expect(plots.map(({ attributes }) => attributes["aria-label"])).toEqual([
      "a pod's start by the number of pods at once",
      "share of pods that have started, one at a time",
      "share of pods that have started, 4 at once",
      "what a pod waits for",
      "what a pod's stop waits for",
      "networks",
    ]);
  });

  test("has colours for light and for dark, each of them for both", () => {
    const [light = "", dark = ""] = page.style.split("@media (prefers-color-scheme: dark)");
    const variablesOf = (text: string) => new Set(text.match(/--[a-z0-9-]+(?=:)/g));
    expect(variablesOf(dark.slice(0, dark.indexOf("body {")))).toEqual(variablesOf(light));
    const used = new Set(page.style.match(/(?<=var\()--[a-z0-9-]+/g));
    expect([...used].filter((name) => !variablesOf(light).has(name))).toEqual([]);
    const classes = page.elements.flatMap(({ attributes }) => (attributes.class ?? "").split(" "));
    const colours = new Set(classes.filter((name) => /^c\d$/.test(name)));
    for (const colour of colours) expect(page.style).toContain(`.${colour} {`);
  });

  test("says units, machine and versions, and how to read it", () => {
    for (const text of ["ms", "Linux 6.18.0, x64", "2 × A Processor", "v24.0.0", "multusd", "0.1.0"]) {
      expect(page.text).toContain(text);
    }
    expect(page.text).toContain("A difference counts where its 95 % interval does not contain 0.");
  });

  test("is marked where it is not complete, and where something is left", () => {
    const marked = read(
      htmlReport(
        reportOf(usualSeries(), {
          state: "interrupted",
          reason: "interrupted by SIGINT",
          left: ["sandbox 7"],
          load: { others: 0.5, looks: 3 },
        }),
      ),
    );
    expect(marked.text).toContain("Interrupted: 8 of 8 rounds are measured. interrupted by SIGINT.");
    expect(marked.text).toContain("Left behind: sandbox 7");
    expect(marked.elements.filter(({ attributes }) => attributes.class === "warn")).toHaveLength(3);
    expect(marked.text).toContain("The machine was too loaded");
    expect(page.elements.filter(({ attributes }) => attributes.class === "warn")).toHaveLength(0);
  });

  test("does without a daemon's account, and without any round", () => {
    const peers = usualSeries().filter(({ subject }) => subject.kind === "peer");
    const unknown = read(htmlReport(reportOf(peers)));
    expectInert(unknown);
    expect(unknown.text).toContain("The daemon did not say where the time goes");
    const none = read(htmlReport(reportOf([], { state: "failed", reason: "ADD of pod 0 failed" })));
    expectInert(none);
    expect(none.text).toContain("No round was measured as a whole.");
    expect(none.text).toContain("ADD of pod 0 failed");
  });
});

/** Attacks that authors of pods, networks and plugins may try. */
const attacks = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  "</title></style></svg><script>alert(1)</script>",
  "]]><script>alert(1)</script>",
  "<!--",
  "&lt;script&gt;&#60;b&#62;",
  "javascript:alert(1)",
  "`$" + "{alert(1)}`",
  "\u202egnp.exe\u2066",
  "\u0000\u0008\u001b[2J",
  "\ud800lonely\udc00",
  "x".repeat(5_000),
];

describe("names", () => {
  test.each(attacks)("stay text wherever they occur: %s", (attack) => {
    const page = read(
      htmlReport(
        reportOf(usualSeries(["cluster", attack], `peer ${attack}`), {
          state: "failed",
          reason: attack,
          left: [attack],
          setting: {
            ...reportOf(usualSeries()).setting,
            selection: attack,
            runtime: attack,
            versions: { [attack]: attack },
          },
        }),
      ),
    );
    expectInert(page);
    const usual = read(htmlReport(reportOf(usualSeries(), { state: "failed", left: ["x"] })));
    expect(new Set(names(page))).toEqual(new Set(names(usual)));
  });

  test("are shown as they are, where they are harmless", () => {
    const network = "a & b <c> \"d\" 'e' `f`";
    const page = read(htmlReport(reportOf(usualSeries(["cluster", network]))));
    expect(page.text).toContain(`\n${network}\n`);
  });

  test("come back from markup as they went in, but for characters that are none of a text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        const {
          elements,
          text: shown,
          errors,
        } = read(
          `<!doctype html><html><head><title>t</title></head><body><p title="${escapeMarkup(text)}">${escapeMarkup(text)}</p></body></html>`,
        );
        expect(errors).toEqual([]);
        const given = elements.find(({ name }) => name === "p")?.attributes.title ?? "";
        expect(Array.from(given)).toHaveLength(Array.from(text).length);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: there are to be none
        expect(given).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        const visible = Array.from(text).filter((character) => /^[\x20-\x7e\n]$/.test(character));
        for (const character of visible) expect(given).toContain(character);
        if (text.trim() !== "") expect(shown).toContain(given.trim());
      }),
    );
  });
});

describe("plots", () => {
  test("have round marks on their axes", () => {
    expect(axisMarks(10, 8)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(axisMarks(0.3, 4)).toEqual([0, 0.1, 0.2, 0.3]);
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e7, noNaN: true }), (top) => {
        const marks = axisMarks(top, 8);
        expect(marks.length).toBeLessThanOrEqual(9);
        expect(marks.length).toBeGreaterThanOrEqual(2);
        expect(marks.at(-1)).toBeLessThanOrEqual(top * (1 + 1e-9));
      }),
    );
  });

  test("have only coordinates that are numbers, whatever the values", () => {
    const value = fc.double({ min: -5, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.array(value, { minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 12 }),
        (all) => {
          const positive = all.map((values) => values.map(Math.abs));
          const drawn = [
            stepChart(
              "t",
              "ms",
              positive.map((values, index) => ({ label: `s${index}`, values })),
            ),
            lineChart(
              "t",
              [1, 2],
              "pods",
              "ms",
              positive.map((values, index) => ({
                label: `s${index}`,
                points: [{ place: 1, median: values[0] ?? 0, p90: (values[0] ?? 0) * 2 }],
              })),
            ),
            stackedBars(
              "t",
              "ms",
              all.map((values, index) => ({
                label: `s${index}`,
                segments: values.map((each, part) => ({ label: `p${part}`, value: each, colour: "c0" })),
              })),
            ),
          ].join("");
          expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
          expect(drawn).not.toMatch(/(width|height)="-/);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("stay short with many values", () => {
    const values = Array.from({ length: 100_000 }, (_, index) => index / 100);
    expect(stepChart("t", "ms", [{ label: "s", values }]).length).toBeLessThan(20_000);
  });

  test("show the ends of long names", () => {
    expect(shortened("default/network-of-the-first-rack", 15)).toBe("default…st-rack");
    expect(shortened("short", 15)).toBe("short");
    expect(Array.from(shortened("🙂".repeat(50), 11))).toHaveLength(11);
  });
});
