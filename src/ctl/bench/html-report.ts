/** The report of a benchmark as one HTML page: no other file, no script, nothing from a network, in light and in dark. */

import { formatMilliseconds } from "../text/quantities.ts";
import { machineRows } from "./machine.ts";
import { loadWarning } from "./machine-load.ts";
import { lineChart } from "./plot/line-chart.ts";
import { page, table, warningText } from "./plot/page.ts";
import { stackedBars } from "./plot/stacked-bars.ts";
import { stepChart } from "./plot/step-chart.ts";
import { colourOf, colours, escapeMarkup, shortened } from "./plot/svg.ts";
import type { BenchReport, LevelReport, SubjectReport } from "./report.ts";
import { formatDifference } from "./tables.ts";
import type { Wait, WaitKind } from "./waits.ts";
import { endText, partName, settingText } from "./words.ts";

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
  return page("multusctl bench", [
    `<h1>How long pods take to start</h1>`,
    `<p class="soft">${escapeMarkup(settingText(report))}. ${escapeMarkup(at)}, ${report.seconds} s.</p>`,
    ...[end, loadWarning(report.load)].flatMap(warningText),
    ...(report.left.length === 0
      ? []
      : [`<p class="warn">Left behind: ${escapeMarkup(report.left.join("; "))}</p>`]),
    ...(levels.length === 0
      ? ["<p>No round was measured as a whole.</p>"]
      : [tiles(levels), times(report), waits(report), networks(report)]),
    facts(report),
    reading(report),
  ]);
}

const milliseconds = (value: number): string => `${formatMilliseconds(value)} ms`;

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
  const versions = Object.entries(setting.versions).map(([program, version]) => {
    return [program, version === "" ? "not known" : version];
  });
  return [
    "<h2>Machine and versions</h2>",
    table("", ["what", "value"], 2, [
      ...machineRows(machine),
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
