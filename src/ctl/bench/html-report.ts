/** The report of a benchmark as one HTML page: no other file, no script, nothing from a network, in light and in dark. */

import { formatMilliseconds } from "../text/quantities.ts";
import { lineChart } from "./plot/line-chart.ts";
import { stackedBars } from "./plot/stacked-bars.ts";
import { stepChart } from "./plot/step-chart.ts";
import { colourOf, colours, escapeMarkup, shortened } from "./plot/svg.ts";
import type { BenchReport, LevelReport, SubjectReport } from "./report.ts";
import { formatDifference } from "./tables.ts";
import type { Wait, WaitKind } from "./waits.ts";
import { endText, partName, settingText } from "./words.ts";

/** Nothing but what is in the page: whatever a name in it tries, there is nothing that would be loaded or run. */
const contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1c2430; --soft: #586474; --line: #dde2e8; --panel: #f5f7f9; --warn: #8a4b00; --warn-back: #fff4e0;
  --c0: #c2410c; --c1: #1d63c4; --c2: #0f7a5a; --c3: #7b3fb5; --c4: #a11d52; --c5: #5b6675;
  --c6: #b58900; --c7: #0e7490; --c8: #6b4f1d; --c9: #4d7c0f;
  --outside: #8a95a3; --plugins: #2f7ed8; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14181e; --text: #e5e9ee; --soft: #a2adba; --line: #303844; --panel: #1c222a; --warn: #ffcf8a; --warn-back: #3a2a10;
    --c0: #ff9a5c; --c1: #6db0ff; --c2: #4fd0a4; --c3: #c79bf2; --c4: #ff8ab3; --c5: #a8b3c0;
    --c6: #f0cf5a; --c7: #5fc9df; --c8: #c9a26a; --c9: #a6d65c;
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
.grid { stroke: var(--line); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .thin { stroke-width: 1.2; }
${Array.from({ length: colours }, (_, index) => `.c${index} { fill: var(--c${index}); } .line.c${index} { fill: none; stroke: var(--c${index}); }`).join("\n")}
.outside { fill: var(--outside); } .plugins { fill: var(--plugins); }
`;

/** Characters of the annotation that are shown: it may have 256 KiB. */
const longestSelection = 2_000;

/** A part's colour is the same in all bars; c1 is too much like that of plugins. @param parts those that are ours, in order */
function waitColour({ part, kind }: Wait, parts: readonly string[]): string {
  if (kind !== "ours") return kind;
  return part === "around-plugins" ? colourOf(0) : colourOf(2 + (parts.indexOf(part) % (colours - 2)));
}

/** @param report of a benchmark @returns the page, HTML */
export function htmlReport(report: BenchReport): string {
  const { levels, at } = report;
  const end = endText(report);
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(contentPolicy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">',
    "<title>multusctl bench</title>",
    `<style>${style}</style></head><body><main>`,
    `<h1>How long pods take to start</h1>`,
    `<p class="soft">${escapeMarkup(settingText(report))}. ${escapeMarkup(at)}, ${report.seconds} s.</p>`,
    ...(end === "" ? [] : [`<p class="warn">${escapeMarkup(end)}</p>`]),
    ...(report.left.length === 0
      ? []
      : [`<p class="warn">Left behind: ${escapeMarkup(report.left.join("; "))}</p>`]),
    ...(levels.length === 0
      ? ["<p>No round was measured as a whole.</p>"]
      : [tiles(levels), times(report), waits(report), networks(report)]),
    facts(report),
    reading(report),
    "</main></body></html>\n",
  ].join("\n");
}

const milliseconds = (value: number): string => `${formatMilliseconds(value)} ms`;

/** `<td class="n">` cells for the columns that have numbers. */
function table(
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

/** The numbers that are looked for first. */
function tiles(levels: readonly LevelReport[]): string {
  const first = levels[0];
  const last = levels.at(-1);
  const tile = (value: string, about: string) =>
    `<li><b>${escapeMarkup(value)}</b>${escapeMarkup(about)}</li>`;
  const oursOf = (level: LevelReport | undefined) => level?.subjects.find(({ kind }) => kind === "multus");
  const startOf = (level: LevelReport | undefined) => {
    const ours = oursOf(level);
    return level === undefined || ours === undefined
      ? []
      : [tile(milliseconds(ours.add.pod.median), `a pod's start, ${atOnce(level.pods)}: median`)];
  };
  const shares = oursOf(first)?.shares;
  return `<ul class="tiles">${[
    ...startOf(first),
    ...(shares === undefined
      ? []
      : [
          tile(milliseconds(shares.ours.median), `of it ours, ${atOnce(first?.pods ?? 1)}: median`),
          tile(milliseconds(shares.plugins.median), `of it in plugins, ${atOnce(first?.pods ?? 1)}: median`),
        ]),
    ...(last === first ? [] : startOf(last)),
  ].join("")}</ul>`;
}

const atOnce = (pods: number): string => (pods === 1 ? "one at a time" : `${pods} at once`);

function times(report: BenchReport): string {
  const { levels } = report;
  const subjects = [...new Set(levels.flatMap((level) => level.subjects.map(({ subject }) => subject)))];
  const rows = levels.flatMap(({ pods, subjects: ofLevel }) =>
    ofLevel.map(({ subject, add, del, oursLessThis }) => [
      subject,
      String(pods),
      ...[add.pod.median, add.pod.p90, add.pod.p99, add.all.median].map(formatMilliseconds),
      del === undefined ? "–" : formatMilliseconds(del.pod.median),
      oursLessThis === undefined ? "" : formatDifference(oursLessThis),
    ]),
  );
  const headings = ["through", "pods at once", "median", "p90", "p99", "all pods", "stop"];
  const compares = levels.some((level) => level.subjects.length > 1);
  return [
    "<h2>Start and stop</h2>",
    table(
      "Milliseconds. All pods: from the first call to the last answer, median. Stop: a pod's, median." +
        (compares ? " The last column is ours less this one by round: median, 95 % interval." : ""),
      [...headings, ...(compares ? ["ours less this"] : [])],
      1,
      compares ? rows : rows.map((row) => row.slice(0, -1)),
    ),
    "<h3>Scaling: a pod's start by the number of pods that start at once</h3>",
    '<p class="soft">Median, and a whisker up to p90.</p>',
    lineChart(
      "a pod's start by the number of pods at once",
      levels.map(({ pods }) => pods),
      "pods at once",
      "ms",
      subjects.map((subject) => ({
        label: subject,
        points: levels.flatMap(({ pods, subjects: ofLevel }) => {
          const own = ofLevel.find((each) => each.subject === subject);
          return own === undefined ? [] : [{ place: pods, median: own.add.pod.median, p90: own.add.pod.p90 }];
        }),
      })),
    ),
    ...distributions(report),
  ].join("\n");
}

/** Of the fewest and of the most pods. */
function distributions({ levels, samples }: BenchReport): string[] {
  return [...new Set([levels[0], levels.at(-1)])].flatMap((level) => {
    if (level === undefined) return [];
    const series = samples
      .filter(({ pods }) => pods === level.pods)
      .map(({ subject, rounds }) => ({ label: subject, values: rounds.flatMap(({ add }) => add) }))
      .filter(({ values }) => values.length > 0);
    return [
      `<h3>Distribution: share of pods that have started within a time, ${atOnce(level.pods)}</h3>`,
      stepChart(`share of pods that have started, ${atOnce(level.pods)}`, "ms", series),
    ];
  });
}

type KnownShares = { readonly pods: number; readonly shares: NonNullable<SubjectReport["shares"]> };

function knownShares(levels: readonly LevelReport[]): KnownShares[] {
  return levels.flatMap(({ pods, subjects }) =>
    subjects.flatMap(({ shares }) => (shares === undefined ? [] : [{ pods, shares }])),
  );
}

const unknownShares =
  "<p>The daemon did not say where the time goes: no multusd of this release answered on its socket.</p>";

function waits(report: BenchReport): string {
  const known = knownShares(report.levels);
  const heading = "<h2>What a pod waits for</h2>";
  if (known.length === 0) return `${heading}\n${unknownShares}`;
  const starts = known.map(({ pods, shares }) => ({ pods, waits: shares.waits }));
  const stops = known
    .map(({ pods, shares }) => ({ pods, waits: shares.stopWaits }))
    .filter((level) => level.waits.length > 0);
  return [
    heading,
    '<p class="soft">Means of all pods of the measured rounds, as means add up.</p>',
    waitsPlot("what a pod waits for", report, starts),
    table(
      "Our share and the plugins', milliseconds",
      ["pods at once", "samples", "ours: median", "p90", "p99", "plugins: median", "p90", "p99"],
      0,
      known.map(({ pods, shares: { pods: samples, ours: own, plugins } }) => [
        String(pods),
        String(samples),
        ...[own.median, own.p90, own.p99, plugins.median, plugins.p90, plugins.p99].map(formatMilliseconds),
      ]),
    ),
    ...(stops.length === 0
      ? []
      : ["<h3>The same of its stop</h3>", waitsPlot("what a pod's stop waits for", report, stops)]),
  ].join("\n");
}

/** Bars and a table. @param levels at least one */
function waitsPlot(
  title: string,
  { setting }: BenchReport,
  levels: readonly { readonly pods: number; readonly waits: readonly Wait[] }[],
): string {
  const all = levels.flatMap((level) => level.waits);
  const parts = [...new Set(all.map(({ part }) => part))];
  const ours = parts.filter((part) => all.some((wait) => wait.part === part && wait.kind === "ours"));
  const nameOf = (part: string) => partName(part, setting.through);
  return [
    stackedBars(
      title,
      "ms",
      levels.map(({ pods, waits: own }) => ({
        label: pods === 1 ? "1 pod" : `${pods} pods at once`,
        segments: own.map((wait) => ({
          label: nameOf(wait.part),
          value: wait.milliseconds,
          colour: waitColour(wait, ours),
        })),
      })),
    ),
    table(
      "Mean milliseconds",
      ["part", "whose", ...levels.map(({ pods }) => atOnce(pods))],
      2,
      parts.map((part) => {
        const own = levels.map((level) => level.waits.find((wait) => wait.part === part));
        const kind = own.find((wait) => wait !== undefined)?.kind ?? "ours";
        return [
          nameOf(part),
          ownerOf(kind, setting.through),
          ...own.map((wait) => (wait === undefined ? "–" : formatMilliseconds(wait.milliseconds))),
        ];
      }),
    ),
  ].join("\n");
}

function ownerOf(kind: WaitKind, through: BenchReport["setting"]["through"]): string {
  if (kind === "plugins") return "the plugins'";
  return kind === "outside" && through === "runtime" ? "the runtime's" : "ours";
}

function networks({ levels }: BenchReport): string {
  const known = knownShares(levels);
  if (known.length === 0) return "";
  return [
    "<h2>Networks</h2>",
    '<p class="soft">Medians: in the processes of a network\'s plugins, and our time around them.</p>',
    stackedBars(
      "networks",
      "ms",
      known.flatMap(({ pods, shares }) =>
        shares.networks.map(({ network, ifName, pluginTime, ownTime }) => ({
          label: `${network} at ${ifName}, ${atOnce(pods)}`,
          segments: [
            { label: "plugins", value: pluginTime.median, colour: "plugins" },
            { label: "around them", value: ownTime.median, colour: "c0" },
          ],
        })),
      ),
    ),
    table(
      "Milliseconds",
      [
        "network",
        "interface",
        "plugins",
        "pods at once",
        "in plugins",
        "p90",
        "p99",
        "around them",
        "p90",
        "p99",
      ],
      3,
      known.flatMap(({ pods, shares }) =>
        shares.networks.map(({ network, ifName, plugins, pluginTime, ownTime }) => [
          network,
          ifName,
          plugins.join(", "),
          String(pods),
          ...[pluginTime, ownTime].flatMap(({ median, p90, p99 }) =>
            [median, p90, p99].map(formatMilliseconds),
          ),
        ]),
      ),
    ),
  ].join("\n");
}

function facts({ machine, setting }: BenchReport): string {
  const { kernel, processor, processors, memoryMegabytes, architecture, node } = machine;
  const versions = Object.entries(setting.versions).map(([program, version]) => {
    return [program, version === "" ? "not known" : version];
  });
  return [
    "<h2>Machine and versions</h2>",
    table("", ["what", "value"], 2, [
      ["kernel", `Linux ${kernel}, ${architecture}`],
      ["processor", `${processors} × ${processor === "" ? "not known" : processor}`],
      ["memory", `${(memoryMegabytes / 1000).toFixed(1)} GB`],
      ["Node.js", node],
      ...(setting.runtime === "" ? [] : [["runtime", setting.runtime]]),
      ...versions,
      [
        "networks",
        setting.selection === ""
          ? "the cluster network alone"
          : shortened(setting.selection, longestSelection),
      ],
    ]),
  ].join("\n");
}

function reading({ setting }: BenchReport): string {
  const { through } = setting;
  const start =
    through === "plugin"
      ? "A pod's start is the plugin's process from its start to its end, as a container runtime executes it for ADD; its stop is that of DEL."
      : "A pod's start is the runtime's answer to RunPodSandbox, with the sandbox's container; its stop is that of StopPodSandbox.";
  const ours =
    through === "plugin"
      ? "Ours is all of it but the plugins' processes."
      : "Ours is the daemon's time without the plugins' processes; the start of our plugin's process is part of the runtime's.";
  return [
    "<h2>How to read this</h2>",
    `<p>${start} ${ours} Plugins execute their IPAM plugin themselves.</p>`,
    "<p>All that is compared ran in turns, in changing order, in the same rounds. A difference counts where its 95 % interval does not contain 0. " +
      "Numbers of one report do not compare with those of another: machines, and the days of one machine, differ.</p>",
    "<p>The cluster network alone is one network without any multus: the difference to it is the price of all further networks with their plugins, not ours alone.</p>",
  ].join("\n");
}
