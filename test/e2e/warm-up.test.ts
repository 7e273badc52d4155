/** A daemon that has warmed itself up shows nothing of it but one line for debugging. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { getFromSocket, statusPage } from "../../src/socket/client.ts";
import { freePort } from "../support/cluster/ports.ts";
import { Daemon } from "../support/daemon.ts";
import { samples } from "../support/samples.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

test("is in no metric, status, log or file, and takes a bounded part of the memory", async () => {
  using directory = new ScratchDirectory("warm");
  const socketDir = join(directory.path, "run");
  const cniDir = join(directory.path, "cni");
  const metricsPort = await freePort();
  await using daemon = new Daemon(directory.path, {
    ...{ socketDir, cniDir, metricsPort, metricsAddress: "127.0.0.1" },
    ...{ logLevel: "debug", logToStderr: true },
  });
  await daemon.start();
  await vi.waitFor(() => expect(daemon.output).toContain("multusd is warm pods="), 30_000);
  const said = daemon.output.match(/multusd starts|metrics are served|multusd serves|multusd is warm/g);
  expect(said).toHaveLength(daemon.output.trimEnd().split("\n").length);
  expect(readdirSync(socketDir)).toEqual(["multus.sock"]);
  expect(existsSync(cniDir)).toBe(false);
  const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  const figures = await samples(response.text());
  for (const name of ["multus_requests_total", "multus_server_request_total", "multus_delegate_runs_total"]) {
    expect(figures(name)).toEqual({});
  }
  const page = statusPage(await getFromSocket(join(socketDir, "multus.sock"), "/status", 30_000));
  expect(page).toMatchObject({ failures: [], timings: [] });
  expect(daemon.memory().resident).toBeLessThan(80_000);
});
