/** Every promise of docs/versions.md names a test that is there, and its versions are those that are built and declared. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { protocolVersion } from "../../../src/agent/frames.ts";
import { problemsOf, promisesOf } from "./evidence.ts";
import { root } from "./markdown.ts";

const page = "docs/versions.md";
const promises = promisesOf(page);
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");

describe(page, () => {
  test.each(promises)("$text", (promise) => {
    expect(problemsOf(promise)).toEqual([]);
  });

  test("has promises about everything that versions go together with", () => {
    expect(promises.length).toBeGreaterThan(12);
  });

  test("names the versions that tests are run with, and that the chart asks for", () => {
    const text = read(page);
    const row = (part: string) => new RegExp(`^\\| ${part} \\|(.*)\\|$`, "m").exec(text)?.[1] ?? "";
    const programs = read("tools", "setup", "kubernetes.mjs");
    const built = (module: string) =>
      new RegExp(`module: "${module}",\\n +version: "(\\d+\\.\\d+)`).exec(programs)?.[1] ?? "none";
    expect(row("Kubernetes")).toContain(`${built("k8s.io/kubernetes")}: API server`);
    expect(row("containerd")).toContain(built("github.com/containerd/containerd/v2"));
    expect(row("Helm")).toContain(built("helm.sh/helm/v4"));
    const { kubeVersion } = parse(read("deploy", "helm", "multus-wasm", "Chart.yaml"));
    expect(kubeVersion).toBe(`>=${/(\d+\.\d+) and later/.exec(row("Kubernetes"))?.[1]}.0-0`);
    const module = read("test", "support", "libcni-runtime", "go.mod");
    const [, libcni = "none"] = /containernetworking\/cni v(\d+\.\d+)/.exec(module) ?? [];
    expect(row("CRI-O")).toContain(`libcni ${libcni}`);
    expect(text).toContain(`Today that is protocol ${protocolVersion};`);
  });
});
