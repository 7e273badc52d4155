/** An uninstall takes nothing for ours that is not, whatever bytes a node's files have, and a kubeconfig says what it was made from. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { serviceAccountKubeconfig } from "../../../src/ctl/install/service-account-kubeconfig.ts";
import { uninstall } from "../../../src/ctl/install/uninstall.ts";
import { architectureOf, isOurs } from "../../../src/ctl/node/program.ts";
import { parseKubeconfig } from "../../../src/kube/kubeconfig.ts";
import { Installation } from "../../support/installation.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const mark = "(multus-wasm): CNI plugin";
/** Any bytes, and such as begin or go on like a program of ours. */
const programBytes = fc
  .tuple(
    fc.constantFrom("", "\x7fELF", "\x7fEL"),
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom("", mark, mark.slice(0, -1)),
  )
  .map(([magic, bytes, text]) => Buffer.concat([Buffer.from(magic, "latin1"), bytes, Buffer.from(text)]));

test("of a file of any bytes only a program with our mark is ours", () => {
  using scratch = new ScratchDirectory("fuzz");
  const path = join(scratch.path, "program");
  fc.assert(
    fc.property(programBytes, (bytes) => {
      writeFileSync(path, bytes);
      const isElf = bytes.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));
      expect(isOurs(path, "multus")).toBe(isElf && bytes.includes(mark));
      expect([undefined, "amd64", "arm64"]).toContain(architectureOf(path));
    }),
  );
});

test("an uninstall leaves files of any bytes as they are", () => {
  using scratch = new Installation();
  mkdirSync(join(scratch.confDir, "multus.d"));
  const files = ["bin/multus", "bin/multus-shim", "net.d/00-multus.conf", "net.d/multus.d/multus.kubeconfig"];
  const paths = files.map((name) => join(scratch.path, name));
  const text = fc.constantFrom('"generatedBy": "multus"', '"type": "multus"', "# Written by", "{}");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), text, (bytes, further) => {
      const content = Buffer.concat([bytes, Buffer.from(further)]);
      for (const path of paths) writeFileSync(path, content);
      const outcomes = uninstall(scratch.uninstallOptions);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(paths.map(() => "left"));
      for (const path of paths) expect(readFileSync(path).equals(content)).toBe(true);
    }),
  );
});

test("a kubeconfig has the token and the certificate that it was made from, whatever they are", async () => {
  using scratch = new ScratchDirectory("fuzz");
  const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((each) => each.trim() !== "");
  await fc.assert(
    fc.asyncProperty(text, text, async (token, certificate) => {
      scratch.write("token", token);
      scratch.write("ca.crt", certificate);
      const made = serviceAccountKubeconfig({
        directory: scratch.path,
        env: { KUBERNETES_SERVICE_HOST: "::1", KUBERNETES_SERVICE_PORT: "443" },
        skipTlsVerify: false,
      });
      const config = await parseKubeconfig(Buffer.from(made), "kubeconfig");
      expect(config.token?.text).toBe(token.trim());
      expect(config.certificateAuthority?.text).toBe(certificate);
    }),
  );
});
