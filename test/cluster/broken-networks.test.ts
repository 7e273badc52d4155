/** The policy of deploy/components/refuse-broken-networks before a real API server: definitions that are no JSON are refused with the reason, and no JSON is. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { isJsonObject } from "../../src/base/json.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { deployDirectory } from "../support/cluster/deployment.ts";
import { nadManifest } from "../support/cluster/manifests.ts";

const path = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions";
const policy = join(deployDirectory, "components", "refuse-broken-networks", "admission-policy.yaml");

let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start();
  await api.applyDeployment();
  await create("before", '{"type": "macvlan",}');
  await api.kubectl("apply", "-f", policy);
  // A server follows what is written of policies some moments later.
  await vi.waitFor(async () => expect(await attempt("not JSON")).not.toBe(""), { timeout: 60_000 });
});

afterAll(() => api?.[Symbol.asyncDispose]());

const definition = (name: string, config: string) => ({
  apiVersion: "k8s.cni.cncf.io/v1",
  kind: "NetworkAttachmentDefinition",
  metadata: { namespace: "default", name },
  spec: { config },
});

const create = (name: string, config: string) => api.ask("POST", path, { body: definition(name, config) });

/** Asks whether it would be taken. @returns "" or why not */
async function attempt(config: string): Promise<string> {
  const { status, text } = await api.ask("POST", `${path}?dryRun=All`, { body: definition("asked", config) });
  return status === 201 ? "" : `${status} ${JSON.parse(text).message}`;
}

const whole = {
  cniVersion: "1.0.0",
  type: "macvlan",
  master: "eth1",
  ipam: { type: "host-local", routes: [] },
};

function isJsonOfObject(text: string): boolean {
  try {
    return isJsonObject(JSON.parse(text));
  } catch {
    return false;
  }
}

describe("what is JSON is taken", () => {
  test.each([
    ["the usual", JSON.stringify(whole)],
    ["with blanks", ` \n\t${JSON.stringify(whole, undefined, 4)}\r\n`],
    [
      "a list",
      JSON.stringify({ name: "n", plugins: [whole, { type: "tuning", sysctl: { "net.a": "1" } }, {}, []] }),
    ],
    [
      "texts with everything in them",
      JSON.stringify({ a: 'x",}:{[,,]\\"\u0001\u007f\u2028é😀', "b'": "// no comment", "{": [""] }),
    ],
    ["escapes", String.raw`{"a": "\u00e9\/\b\f\n\r\t\\\"", "\\": "\\"}`],
    ["numbers", '{"a":[0,-0,1.5,-1.5e+10,1E-5,10,100.001],"b":-1}'],
    ["words", '{"a":true,"b":[false,null,[null]],"c":{"d":{}}}'],
    ["nothing in it", "{}"],
    ["empty, for a file of the node", ""],
    ["deep", `{"a":${"[".repeat(200)}${"]".repeat(200)}}`],
    [
      "long",
      JSON.stringify({
        ...whole,
        padding: Array.from({ length: 300 }, (_, index) => ({ key: index, more: "x" })),
      }),
    ],
    ["beyond what is looked at, and not JSON", `{"a": "${"x".repeat(8_192)}",}`],
  ])("%s", async (_, config) => {
    expect(isJsonOfObject(config)).toBe(config !== "" && config.length <= 8_192);
    expect(await attempt(config)).toBe("");
  });

  test("so are the definitions of docs/examples", async () => {
    const directory = join(import.meta.dirname, "..", "..", "docs", "examples");
    const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".yaml"),
    );
    const texts = files.map((file) => readFileSync(join(directory, file), "utf8"));
    const networks = texts
      .flatMap((text) => text.split(/^---$/m))
      .filter((text) => /^kind: NetworkAttachmentDefinition$/m.test(text));
    expect(networks.length).toBeGreaterThan(2);
    for (const text of networks) {
      await api
        .kubectlOutcome(["apply", "--dry-run=server", "-f", "-"], { stdin: text })
        .then(({ exitCode, stderr }) => {
          expect(stderr).not.toContain("not valid JSON");
          expect([text, exitCode]).toEqual([text, 0]);
        });
    }
  });
});

describe("what is not is refused, with the reason", () => {
  test.each([
    ["a comma before a brace", '{"type": "macvlan",}', "there is a comma before a closing bracket"],
    ["a comma before a bracket", '{"a": [1, 2,]}', "there is a comma before a closing bracket"],
    [
      "a missing comma",
      '{"type": "macvlan" "master": "eth1"}',
      "a comma or a colon is missing between two values",
    ],
    ["a missing colon", '{"type" "macvlan"}', "a comma or a colon is missing between two values"],
    ["no quotation marks", '{\n  "type": macvlan\n}', "line 2 cannot be read from here on: macvlan"],
    ["one quotation mark missing", '{"type: "macvlan"}', "line 1 cannot be read from here on: macvlan"],
    ["single quotes", "{'type': 'macvlan'}", "line 1 cannot be read from here on: 'type': 'macvlan'}"],
    ["a comment", '{"type": "macvlan"} // mine', "line 1 cannot be read from here on: // mine"],
    ["a line end in a text", '{"type": "mac\nvlan"}', 'line 1 cannot be read from here on: "mac'],
    ["a wrong escape", '{"a": "C:\\dir"}', 'line 1 cannot be read from here on: "C:\\dir"}'],
    ["a number with a leading zero", '{"a": 010}', "a comma or a colon is missing between two values"],
    ["a brace that is not closed", '{"ipam": {"type": "static"}', "a bracket is not closed"],
    ["one brace too many", '{"ipam": {}}}', "a bracket is not closed, or there is one too many"],
    ["no value", '{"type": , "a": 1}', "where a name or a value is expected"],
    ["a name alone", '{"type"}', "where a name or a value is expected"],
    ["YAML", "type: macvlan\nmaster: eth1", "cannot be read from here on: type: macvlan"],
    ["a list", "[]", "begins with a brace"],
    ["a text", '"macvlan"', "begins with a brace"],
    ["blanks alone", "  ", "begins with a brace"],
  ])("%s", async (_, config, says) => {
    expect(isJsonOfObject(config)).toBe(false);
    expect(await attempt(config)).toContain(says);
  });

  test("for kubectl apply as well; one that was there before keeps its labels changeable, and can be mended", async () => {
    const outcome = await api.kubectlOutcome(["apply", "-f", "-"], {
      stdin: nadManifest("default", "torn", '{"type": "macvlan",}'),
    });
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain(
      "spec.config is not valid JSON: there is a comma before a closing bracket",
    );
    const kind = "network-attachment-definitions.k8s.cni.cncf.io";
    await api.kubectl("label", kind, "before", "a=b");
    await api.apply(nadManifest("default", "before", JSON.stringify(whole)));
    const again = await api.kubectlOutcome(["apply", "-f", "-"], {
      stdin: nadManifest("default", "before", "{"),
    });
    expect(again.stderr).toContain("a bracket is not closed");
  });
});
