/** Which kubeconfig is taken. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chooseKubeconfig } from "../../../src/ctl/cluster/kubeconfig.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("kubeconfig");
});
afterEach(() => scratch[Symbol.dispose]());

const outside = () => false;
const inside = () => true;

describe("chooseKubeconfig", () => {
  it("goes from what the user names over KUBECONFIG and the home directory to the pod's own cluster", () => {
    const usual = scratch.write(".kube/config", "");
    const named = scratch.write("named", "");
    const listed = scratch.write("listed", "");
    const HOME = scratch.path;
    const choose = (given: string | undefined, env: Record<string, string>) =>
      chooseKubeconfig(given, env, inside);
    expect(choose(named, { HOME, KUBECONFIG: listed })).toEqual({ path: named, warning: "" });
    expect(choose(undefined, { HOME, KUBECONFIG: listed })).toEqual({ path: listed, warning: "" });
    expect(choose(undefined, { HOME, KUBECONFIG: ":" })).toEqual({ path: usual, warning: "" });
    expect(choose(undefined, { HOME })).toEqual({ path: usual, warning: "" });
    expect(choose(undefined, { HOME: "/no/such/home" })).toEqual({ path: "", warning: "" });
  });

  it("warns of files of KUBECONFIG that it does not read", () => {
    const first = scratch.write("first", "");
    const { path, warning } = chooseKubeconfig(undefined, { KUBECONFIG: `:${first}:/b:/c` }, outside);
    expect(path).toBe(first);
    expect(warning).toBe(`KUBECONFIG names 3 files, of which only the first is read: ${first}`);
  });

  it("does not go on where what is named is not there", () => {
    scratch.write(".kube/config", "");
    const HOME = scratch.path;
    expect(() => chooseKubeconfig("/no/such", { HOME }, inside)).toThrow(
      "/no/such does not exist (--kubeconfig)",
    );
    expect(() => chooseKubeconfig(undefined, { HOME, KUBECONFIG: "/no/such" }, inside)).toThrow(
      "/no/such does not exist (KUBECONFIG)",
    );
  });

  it("says what it has looked for", () => {
    expect(() => chooseKubeconfig(undefined, { HOME: "/no/such/home" }, outside)).toThrow(
      /KUBECONFIG is not set.*\/no\/such\/home\/\.kube\/config/,
    );
  });
});
