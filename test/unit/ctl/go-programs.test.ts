/** Calls of Go multus's programs, with the arguments that its manifests and their users give them, are calls of multusctl. */

import { Command } from "@commander-js/extra-typings";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/ctl/command/user-error.ts";
import { commands } from "../../../src/ctl/commands.ts";
import { callOfProgram, inPlainForm, isGoProgram } from "../../../src/ctl/go-programs.ts";

const root = new Command("multusctl").version("0", "-v, --version");
for (const command of commands()) root.addCommand(command);

const call = (program: string, ...args: string[]) => callOfProgram(["node", program, ...args], root);
/** The arguments that the command gets in the end. */
const plain = (program: string, ...args: string[]) => inPlainForm(call(program, ...args).args, root);

describe("the name of the program", () => {
  it.each([
    [
      ["/thin_entrypoint", "--multus-conf-file=auto"],
      ["thin-entrypoint", "--multus-conf-file=auto"],
    ],
    [
      ["/usr/src/multus-cni/bin/install_multus", "-t", "thick"],
      ["install", "--type=thick"],
    ],
    [
      ["/install_multus", "-d", "/x", "-type=thin"],
      ["install", "--dest-dir=/x", "--type=thin"],
    ],
    [
      ["/kubeconfig_generator", "--bootstrap-config=/b"],
      ["kubeconfig", "--bootstrap-config=/tmp/kubeconfig", "--bootstrap-config=/b"],
    ],
    [["/cert-approver"], ["approve-certs"]],
    [
      ["/opt/multus/multusctl.mjs", "ls", "-n"],
      ["ls", "-n"],
    ],
    [
      ["/opt/multus/multusctl.mjs", "kubeconfig", "-once"],
      ["kubeconfig", "--once"],
    ],
    [["/toString"], [""].slice(1)],
  ])("of %j stands for %j", ([program = "", ...args], expected) => {
    expect(plain(program, ...args)).toEqual(expected);
    expect(call(program, ...args).warnings).toEqual([]);
  });

  it("multus-daemon is multusd's, but for the flags of 3.9", () => {
    for (const args of [[], ["-config", "/x"], ["--version"], ["-cni-version-x=1"], ["x"]]) {
      expect(isGoProgram("/usr/src/multus-cni/bin/multus-daemon", args)).toBe(false);
    }
    expect(isGoProgram("/usr/src/multus-cni/bin/multus-daemon", ["-cni-version=0.3.1"])).toBe(true);
    expect(isGoProgram("/usr/local/bin/multusd", ["-cni-version=0.3.1"])).toBe(false);
  });
});

describe("Go multus 3.9's arguments", () => {
  it("of its script are the thin entrypoint's; one that it does not know is named and passed over", () => {
    const { args, warnings } = call(
      "/entrypoint.sh",
      "--multus-conf-file=auto",
      "--cni-version=0.3.1",
      "--foo=x",
      "bar",
      "--restart-crio=false",
    );
    expect(args).toEqual([
      "thin-entrypoint",
      "--multus-conf-file=auto",
      "--cni-version=0.3.1",
      "--restart-crio=false",
    ]);
    expect(warnings).toEqual(["unknown argument --foo=x", "unknown argument bar"]);
  });

  it("of its daemon are the thin entrypoint's, those of the log's size named and passed over", () => {
    const { args, warnings } = call(
      "/usr/src/multus-cni/bin/multus-daemon",
      "-cni-version=0.3.1",
      "-cni-config-dir=/host/etc/cni/net.d",
      "-multus-autoconfig-dir",
      "/host/etc/cni/net.d",
      "--multus-log-to-stderr=true",
      "-multus-master-cni-file=10-x.conf",
      "-namespace-isolation",
      "-override-network-name=F",
      "-multus-log-max-size=100",
      "-multus-log-compress=false",
    );
    expect(inPlainForm(args, root)).toEqual([
      "thin-entrypoint",
      "--cni-version=0.3.1",
      "--cni-conf-dir=/host/etc/cni/net.d",
      "--multus-autoconfig-dir=/host/etc/cni/net.d",
      "--multus-log-to-stderr=true",
      "--multus-master-cni-file-name=10-x.conf",
      "--namespace-isolation=true",
      "--override-network-name=false",
    ]);
    expect(warnings).toEqual([
      expect.stringContaining("this is thin-entrypoint"),
      "--multus-log-max-size has no effect: the log's size is not set here",
      "--multus-log-compress has no effect: the log's size is not set here",
    ]);
    expect(() => call("/multus-daemon", "-cni-version=1", "-bar")).toThrow(
      "multus-daemon: unknown argument -bar",
    );
  });

  it("of generate-kubeconfig write the kubeconfig of the service account, for the server that they name", () => {
    expect(
      call(
        "/x/generate-kubeconfig",
        "-k8s-service-host=fd00::1",
        "-k8s-service-port=443",
        "-skip-tls-verify",
        "-kube-ca-file",
        "/ca",
      ),
    ).toEqual({
      args: [
        "kubeconfig",
        "--once",
        "--kubeconfig=/host/etc/cni/net.d/multus.d/multus.kubeconfig",
        "--skip-tls-verify",
      ],
      warnings: ["--kube-ca-file has no effect: the service account's ca.crt is used"],
      environment: { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" },
    });
    expect(call("/x/generate-kubeconfig", "-cni-config-dir=/c", "-skip-tls-verify=false").args).toEqual([
      "kubeconfig",
      "--once",
      "--kubeconfig=/c/multus.d/multus.kubeconfig",
    ]);
  });

  it("cp of the plugin installs it, and of nothing else", () => {
    const bin = "/usr/src/multus-cni/bin";
    for (const [source, target] of [
      [`${bin}/multus`, "/host/opt/cni/bin/multus"],
      [`${bin}/multus-shim`, "/host/opt/cni/bin/multus-shim"],
      [`${bin}/multus-shim`, "/host/opt/cni/bin"],
      [`${bin}/passthru`, "/host/opt/cni/bin/"],
    ] as const) {
      expect(plain("cp", "-f", source, target)[1]).toMatch(/^--cni-bin-dir=\/host\/opt\/cni\/bin\/?$/);
    }
    for (const args of [
      [`${bin}/multus`],
      ["/etc/passwd", "/x"],
      ["-r", bin, "/x"],
      [`${bin}/multus`, "/a", "/b"],
    ]) {
      expect(() => call("cp", ...args)).toThrow(UserError);
    }
  });
});
