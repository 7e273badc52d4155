/**
 * The picture of the rooms in docs/images/rooms.svg, drawn from the imports in src/: a box for each room, its floors inside, and an arrow for each use that no other arrow implies.
 * `node tools/run.mjs picture` writes it; a test fails where it is not what the code says.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { projectDirectory } from "../setup/project.mjs";
import { drawRequest } from "./request-picture.mjs";
import { escaped, pictureStyle, tip } from "./svg.mjs";

const source = join(projectDirectory, "src");
const images = join(projectDirectory, "docs", "images");

/** Rooms that nearly all use: an arrow to them would say nothing. */
const usedByAll = ["log"];

/** A line of text in a box, and what is around it, in the units of the picture. */
const size = { line: 17, character: 7.3, padding: 12, floorGap: 4, columnGap: 36, rowGap: 52, margin: 16 };

/** The purpose of each room: the few words in its box. */
const about = {
  executable: "multusd and multusctl as one file",
  daemon: "multusd: socket, lanes, HTTP, metrics",
  "daemon-config": "the daemon's own configuration",
  ctl: "multusctl: install, validate, doctor …",
  kube: "Kubernetes: watches, status, events",
  devices: "devices of pods, by the kubelet and claims",
  "runtime-config": "00-multus.conf, kept in step",
  telemetry: "traces",
  multus: "what Multus adds to CNI",
  "multus/commands": "attach, del, check, gc, status, hot-plug",
  "multus/background": "work of no request",
  "multus/state": "what a container has on disk",
  "multus/spool": "DELs that shims recorded, and their replay",
  "multus/request": "what a request's work is done with",
  "multus/cluster": "what is asked of a cluster",
  "multus/plan": "what a pod gets",
  "multus/input": "what a call brings",
  socket: "the socket as clients see it",
  native: "networks without their plugins",
  cni: "the CNI spec: configurations, results, chains",
  base: "JSON, files, errors of what is read",
  agent: "frames and the Executor",
  kernels: "WebAssembly as typed functions",
  "command-line": "options in the forms of Go's flags",
  log: "levels, files, stderr",
};

const filesIn = (directory) =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(directory, name));

const roomOf = (file) => relative(source, file).split(sep)[0];

/** @returns {Map<string, Set<string>>} by room, the rooms that it imports from */
function usesOfRooms() {
  const uses = new Map();
  for (const file of filesIn(source)) {
    const room = roomOf(file);
    if (!uses.has(room)) uses.set(room, new Set());
    for (const [, path] of readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const imported = join(dirname(file), path);
      if (!imported.startsWith(source + sep)) continue;
      const other = roomOf(imported);
      if (other !== room && !usedByAll.includes(other)) uses.get(room).add(other);
    }
  }
  return uses;
}

/** Without the uses that others imply: what is left says the same. */
function reduced(uses) {
  const reaches = (from, to) => from === to || [...uses.get(from)].some((next) => reaches(next, to));
  return new Map(
    Array.from(uses, ([room, direct]) => [
      room,
      [...direct].filter((to) => ![...direct].some((other) => other !== to && reaches(other, to))).sort(),
    ]),
  );
}

/** How far each room is above the ground: the longest way down. */
function levels(uses) {
  const known = new Map();
  const levelOf = (room) => {
    if (!known.has(room)) known.set(room, Math.max(-1, ...[...uses.get(room)].map(levelOf)) + 1);
    return known.get(room);
  };
  for (const room of uses.keys()) levelOf(room);
  return known;
}

/** The same, but each room right below the lowest that uses it: arrows are short. */
function raised(uses) {
  const heights = levels(uses);
  for (const [room] of [...heights].sort(([, left], [, right]) => right - left)) {
    const users = [...uses.keys()].filter((other) => uses.get(other).has(room));
    if (users.length > 0) heights.set(room, Math.min(...users.map((user) => heights.get(user))) - 1);
  }
  return heights;
}

/** The floors of a room, the highest first; none where it has no directories, or they are no floors. */
function floorsOf(room) {
  if (room !== "multus") return [];
  const names = readdirSync(join(source, room), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const used = (floor) =>
    new Set(
      filesIn(join(source, room, floor)).flatMap((file) =>
        Array.from(
          readFileSync(file, "utf8").matchAll(/from "\.\.\/([\w-]+)\//g),
          ([, other]) => other,
        ).filter((other) => other !== floor && names.includes(other)),
      ),
    );
  const uses = new Map(names.map((name) => [name, used(name)]));
  const heights = levels(uses);
  const sorted = names.sort(
    (left, right) => heights.get(right) - heights.get(left) || (left < right ? -1 : 1),
  );
  return ["commands", ...sorted];
}

function boxOf(room) {
  const floors = floorsOf(room).map((floor) => ({ name: floor, about: about[`${room}/${floor}`] }));
  const lines = [`src/${room}`, about[room], ...floors.flatMap((floor) => [`${floor.name}: ${floor.about}`])];
  for (const [index, line] of lines.entries()) {
    if (line === undefined || line.includes("undefined"))
      throw new Error(`${room}: no words for line ${index}`);
  }
  const longest = Math.max(...lines.map((line) => line.length));
  const width = longest * size.character + 2 * size.padding + (floors.length > 0 ? size.padding : 0);
  const ownHeight = 2 * size.line + 2 * size.padding;
  const floorHeight = size.line + 8 + size.floorGap;
  return { room, floors, width, height: ownHeight + floors.length * floorHeight, floorHeight, ownHeight };
}

/** The boxes with their places: a row for each level, the highest on top. */
function placed(uses) {
  const heights = raised(uses);
  const rows = Array.from({ length: Math.max(...heights.values()) + 1 }, () => []);
  for (const [room, level] of heights) rows[level].push(boxOf(room));
  rows.reverse();
  const rowWidth = (row) => row.reduce((sum, box) => sum + box.width, 0) + (row.length - 1) * size.columnGap;
  const width = Math.max(...rows.map(rowWidth)) + 2 * size.margin;
  const boxes = new Map();
  let y = size.margin;
  for (const row of rows) {
    row.sort((left, right) => (left.room < right.room ? -1 : 1));
    let x = (width - rowWidth(row)) / 2;
    const height = Math.max(...row.map((box) => box.height));
    for (const box of row) {
      boxes.set(box.room, { ...box, x, y: y + (height - box.height) / 2 });
      x += box.width + size.columnGap;
    }
    y += height + size.rowGap;
  }
  return { boxes, width, height: y - size.rowGap + size.margin };
}

const rounded = (number) => Math.round(number * 10) / 10;

function drawnBox({ room, floors, x, y, width, height, ownHeight, floorHeight }) {
  const text = (line, left, top, kind) =>
    `<text class="${kind}" x="${rounded(left)}" y="${rounded(top)}">${escaped(line)}</text>`;
  const left = x + size.padding;
  return [
    `<rect class="room" x="${rounded(x)}" y="${rounded(y)}" width="${rounded(width)}" height="${height}" rx="6"/>`,
    text(`src/${room}`, left, y + size.padding + 12, "name"),
    text(about[room], left, y + size.padding + 12 + size.line, "about"),
    ...floors.flatMap((floor, index) => {
      const top = y + ownHeight - size.padding / 2 + index * floorHeight;
      return [
        `<rect class="floor" x="${rounded(left)}" y="${rounded(top)}" width="${rounded(width - 2 * size.padding)}" height="${size.line + 8}" rx="3"/>`,
        text(`${floor.name}: ${floor.about}`, left + 6, top + size.line, "about"),
      ];
    }),
  ];
}

function drawnArrow(from, to, share) {
  const [x1, y1] = [from.x + from.width * share.from, from.y + from.height];
  const [x2, y2] = [to.x + to.width * share.to, to.y - 3];
  const middle = (y1 + y2) / 2;
  const points = [x1, y1, x1, middle, x2, middle, x2, y2].map(rounded);
  const [a, b, c, d, e, f, g, h] = points;
  return `<path class="arrow" d="M${a} ${b}C${c} ${d} ${e} ${f} ${g} ${h}" marker-end="url(#tip)"/>`;
}

/** @returns {string} the picture as the code is now */
export function drawRooms() {
  const uses = usesOfRooms();
  const { boxes, width, height } = placed(uses);
  const arrows = Array.from(reduced(uses), ([room, others]) => others.map((other) => [room, other])).flat();
  // Ends side by side: arrows of one box do not lie upon each other.
  const shareOf = (list, arrow, end) => {
    const at = 1 - end;
    const own = list
      .filter((other) => other[end] === arrow[end])
      .sort((left, right) => boxes.get(left[at]).x - boxes.get(right[at]).x);
    return (own.indexOf(arrow) + 1) / (own.length + 1);
  };
  const drawnArrows = arrows.map((arrow) =>
    drawnArrow(boxes.get(arrow[0]), boxes.get(arrow[1]), {
      from: shareOf(arrows, arrow, 0),
      to: shareOf(arrows, arrow, 1),
    }),
  );
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${rounded(width)} ${rounded(height)}" role="img" aria-label="The rooms of src/ and who uses whom">`,
    pictureStyle(
      ".room{fill:#f6f8fa;stroke:#57606a}.floor{fill:#fff;stroke:#afb8c1}",
      ".room{fill:#161b22;stroke:#8b949e}.floor{fill:#0d1117;stroke:#484f58}",
    ),
    tip,
    ...drawnArrows,
    ...Array.from(boxes.values(), drawnBox).flat(),
    "</svg>",
  ].join("\n")}\n`;
}

/** The pictures that are drawn from nothing but this checkout, by their files. */
export const pictures = { "rooms.svg": drawRooms, "request.svg": drawRequest };

/** Writes the pictures. */
export function writePictures() {
  for (const [file, draw] of Object.entries(pictures)) writeFileSync(join(images, file), draw());
  return 0;
}
