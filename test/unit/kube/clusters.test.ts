import { describe, expect, test, vi } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import type { OpenCluster } from "../../../src/kube/cluster.ts";
import { KubeClusters } from "../../../src/kube/clusters.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

interface Surroundings {
  readonly kubeconfig?: string;
  readonly isThere?: () => boolean;
  readonly isInCluster?: () => boolean;
  readonly fails?: () => boolean;
  /** Is a cluster never open? */
  readonly hangs?: () => boolean;
}

/** Which were opened, and what of them was closed. */
class Opened {
  readonly log = new RecordingLogger();
  readonly paths: string[] = [];
  readonly closed: string[] = [];
  readonly clusters: KubeClusters;

  constructor({
    kubeconfig = "",
    isThere = () => true,
    isInCluster = () => false,
    fails = () => false,
    hangs = () => false,
  }: Surroundings = {}) {
    this.clusters = new KubeClusters({
      kubeconfig,
      isThere,
      isInCluster,
      log: this.log,
      open: async (path) => {
        this.paths.push(path);
        if (fails()) throw new CniError(7, `kubeconfig ${path}: no clusters`);
        return hangs() ? new Promise(() => {}) : this.#cluster(path);
      },
    });
  }

  #cluster(path: string): OpenCluster {
    const unused = () => {
      throw new Error("not part of this test");
    };
    return {
      pods: { find: unused, ask: unused, untilWatched: unused, withoutStatus: unused },
      nads: { get: unused },
      sink: { event: unused, networkStatus: unused, withdraw: unused },
      claims: { containers: unused, devices: unused },
      lacking: { all: unused, follow: unused, evict: unused },
      problem: () => path,
      untilListed: unused,
      fateOfDaemonSet: async ({ name }, withinMs) => ({ isEnding: true, because: `${name} ${withinMs}` }),
      state: {
        server: path,
        watches: [],
        deliveries: [
          { kind: "status", pending: path.length, delivered: 7, givenUp: 1 },
          { kind: "event", pending: 1, delivered: 0, givenUp: 0 },
        ],
      },
      close: async (limitMs) => {
        this.closed.push(path);
        return limitMs;
      },
    };
  }

  async which(kubeconfig: string): Promise<string | undefined> {
    return (await this.clusters.of(kubeconfig))?.problem();
  }
}

describe("a request's cluster", () => {
  test("is none where nothing names one", async () => {
    const opened = new Opened();
    expect(await opened.which("")).toBeUndefined();
    await opened.clusters.warm();
    expect(opened.paths).toEqual([]);
  });

  test("is the daemon's own kubeconfig's, before all others", async () => {
    const opened = new Opened({ kubeconfig: "/own", isInCluster: () => true });
    expect(await opened.which("/netconf")).toBe("/own");
    expect(await opened.which("")).toBe("/own");
    expect(opened.paths).toEqual(["/own"]);
  });

  test("is the one that the daemon is a pod of, before the netconf's", async () => {
    const opened = new Opened({ isInCluster: () => true });
    expect(await opened.which("/netconf")).toBe("");
    expect(await opened.which("")).toBe("");
    expect(opened.paths).toEqual([""]);
  });

  test("is the pod's own in place of a kubeconfig of the daemon's that is not there, for good, which is logged once", async () => {
    let isThere = false;
    const opened = new Opened({ kubeconfig: "/own", isThere: () => isThere, isInCluster: () => true });
    expect(opened.clusters.missingKubeconfig).toBeUndefined();
    expect(await opened.which("/netconf")).toBe("");
    isThere = true;
    expect(await opened.which("")).toBe("");
    expect(opened.paths).toEqual([""]);
    expect(opened.log.errors).toEqual([
      "the kubeconfig of the configuration is not there: the pod's service account is used",
    ]);
    expect(opened.clusters.missingKubeconfig).toBe("/own");
  });

  test("is an error where a kubeconfig of the daemon's is there and broken, in a pod as well, and where it is not there outside of one", async () => {
    for (const surroundings of [
      { isThere: () => true, isInCluster: () => true },
      { isThere: () => false, isInCluster: () => false },
    ]) {
      const opened = new Opened({ kubeconfig: "/own", fails: () => true, ...surroundings });
      await expect(opened.which("/netconf")).rejects.toThrow("kubeconfig /own: no clusters");
      expect(opened.log.errors).toEqual([]);
    }
  });

  test("stays that of a kubeconfig of the daemon's whose file goes once it is used", async () => {
    let isThere = true;
    const opened = new Opened({ kubeconfig: "/own", isThere: () => isThere, isInCluster: () => true });
    expect(await opened.which("")).toBe("/own");
    isThere = false;
    expect(await opened.which("")).toBe("/own");
  });

  test("stays the pod's own if its files go for a moment", async () => {
    let isInCluster = true;
    const opened = new Opened({ isInCluster: () => isInCluster });
    await opened.which("/netconf");
    isInCluster = false;
    expect(await opened.which("/netconf")).toBe("");
  });

  test("is the netconf's where the daemon has none, opened once", async () => {
    const opened = new Opened();
    const both = await Promise.all([opened.which("/netconf"), opened.which("/netconf")]);
    expect(both).toEqual(["/netconf", "/netconf"]);
    expect(await opened.which("/other")).toBe("/other");
    expect(await opened.which("")).toBeUndefined();
    expect(opened.paths).toEqual(["/netconf", "/other"]);
  });

  test("that cannot be opened is an error, and tried again", async () => {
    let fails = true;
    const opened = new Opened({ fails: () => fails });
    await expect(opened.which("/netconf")).rejects.toThrow("kubeconfig /netconf: no clusters");
    fails = false;
    expect(await opened.which("/netconf")).toBe("/netconf");
  });

  test("is refused where there are too many, which is logged once", async () => {
    const opened = new Opened();
    for (const path of ["/1", "/2", "/3", "/4"]) expect(await opened.which(path)).toBe(path);
    for (const path of ["/5", "/6"]) {
      await expect(opened.which(path)).rejects.toMatchObject({
        kind: "content",
        message: expect.stringContaining(path),
      });
    }
    expect(opened.log.errors).toEqual([expect.stringContaining("/5")]);
    expect(await opened.which("/4")).toBe("/4");
  });
});

describe("the daemon's clusters", () => {
  test("know together how much is not delivered yet", async () => {
    const opened = new Opened();
    expect(opened.clusters.undelivered).toBe(0);
    await Promise.all([opened.which("/1"), opened.which("/22")]);
    expect(opened.clusters.undelivered).toBe(2 + 1 + 3 + 1);
  });

  test("are opened before the first request where they are known, and a problem is logged", async () => {
    const opened = new Opened({ kubeconfig: "/own" });
    await opened.clusters.warm();
    expect(opened.paths).toEqual(["/own"]);
    const failing = new Opened({ kubeconfig: "/own", fails: () => true });
    await failing.clusters.warm();
    expect(failing.log.causes).toEqual(["kubeconfig /own: no clusters"]);
  });

  test("have a problem while the daemon's own cannot serve, or cannot be opened; then it is tried again", async () => {
    let fails = true;
    const opened = new Opened({ kubeconfig: "/own", fails: () => fails });
    await opened.clusters.warm();
    expect(opened.clusters.problem()).toBe("the cluster cannot be used: kubeconfig /own: no clusters");
    fails = false;
    opened.clusters.problem();
    // That of the cluster, which is open by then.
    await vi.waitFor(() => expect(opened.clusters.problem()).toBe("/own"), 60_000);
    expect(new Opened().clusters.problem()).toBeUndefined();
    expect(new Opened({ kubeconfig: "/own", hangs: () => true }).clusters.problem()).toBe(
      "the cluster cannot be used: its credentials are not there yet",
    );
  });

  test("answer for the DaemonSet where one is open that is every request's", async () => {
    const own = { namespace: "kube-system", name: "ds", pod: "ds-1" };
    const none = { isEnding: false, because: "there is no cluster to ask" };
    const opened = new Opened({ kubeconfig: "/own" });
    expect(await opened.clusters.fateOfDaemonSet(own, 5)).toEqual(none);
    await opened.clusters.warm();
    expect(await opened.clusters.fateOfDaemonSet(own, 5)).toEqual({ isEnding: true, because: "ds 5" });
    const others = new Opened();
    await others.which("/netconf");
    expect(await others.clusters.fateOfDaemonSet(own, 5)).toEqual(none);
  });

  test("are not waited for when they should close and are not even open", async () => {
    let hangs = false;
    const opened = new Opened({ hangs: () => hangs });
    await opened.which("/1");
    hangs = true;
    opened.which("/2").catch(() => {});
    expect(await opened.clusters.close(20)).toBe(20);
    expect(opened.closed).toEqual(["/1"]);
  });

  test("are closed together, those that failed aside", async () => {
    let fails = false;
    const opened = new Opened({ fails: () => fails });
    await opened.which("/1");
    await opened.which("/2");
    fails = true;
    const failing = opened.which("/3").catch(() => {});
    expect(await opened.clusters.close(5)).toBe(10);
    expect(opened.closed).toEqual(["/1", "/2"]);
    await failing;
  });
});
