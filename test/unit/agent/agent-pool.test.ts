import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { AgentExecutor } from "../../../src/agent/agent-executor.ts";
import { AgentPool } from "../../../src/agent/agent-pool.ts";
import type { AgentProcess } from "../../../src/agent/agent-process.ts";
import { type Executor, ExecutorError, type PluginRun } from "../../../src/agent/executor.ts";
import { PretendedPlugins } from "../../support/pretended-plugins.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

/** An agent without a process. */
class PretendedAgent {
  readonly directories: readonly string[];
  readonly executor = new PretendedPlugins();
  readonly ended: Promise<void>;
  #end: () => void = () => {};
  /** Ends the run that is under way. */
  finish: () => void = () => {};
  isClosed = false;

  constructor(directories: readonly string[]) {
    this.directories = directories;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.executor.links.add("i");
    this.executor.behaviour = () =>
      new Promise((resolve) => {
        this.finish = () => resolve(undefined);
      });
    this.executor.setDefaultRoutes = () =>
      Promise.reject(new ExecutorError("netns", "cannot enter x: Operation not permitted"));
  }

  /** It dies. */
  die(): void {
    this.#end();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#end();
  }
}

const pools: AgentPool[] = [];

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

function newPool(idleMs = 60_000, problem?: Error): { pool: AgentPool; agents: PretendedAgent[] } {
  const agents: PretendedAgent[] = [];
  const pool = new AgentPool({
    idleMs,
    start: async (directories) => {
      await sleep(1);
      if (problem !== undefined) throw problem;
      const agent = new PretendedAgent(directories);
      agents.push(agent);
      return agent as unknown as AgentProcess;
    },
  });
  pools.push(pool);
  return { pool, agents };
}

const look = (executor: Executor) => executor.linkExists("/n", "i");

describe("a pool", () => {
  test("starts another agent where one has as many orders under way as leave room on its stream", async () => {
    const { pool, agents } = newPool();
    const { promise, resolve } = Promise.withResolvers<void>();
    const hanging = Array.from({ length: 49 }, () => pool.use("/a", () => promise));
    await vi.waitFor(
      () => expect(agents.map(({ directories }) => directories)).toEqual([["/a"], ["/a"]]),
      patience,
    );
    expect(await pool.use("/a", look)).toBe(true);
    resolve();
    await Promise.all(hanging);
    expect(await pool.use("/a", look)).toBe(true);
    expect(agents).toHaveLength(2);
    await pool.close();
    expect(agents.map(({ isClosed }) => isClosed)).toEqual([true, true]);
  });

  test("starts an agent with the first order, one for each set of directories", async () => {
    const { pool, agents } = newPool();
    expect(pool.anyPath).toBeUndefined();
    await Promise.all([pool.use("/a:/b", look), pool.use("/a:/b", look), pool.use("/c", look)]);
    await pool.use("/a:/b", look);
    expect(agents.map(({ directories }) => directories)).toEqual([["/a", "/b"], ["/c"]]);
    expect(pool.anyPath).toBe("/a:/b");
  });

  test("replaces one that has died", async () => {
    const { pool, agents } = newPool();
    await pool.use("/a", look);
    agents[0]?.die();
    await sleep(1);
    await pool.use("/a", look);
    expect(agents).toHaveLength(2);
  });

  test("ends one that nobody has used for a while, and none that is in use", async () => {
    const { pool, agents } = newPool(20);
    let finish = () => {};
    const using = pool.use(
      "/a",
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    await vi.waitFor(() => expect(agents).toHaveLength(1), patience);
    await pool.use("/a", look);
    await sleep(60);
    expect(agents[0]?.isClosed).toBe(false);
    finish();
    await using;
    await vi.waitFor(() => expect(agents[0]?.isClosed).toBe(true), patience);
    expect(pool.anyPath).toBeUndefined();
  });

  test("keeps few", async () => {
    const { pool, agents } = newPool();
    for (let index = 0; index < 20; index++) await pool.use(`/${index}`, look);
    await vi.waitFor(() => expect(agents.filter(({ isClosed }) => !isClosed)).toHaveLength(4), patience);
  });

  test("says why none starts, and tries again", async () => {
    const { pool } = newPool(0, new Error("no such file"));
    for (let time = 0; time < 2; time++) {
      await expect(pool.use("/a", look)).rejects.toMatchObject({
        code: "spawn",
        message: "no agent to run plugins: no such file",
      });
    }
    expect(pool.anyPath).toBeUndefined();
  });

  test("that is closed ends its agents and starts none", async () => {
    const { pool, agents } = newPool();
    await pool.use("/a", look);
    await pool.close();
    expect(agents[0]?.isClosed).toBe(true);
    await expect(pool.use("/a", look)).rejects.toMatchObject({ code: "gone" });
  });
});

describe("an executor of one request", () => {
  const run: PluginRun = {
    plugin: "p",
    path: "/a",
    env: { CNI_COMMAND: "ADD", A: "1" },
    stdin: Buffer.from("{}"),
    timeoutMs: 0,
  };

  test("gives plugins the runtime's environment below what each run says", async () => {
    const { pool, agents } = newPool();
    const executor = new AgentExecutor(pool, { environment: { A: "0", B: "2" }, path: "/b" });
    const outcome = executor.runPlugin(run);
    await vi.waitFor(
      () => expect(agents[0]?.executor.calls[0]?.env).toEqual({ A: "1", B: "2", CNI_COMMAND: "ADD" }),
      patience,
    );
    agents[0]?.finish();
    expect((await outcome).exitCode).toBe(0);
    // Any agent will do for this one.
    expect(await executor.linkExists("/n", "i")).toBe(true);
    expect(await executor.linkStates("/n", [{ ifName: "i", addresses: [] }])).toMatchObject([
      { exists: true },
    ]);
    expect(agents).toHaveLength(1);
  });

  test("gives no namespace to a recorded DEL, as an agent cannot say whether it is still that one", async () => {
    const { pool, agents } = newPool();
    const executor = new AgentExecutor(pool, { environment: {}, path: "" });
    const leftNetns = { bootId: "b", device: 4n, inode: 5n, cookie: 6n };
    const env = { CNI_COMMAND: "DEL", CNI_NETNS: "/run/netns/pod" };
    const outcome = executor.runPlugin({ ...run, env, leftNetns });
    await vi.waitFor(() => expect(agents[0]?.executor.calls).toHaveLength(1), patience);
    expect(agents[0]?.executor.calls[0]?.env).toEqual({ CNI_COMMAND: "DEL", CNI_NETNS: "" });
    expect(agents[0]?.executor.calls[0]).not.toHaveProperty("leftNetns");
    agents[0]?.finish();
    expect((await outcome).exitCode).toBe(0);
  });

  test("orders a run after another one when that one has succeeded", async () => {
    const { pool, agents } = newPool();
    const executor = new AgentExecutor(pool, { environment: {}, path: "" });
    const [first, second] = [Symbol("first"), Symbol("second")];
    const outcomes = [
      executor.runPlugin({ ...run, token: first }),
      executor.runPlugin({ ...run, plugin: "second", token: second, after: first }),
    ];
    const called = () => agents[0]?.executor.calls.map(({ plugin }) => plugin);
    await vi.waitFor(() => expect(called()).toEqual([run.plugin]), patience);
    agents[0]?.finish();
    await outcomes[0];
    await vi.waitFor(() => expect(called()).toEqual([run.plugin, "second"]), patience);
    const last = executor.runPlugin({ ...run, plugin: "third", after: second });
    const refused = expect(last).rejects.toMatchObject({ code: "not-started" });
    executor.end("the client left");
    agents[0]?.finish();
    await expect(outcomes[1]).rejects.toMatchObject({ code: "gone" });
    await refused;
    expect(called()).toEqual([run.plugin, "second"]);
  });

  test("that has ended waits for what is under way, and begins nothing", async () => {
    const { pool, agents } = newPool();
    const executor = new AgentExecutor(pool, { environment: {}, path: "" });
    let isSettled = false;
    const underWay = executor.runPlugin(run).finally(() => {
      isSettled = true;
    });
    const refused = expect(underWay).rejects.toMatchObject({ code: "gone", message: "the client left" });
    await vi.waitFor(() => expect(agents[0]?.executor.calls).toHaveLength(1), patience);
    executor.end("the client left");
    await expect(executor.runPlugin(run)).rejects.toMatchObject({ code: "gone" });
    await expect(executor.linkExists("/n", "i")).rejects.toMatchObject({ code: "gone" });
    expect(isSettled).toBe(false);
    agents[0]?.finish();
    await refused;
    expect(agents[0]?.executor.calls).toHaveLength(1);
  });

  test("that ends while its agent starts runs nothing", async () => {
    const { pool, agents } = newPool();
    const executor = new AgentExecutor(pool, { environment: {}, path: "" });
    const early = executor.runPlugin(run);
    executor.end("the client left");
    await expect(early).rejects.toMatchObject({ code: "gone" });
    expect(agents[0]?.executor.calls).toEqual([]);
  });

  test("says what privileges it lacks", async () => {
    const { pool } = newPool();
    const executor = new AgentExecutor(pool, { environment: {}, path: "/a" });
    await expect(executor.setDefaultRoutes("/n", "i", [4], [])).rejects.toMatchObject({
      code: "netns",
      message: expect.stringMatching(/^cannot enter x: Operation not permitted; .*CAP_SYS_ADMIN/),
    });
  });
});
