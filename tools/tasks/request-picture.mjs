/**
 * The picture of the README in docs/images/request.svg: the way of a pod's ADD from the kubelet to its interfaces, in numbered steps.
 * `node tools/run.mjs picture` writes it; a test fails where it is not what this file draws.
 */

import { escaped, pictureStyle, tip } from "./svg.mjs";

const width = 960;
const height = 400;

/** Boxes: place and size, a heading, and lines below it. `kind` is "ours" where this project is the program. */
const boxes = [
  { x: 20, y: 24, width: 190, height: 76, heading: "kubelet", lines: ["starts a pod"] },
  {
    x: 20,
    y: 170,
    width: 190,
    height: 92,
    heading: "container runtime",
    lines: ["containerd or CRI-O", "makes its namespace"],
  },
  {
    x: 310,
    y: 160,
    width: 210,
    height: 112,
    kind: "ours",
    heading: "multus (the plugin)",
    lines: ["a static C program,", "a start for each call;", "carries out the orders"],
  },
  {
    x: 310,
    y: 20,
    width: 310,
    height: 84,
    kind: "ours",
    heading: "multusd (the daemon)",
    lines: ["plans; has no capability", "JSON as bytes, by WebAssembly kernels"],
  },
  {
    x: 760,
    y: 20,
    width: 180,
    height: 84,
    heading: "Kubernetes API",
    lines: ["pods, their status,", "events, definitions"],
  },
  {
    x: 610,
    y: 160,
    width: 160,
    height: 112,
    heading: "CNI plugins",
    lines: ["cluster network's,", "bridge, macvlan,", "sriov, …"],
  },
  {
    x: 310,
    y: 330,
    width: 630,
    height: 54,
    kind: "pod",
    heading: "the pod",
    lines: ["eth0: the cluster network; net1, net2, …: the networks that its annotation selects"],
  },
];

/** Arrows: a path, a text beside it, and where the text is. */
const arrows = [
  { d: "M105 100V168", text: "RunPodSandbox", at: [113, 142] },
  { d: "M210 206H308", text: "1 exec: ADD", at: [220, 198] },
  { d: "M310 232H214", text: "6 result", at: [234, 250] },
  { d: "M360 160V106", text: "2 request", at: [288, 138] },
  { d: "M440 104V158", text: "3 orders, 5 result", at: [448, 138] },
  { d: "M520 216H608", text: "4 exec", at: [540, 208] },
  { d: "M690 272V328", text: "links, addresses", at: [698, 306] },
  {
    d: "M405 272V328",
    text: "4 or itself, by netlink (native networks)",
    at: [413, 306],
  },
  { d: "M760 46H624", text: "watches", at: [666, 40] },
  { d: "M620 84H758", text: "7 status, events", at: [642, 78] },
];

const box = ({ x, y, width: across, height: down, kind = "other", heading, lines }) => [
  `<rect class="${kind}" x="${x}" y="${y}" width="${across}" height="${down}" rx="6"/>`,
  `<text class="name" x="${x + 12}" y="${y + 24}">${escaped(heading)}</text>`,
  ...lines.map((line, index) => `<text x="${x + 12}" y="${y + 44 + 18 * index}">${escaped(line)}</text>`),
];

const arrow = ({ d, text, at: [x, y] }) => [
  `<path class="arrow" d="${d}" marker-end="url(#tip)"/>`,
  `<text class="step" x="${x}" y="${y}">${escaped(text)}</text>`,
];

/** @returns {string} the picture */
export function drawRequest() {
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="The way of a pod's ADD: kubelet, container runtime, plugin, daemon, CNI plugins, pod">`,
    pictureStyle(
      "text{font-family:system-ui,sans-serif;font-size:13px}.name{font-size:15px}.step{font-size:12.5px}.other{fill:#f6f8fa;stroke:#57606a}.ours{fill:#ddf4ff;stroke:#0969da;stroke-width:1.6}.pod{fill:#dafbe1;stroke:#1a7f37}",
      ".other{fill:#161b22;stroke:#8b949e}.ours{fill:#0c2d4a;stroke:#58a6ff}.pod{fill:#0f2d1a;stroke:#3fb950}.back{fill:#0d1117}",
    ),
    tip,
    `<rect class="back" width="${width}" height="${height}"/>`,
    ...arrows.flatMap(arrow),
    ...boxes.flatMap(box),
    "</svg>",
  ].join("\n")}\n`;
}
