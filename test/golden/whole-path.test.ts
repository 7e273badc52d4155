/** The recorded cases on the whole path: plugin binary, daemon, processes, a namespace. With an API they are in test/cluster/golden.test.ts. */

import { describe, expect, test } from "vitest";
import { Daemon } from "../support/daemon.ts";
import { Namespace } from "../support/namespace.ts";
import { expectation } from "./allowed-differences.ts";
import { cases } from "./cases.ts";
import { ScratchHost } from "./scratch-host.ts";
import { installDelegates, runStep, socketDir, withDaemonLog } from "./whole-path.ts";

describe.each(cases)("$name: $about", (golden) => {
  test("does what Go multus did, step by step", async () => {
    await using namespace = await Namespace.create("golden");
    using host = new ScratchHost(golden, namespace.path);
    installDelegates(golden, host);
    await using daemon = new Daemon(host.root, {
      socketDir: socketDir(host),
      nadDir: host.nadDir,
      logLevel: "debug",
    });
    for (const words of golden.netnsSetup ?? []) {
      await namespace.ip(...words);
    }
    await daemon.start();
    for (const [index, step] of golden.steps.entries()) {
      const { networkStatus: _status, events: _events, ...expected } = expectation(golden, index);
      const done = await runStep(golden, step, index, host, namespace, "files and runtime");
      expect(done, `step ${index}, ${step.command}; ${withDaemonLog(daemon)}`).toEqual(expected);
    }
  });
});
