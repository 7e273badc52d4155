/** Attacks by authors of pods, of NetworkAttachmentDefinitions and plugins, with all that Kubernetes and the shim let them write. */

import type { HandledRequest } from "../../../src/multus/request/report.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { type Rig, selecting } from "../multus/rig.ts";
import { filled } from "./filled.ts";

const mebibyte = 1024 * 1024;

/** A configuration of the most that an object may have. */
function largest(open: string, piece: (index: number) => string, close: string): Json {
  return JSON.parse(filled(open, piece, close, mebibyte - 64)) as Json;
}

const large: Json = { cniVersion: "1.0.0", type: "macvlan", note: "x".repeat(mebibyte - 200) };
const manyPlugins: Json = { cniVersion: "1.0.0", plugins: Array(1_000).fill({ type: "a" }) };
const small: Json = { cniVersion: "1.0.0", type: "a" };

/** The request, once it is ready. */
type Ready = () => Promise<HandledRequest>;

function addOf(rig: Rig, nad: Json, count: number, selection: Json = {}): Ready {
  rig.addNad("default/a", nad);
  const annotations = selecting(Array(count).fill({ name: "a", ...selection }));
  return () => rig.run("ADD", { annotations });
}

/** An ADD whose plugin prints a text for the network that the pod selects. */
function printing(rig: Rig, stdout: string, nad = small, count = 1, exitCode = 0): Ready {
  rig.plugins.behaviour = ({ plugin, command }) =>
    plugin === "a" && command === "ADD" ? { stdout, exitCode } : undefined;
  return addOf(rig, nad, count);
}

function annotated(rig: Rig, value: string): Ready {
  rig.addNad("default/a", small);
  const annotations = selecting(value);
  return () => rig.run("ADD", { annotations });
}

export interface Attack {
  readonly name: string;
  /** Gets all ready that is not the daemon's: the texts, and what plugins do. */
  readonly prepare: (rig: Rig) => Ready;
  /** Plugins have run by then: it is in what they print. */
  readonly runsPlugins: boolean;
  /** The code that it is answered with, and a part of the message. */
  readonly code: number;
  readonly message: string;
}

export const attacks: readonly Attack[] = [
  {
    name: "an annotation of 240 KB with 120,000 names",
    prepare: (rig) => annotated(rig, Array(120_000).fill("a").join()),
    runsPlugins: false,
    code: 7,
    message: "selects 120000 networks, and a pod may have at most 64 (key maxNetworksPerPod)",
  },
  {
    name: "an annotation of 240 KB with 80,000 objects",
    prepare: (rig) => annotated(rig, `[${Array(80_000).fill("{}").join()}]`),
    runsPlugins: false,
    code: 7,
    message: "selects 80000 networks",
  },
  {
    name: "150 selections of a definition of 1 MB",
    prepare: (rig) => addOf(rig, large, 150),
    runsPlugins: false,
    code: 7,
    message: "selects 150 networks",
  },
  {
    name: "64 selections of a definition of 1 MB",
    prepare: (rig) => addOf(rig, large, 64),
    runsPlugins: false,
    code: 7,
    message: "network default/a: the pod's plan has",
  },
  {
    name: "64 selections of a definition of 1 MB, each with cni-args",
    prepare: (rig) => addOf(rig, large, 64, { "cni-args": { a: "b" } }),
    runsPlugins: false,
    code: 7,
    message: "network default/a: the pod's plan has",
  },
  {
    name: "cni-args of 200 KB for each of a thousand plugins",
    prepare: (rig) => addOf(rig, manyPlugins, 1, { "cni-args": { a: "x".repeat(200_000) } }),
    runsPlugins: false,
    code: 7,
    message: "cni-args go into each of its 1000 plugins",
  },
  {
    name: "64 selections of a thousand plugins",
    prepare: (rig) => addOf(rig, manyPlugins, 64),
    runsPlugins: false,
    code: 7,
    message: "plugins with it, and at most 1024 are allowed",
  },
  {
    name: "a definition of 1 MB with too many plugins",
    prepare: (rig) =>
      addOf(
        rig,
        largest('{"plugins":[', () => '{"type":"a"}', "]}"),
        64,
      ),
    runsPlugins: false,
    code: 7,
    message: "more than 1024 plugins",
  },
  {
    name: "a definition of 1 MB with nothing but what a plan keeps of it",
    prepare: (rig) =>
      addOf(
        rig,
        largest('{"type":"a","dns":{"search":[', () => "{}", "]}}"),
        64,
      ),
    runsPlugins: false,
    code: 7,
    message: "network default/a: the pod's plan has",
  },
  {
    name: "64 results of 1 MiB",
    prepare: (rig) => printing(rig, JSON.stringify({ note: "x".repeat(mebibyte - 64) }), small, 64),
    runsPlugins: true,
    code: 6,
    message: "the results of the pod's networks have",
  },
  {
    name: "a result of 4 MiB, of objects",
    prepare: (rig) =>
      printing(
        rig,
        filled('{"x":[', () => "{}", "]}", 4 * mebibyte),
      ),
    runsPlugins: true,
    code: 6,
    message: "the results of the pod's networks have",
  },
  {
    name: "a result of 8 MiB",
    prepare: (rig) =>
      printing(
        rig,
        filled('{"x":[', () => "{}", "]}", 8 * mebibyte),
      ),
    runsPlugins: true,
    code: 6,
    message: "bytes are more than the 4194304",
  },
  {
    name: "a result for each of a thousand plugins",
    prepare: (rig) => printing(rig, JSON.stringify({ note: "x".repeat(500_000) }), manyPlugins),
    runsPlugins: true,
    code: 7,
    message: "its 1000 plugins would be given",
  },
  {
    name: "an error of 8 MiB, of objects",
    prepare: (rig) =>
      printing(
        rig,
        filled('{"code":101,"msg":"m","x":[', () => "{}", "]}", 8 * mebibyte),
        small,
        1,
        1,
      ),
    runsPlugins: true,
    code: 101,
    message: 'plugin "a" (ADD) failed: m',
  },
];
