/** A reflector keeps what the server has, whatever happens to lists and watches. */

import type { ServerResponse } from "node:http";
import { describe, expect, it, vi } from "vitest";
import type { JsonObject } from "../../../src/base/json.ts";
import { listMetadataOnly, metadataOnly } from "../../../src/kube/api.ts";
import type { ApiClient } from "../../../src/kube/api-client.ts";
import { type ObjectMeta, Reflector, type ReflectorOptions } from "../../../src/kube/reflector.ts";
import { type Fault, PretendedApiServer } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connectTo } from "./connection.ts";

vi.setConfig({ testTimeout: 60_000 });
const patience = { timeout: 20_000, interval: 5 };

const listPath = "/apis/test/v1/things";

/** Things, by `namespace/name`. */
class ThingServer extends PretendedApiServer {
  put(key: string, value: string): void {
    const [namespace = "", name = ""] = key.split("/");
    this.set(listPath, { metadata: { name, namespace }, value });
  }

  remove(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    this.delete(listPath, namespace, name);
  }

  get keys(): string[] {
    return [...this.collection(listPath).keys()];
  }

  get lists(): URL[] {
    return this.#urls.filter(({ searchParams }) => !searchParams.has("watch"));
  }

  get watchRequests(): URL[] {
    return this.#urls.filter(({ searchParams }) => searchParams.has("watch"));
  }

  get #urls(): URL[] {
    return this.requests.map(({ url }) => url);
  }
}

/** More bytes than the client takes. */
const tooLong = (response: ServerResponse): void => void response.end(Buffer.alloc((8 << 20) + 1, 0x20));

interface Thing {
  readonly value: string;
  readonly resourceVersion: string;
}

class Rig implements AsyncDisposable {
  readonly server: ThingServer;
  readonly log = new RecordingLogger();
  /** `key=value`, or `key gone`. */
  readonly changes: string[] = [];
  /** How long it would have waited between tries, in milliseconds. */
  readonly pauses: number[] = [];
  /** Ends pauses that are held. */
  #held: Promise<void> | undefined;
  readonly api: ApiClient;
  readonly reflector: Reflector<Thing>;

  private constructor(server: ThingServer, options: Partial<ReflectorOptions<Thing>>) {
    this.server = server;
    this.api = connectTo(server.url);
    this.reflector = new Reflector<Thing>({
      api: this.api,
      path: listPath,
      kind: "things",
      keep: (object: JsonObject, { resourceVersion }: ObjectMeta) => ({
        value: String(object.value),
        resourceVersion,
      }),
      onChange: (key, kept) => {
        this.changes.push(kept === undefined ? `${key} gone` : `${key}=${kept.value}`);
      },
      log: this.log,
      random: () => 1,
      pause: async (milliseconds) => {
        this.pauses.push(milliseconds);
        // Some time has to pass, or nothing else would ever run.
        await new Promise((resolve) => setTimeout(resolve, 1));
        await this.#held;
      },
      ...options,
    });
  }

  /** @param prepare the server's content before anything is asked */
  static async start(
    prepare: (server: ThingServer) => void = () => {},
    options: Partial<ReflectorOptions<Thing>> = {},
  ): Promise<Rig> {
    const server = await new ThingServer().start();
    prepare(server);
    return new Rig(server, options);
  }

  /** Objects that are kept, as `key=value`. */
  get kept(): string[] {
    return this.server.keys
      .concat(["gone/gone"])
      .flatMap((key) => {
        const thing = this.reflector.get(key);
        return thing === undefined ? [] : [`${key}=${thing.value}`];
      })
      .sort();
  }

  /** From now on it does not try again after a failure. @returns ends that */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      this.#held = undefined;
      resolve();
    };
  }

  /** Waits until a watch is open. */
  async watching(): Promise<void> {
    await vi.waitFor(() => {
      expect(this.reflector.connected).toBe(true);
      expect(this.server.watchCount).toBe(1);
    }, patience);
  }

  async until(check: () => void): Promise<void> {
    await vi.waitFor(check, patience);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reflector.close();
    this.api.close();
    await this.server[Symbol.asyncDispose]();
  }
}

describe("a reflector", () => {
  it("has what was there, and follows changes", async () => {
    await using rig = await Rig.start((server) => {
      server.put("a/one", "1");
      server.put("b/two", "2");
    });
    expect(rig.reflector.synced).toBe(false);
    await rig.watching();
    expect(rig.reflector.synced).toBe(true);
    expect(rig.changes).toEqual(["a/one=1", "b/two=2"]);
    rig.server.put("a/three", "3");
    rig.server.put("a/one", "1b");
    rig.server.remove("b/two");
    await rig.until(() => expect(rig.changes).toHaveLength(5));
    expect(rig.changes.slice(2)).toEqual(["a/three=3", "a/one=1b", "b/two gone"]);
    expect(rig.kept).toEqual(["a/one=1b", "a/three=3"]);
    expect(rig.reflector.size).toBe(2);
    expect([...rig.reflector.values()].map(({ value }) => value).sort()).toEqual(["1b", "3"]);
    expect(rig.reflector.state).toMatchObject({ lists: 1, watches: 1, failures: 0 });
    expect(rig.reflector.lastProblem).toBeUndefined();
  });

  it("asks for what is committed, then for changes with bookmarks, for a limited time", async () => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"), {
      path: `${listPath}?fieldSelector=spec.nodeName%3Dnode-1`,
      metadataOnly: true,
      random: () => 0.5,
    });
    await rig.watching();
    const [list, watch] = rig.server.requests;
    expect(list?.url.pathname).toBe(listPath);
    expect(Object.fromEntries(list?.url.searchParams ?? [])).toEqual({
      fieldSelector: "spec.nodeName=node-1",
      limit: "50",
    });
    expect(Object.fromEntries(watch?.url.searchParams ?? [])).toEqual({
      fieldSelector: "spec.nodeName=node-1",
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: "101",
      timeoutSeconds: "450",
    });
    expect(rig.server.requests.map(({ accept }) => accept)).toEqual([listMetadataOnly, metadataOnly]);
  });

  it("lists in pages, and watches from the version that the pages are of", async () => {
    const prepare = (server: ThingServer) => {
      for (let index = 0; index < 7; index++) server.put(`a/thing-${index}`, String(index));
      // Between two pages: in none of them, so that only the watch can tell.
      server.beforePage = (url) => {
        if (url.searchParams.get("continue")?.startsWith("6.") === true) server.put("z/late", "late");
      };
    };
    await using rig = await Rig.start(prepare, { pageSize: 3 });
    await rig.watching();
    await rig.until(() => expect(rig.kept).toHaveLength(8));
    expect(rig.server.lists.map(({ searchParams }) => searchParams.get("continue"))).toEqual([
      null,
      "3.107",
      "6.107",
    ]);
    expect(rig.server.watchRequests[0]?.searchParams.get("resourceVersion")).toBe("107");
    expect(rig.kept).toContain("z/late=late");
  });

  it("lists in smaller pages where some are longer than the client takes", async () => {
    const prepare = (server: ThingServer) => {
      for (let index = 0; index < 40; index++) server.put(`a/thing-${index}`, "large");
      // As with objects of 1.5 MB, the most that etcd takes.
      server.fault = ({ url }) => (Number(url.searchParams.get("limit")) > 40 ? tooLong : undefined);
    };
    await using rig = await Rig.start(prepare);
    await rig.watching();
    expect(rig.kept).toHaveLength(40);
    expect(rig.server.lists.map(({ searchParams }) => searchParams.get("limit"))).toEqual(["50", "25", "25"]);
    expect(rig.log.errors).toEqual([]);
    expect(rig.pauses).toEqual([]);
  });

  it("has objects of any number and size that a page may have, goes on where a page was too long, and tries larger ones again", async () => {
    const longest = 2 << 20;
    const bodies = new Map<string, number>();
    const prepare = (server: ThingServer) => {
      for (let index = 0; index < 30; index++) server.put(`a/small-${index}`, "small");
      for (let index = 0; index < 12; index++) server.put(`b/large-${index}`, "x".repeat(1 << 20));
      for (let index = 0; index < 300; index++) server.put(`c/small-${index}`, "small");
    };
    await using rig = await Rig.start(prepare, {
      keep: (object: JsonObject, { name, resourceVersion }: ObjectMeta) => {
        bodies.set(name, String(object.value).length);
        return { value: "", resourceVersion };
      },
    });
    await rig.watching();
    expect(rig.reflector.size).toBe(342);
    expect(bodies.get("large-11")).toBe(1 << 20);
    const asked = rig.server.lists.map(({ searchParams }) => ({
      limit: Number(searchParams.get("limit")),
      from: Number(searchParams.get("continue")?.split(".")[0] ?? 0),
    }));
    // No page a second time but in smaller parts, none of more than the longest, and large ones again at the end.
    const seen = new Map<number, number>();
    for (const { from, limit } of asked) {
      expect(limit).toBeLessThan(seen.get(from) ?? 1_000);
      seen.set(from, limit);
    }
    const read = [...seen].filter(([from]) => from >= 30 && from < 42).map(([, limit]) => limit * (1 << 20));
    expect(Math.max(...read)).toBeLessThan(longest);
    expect(asked.at(-1)?.limit).toBeGreaterThanOrEqual(32);
    expect(rig.log.errors).toEqual([]);
  });

  it("has what a page brought at once, and not both that and what was known before", async () => {
    await using rig = await Rig.start(
      (server) => {
        for (let index = 0; index < 6; index++) server.put(`a/thing-${index}`, "old");
      },
      { pageSize: 2 },
    );
    await rig.watching();
    const known: number[] = [];
    rig.server.beforePage = () => {
      known.push([...rig.reflector.values()].filter(({ value }) => value === "new").length);
    };
    const release = rig.hold();
    rig.server.breakWatches();
    await rig.until(() => expect(rig.pauses).toHaveLength(1));
    for (let index = 0; index < 6; index++) rig.server.put(`a/thing-${index}`, "new");
    rig.server.compact();
    release();
    await rig.until(() => expect(rig.reflector.state.lists).toBe(2));
    expect(known).toEqual([0, 2, 4]);
  });

  it("tells of a single object that is longer than the client takes", async () => {
    const prepare = (server: ThingServer) => {
      server.fault = () => tooLong;
    };
    await using rig = await Rig.start(prepare, { pageSize: 2 });
    await rig.until(() => expect(rig.reflector.lastProblem).toContain("the answer has more than"));
    expect(rig.reflector.synced).toBe(false);
  });

  it("lists anew where the pages expire on the way", async () => {
    const prepare = (server: ThingServer) => {
      for (let index = 0; index < 5; index++) server.put(`a/thing-${index}`, String(index));
      let isFirst = true;
      server.beforePage = (url) => {
        if (!url.searchParams.has("continue") || !isFirst) return;
        isFirst = false;
        server.put("a/thing-0", "0b");
        server.compact();
      };
    };
    await using rig = await Rig.start(prepare, { pageSize: 2 });
    await rig.watching();
    expect(rig.server.lists.map(({ searchParams }) => searchParams.get("continue"))).toEqual([
      null,
      "2.105",
      null,
      "2.106",
      "4.106",
    ]);
    expect(rig.kept).toEqual(["a/thing-0=0b", "a/thing-1=1", "a/thing-2=2", "a/thing-3=3", "a/thing-4=4"]);
    // A page's objects are known at once: one that changed between the two lists is reported twice.
    expect(rig.changes.slice(0, 3)).toEqual(["a/thing-0=0", "a/thing-1=1", "a/thing-0=0b"]);
    expect(rig.changes).toHaveLength(6);
    expect(rig.log.errors).toEqual([]);
  });

  it("goes on from the last event when the server ends a watch, without a list or a gap", async () => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"));
    await rig.watching();
    rig.server.put("a/two", "2");
    await rig.until(() => expect(rig.reflector.get("a/two")).toBeDefined());
    rig.server.endWatches();
    rig.server.put("a/three", "3");
    await rig.until(() => expect(rig.reflector.get("a/three")?.value).toBe("3"));
    expect(rig.server.lists).toHaveLength(1);
    expect(rig.server.watchRequests[1]?.searchParams.get("resourceVersion")).toBe("102");
    expect(rig.reflector.state).toMatchObject({ lists: 1, watches: 2, failures: 0 });
  });

  it("goes on from the last bookmark", async () => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"));
    await rig.watching();
    rig.server.bookmark();
    rig.server.bookmark();
    // Without the bookmarks, what is forgotten now would make a new list necessary.
    rig.server.compact();
    rig.server.endWatches();
    await rig.until(() => expect(rig.reflector.state.watches).toBe(2));
    await rig.watching();
    expect(rig.server.watchRequests[1]?.searchParams.get("resourceVersion")).toBe("103");
    expect(rig.server.lists).toHaveLength(1);
  });

  it.each([
    ["between lines", ""],
    ["in the middle of a line", '{"type":"ADDED","object":{"metadata":{"name":"torn","names'],
    [
      "behind what is no event",
      '{"type":"SOMETHING","object":{"metadata":{"name":"x","resourceVersion":"9"}}}\n',
    ],
    ["behind an event without an object", '{"type":"ADDED"}\n'],
    ["behind an object without a name", '{"type":"ADDED","object":{"metadata":{}}}\n'],
  ])("goes on from the last event when a watch breaks %s", async (_case, text) => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"));
    await rig.watching();
    rig.server.put("a/two", "2");
    await rig.until(() => expect(rig.reflector.get("a/two")).toBeDefined());
    const release = rig.hold();
    rig.server.breakWatches(text);
    await rig.until(() => expect(rig.pauses).toEqual([50]));
    rig.server.remove("a/two");
    rig.server.put("a/three", "3");
    release();
    await rig.until(() => expect(rig.reflector.get("a/three")).toBeDefined());
    expect(rig.kept).toEqual(["a/one=1", "a/three=3"]);
    expect(rig.server.lists).toHaveLength(1);
    expect(rig.server.watchRequests[1]?.searchParams.get("resourceVersion")).toBe("102");
    expect(rig.reflector.state.failures).toBe(1);
  });

  it("lists anew when the server has forgotten where it was, and reports the difference alone", async () => {
    await using rig = await Rig.start((server) => {
      server.put("a/same", "1");
      server.put("a/changed", "1");
      server.put("a/deleted", "1");
      server.put("a/replaced", "1");
    });
    await rig.watching();
    const same = rig.reflector.get("a/same");
    rig.changes.length = 0;
    let whileListing: string[] | undefined;
    rig.server.beforePage = () => {
      whileListing = [rig.reflector.get("a/deleted")?.value ?? "", String(rig.reflector.synced)];
    };
    const release = rig.hold();
    rig.server.breakWatches();
    await rig.until(() => expect(rig.pauses).toHaveLength(1));
    rig.server.remove("a/deleted");
    rig.server.put("a/changed", "2");
    rig.server.remove("a/replaced");
    rig.server.put("a/replaced", "2");
    rig.server.put("a/new", "1");
    rig.server.compact();
    release();
    await rig.until(() => expect(rig.reflector.state.lists).toBe(2));
    await rig.watching();
    expect(whileListing).toEqual(["1", "true"]);
    expect([...rig.changes].sort()).toEqual(["a/changed=2", "a/deleted gone", "a/new=1", "a/replaced=2"]);
    expect(rig.kept).toEqual(["a/changed=2", "a/new=1", "a/replaced=2", "a/same=1"]);
    // Nothing is made anew of what did not change.
    expect(rig.reflector.get("a/same")).toBe(same);
    expect(rig.log.errors).toEqual([]);
    expect(rig.pauses).toEqual([50, 100]);
  });

  it.each([
    ["410 as the answer", (url: URL) => url.searchParams.has("watch"), 410, "Expired", "too old"],
    [
      "a version beyond the server's",
      (url: URL) => url.searchParams.has("watch"),
      504,
      "Timeout",
      "Too large resource version: 9, current: 1",
    ],
  ])("lists anew after %s", async (_case, applies, status, reason, message) => {
    await using rig = await Rig.start((server) => {
      server.put("a/one", "1");
      let isFirst = true;
      server.fault = ({ url }) => {
        if (!applies(url) || !isFirst) return undefined;
        isFirst = false;
        return { status, reason, message };
      };
    });
    await rig.watching();
    expect(rig.server.lists).toHaveLength(2);
    expect(rig.changes).toEqual(["a/one=1"]);
  });

  it("lists anew after an ERROR event that says so, and only watches anew after another one", async () => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"));
    await rig.watching();
    rig.server.send({
      type: "ERROR",
      object: { kind: "Status", code: 500, reason: "InternalError", message: "etcd" },
    });
    await rig.until(() => expect(rig.reflector.state.watches).toBe(2));
    await rig.watching();
    expect(rig.server.lists).toHaveLength(1);
    rig.server.send({
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Gone", message: "too old" },
    });
    await rig.until(() => expect(rig.reflector.state.watches).toBe(3));
    expect(rig.server.lists).toHaveLength(2);
  });
});

describe("between tries", () => {
  const failing = (failures: number, next: () => Fault) => (server: ThingServer) => {
    server.put("a/one", "1");
    let left = failures;
    server.fault = () => {
      left -= 1;
      return left < 0 ? undefined : next();
    };
  };

  it("waits at most 2 s while the server is away, and says so once", async () => {
    await using rig = await Rig.start(failing(12, () => "reset"));
    await rig.watching();
    expect(rig.pauses).toEqual([50, 100, 200, 400, 800, 1_600, ...Array(6).fill(2_000)]);
    expect(rig.log.errors).toEqual(["things: not watched"]);
    expect(rig.reflector.lastProblem).toBeUndefined();
    expect(rig.reflector.state).toMatchObject({ lists: 1, watches: 1, failures: 12 });
  });

  it("waits up to 30 s where it has no right, and says so at once", async () => {
    await using rig = await Rig.start(failing(7, () => ({ status: 403, message: "no rights" })));
    await rig.watching();
    expect(rig.pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(rig.log.errors).toEqual(["things: not watched"]);
    expect(rig.log.causes[0]).toContain("403 no rights");
  });

  it("waits up to 10 s where the kind does not exist", async () => {
    await using rig = await Rig.start(failing(6, () => ({ status: 404 })));
    await rig.watching();
    expect(rig.pauses).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it("waits as long as the server asks it to, up to 30 s", async () => {
    const answer = (seconds: number) => () => ({ status: 429, retryAfter: String(seconds) });
    await using rig = await Rig.start(failing(1, answer(7)));
    await rig.watching();
    expect(rig.pauses).toEqual([7_000]);
    await using patient = await Rig.start(failing(1, answer(3_600)));
    await patient.watching();
    expect(patient.pauses).toEqual([30_000]);
  });

  it("waits longer and longer where the server asks for no wait", async () => {
    await using rig = await Rig.start(failing(3, () => ({ status: 503, retryAfter: "0" })));
    await rig.watching();
    expect(rig.pauses).toEqual([50, 100, 200]);
  });

  it("begins with short waits when the failure is of another kind, and says that too", async () => {
    let count = 0;
    await using rig = await Rig.start(
      failing(8, () => {
        count += 1;
        // As an API server that has come back, and does not know anybody's rights yet.
        return count <= 6 ? "reset" : { status: 403 };
      }),
    );
    await rig.watching();
    expect(rig.pauses).toEqual([50, 100, 200, 400, 800, 1_600, 1_000, 2_000]);
    expect(rig.log.errors).toEqual(["things: not watched", "things: not watched"]);
  });

  it("does not ask without end where watches are accepted and ended at once", async () => {
    await using rig = await Rig.start((server) => {
      server.put("a/one", "1");
      let left = 9;
      server.fault = ({ url }) => {
        if (!url.searchParams.has("watch")) return undefined;
        left -= 1;
        return left < 0 ? undefined : (response) => void response.writeHead(200).end();
      };
    });
    await rig.watching();
    await rig.until(() => expect(rig.pauses).toHaveLength(9));
    expect(rig.pauses).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
    expect(rig.server.lists).toHaveLength(1);
  });

  it("says nothing of one failure", async () => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"));
    await rig.watching();
    rig.server.breakWatches();
    await rig.until(() => expect(rig.reflector.state.watches).toBe(2));
    expect(rig.log.errors).toEqual([]);
  });

  it("tells what is wrong meanwhile", async () => {
    await using rig = await Rig.start((server) => {
      server.put("a/one", "1");
      server.fault = () => ({ status: 403, message: "no rights" });
    });
    await rig.until(() => expect(rig.reflector.lastProblem).toContain("403 no rights"));
    expect(rig.reflector.connected).toBe(false);
    expect(rig.reflector.refused).toBe(true);
    expect(rig.reflector.synced).toBe(false);
    rig.server.fault = () => undefined;
    await rig.watching();
    expect(rig.reflector.lastProblem).toBeUndefined();
    expect(rig.reflector.refused).toBe(false);
  });
});

describe("the kept form of objects", () => {
  it("is asked for once for each version, and may be nothing", async () => {
    const asked: string[] = [];
    await using rig = await Rig.start(
      (server) => {
        server.put("a/kept", "1");
        server.put("a/dropped", "no");
      },
      {
        keep: (object, { namespace, name, resourceVersion }) => {
          asked.push(`${namespace}/${name} ${resourceVersion}`);
          const value = String(object.value);
          return value === "no" ? undefined : { value, resourceVersion };
        },
      },
    );
    await rig.watching();
    expect(asked).toEqual(["a/kept 101", "a/dropped 102"]);
    expect(rig.kept).toEqual(["a/kept=1"]);
    rig.server.put("a/kept", "no");
    await rig.until(() => expect(rig.changes).toEqual(["a/kept=1", "a/kept gone"]));
    rig.server.put("a/dropped", "yes");
    await rig.until(() => expect(rig.kept).toEqual(["a/dropped=yes"]));
    // The same version again, as after a watch that begins too early.
    rig.server.send({
      type: "MODIFIED",
      object: { metadata: { name: "dropped", namespace: "a", resourceVersion: "104" }, value: "other" },
    });
    rig.server.put("a/end", "1");
    await rig.until(() => expect(rig.kept).toContain("a/end=1"));
    expect(asked).toEqual(["a/kept 101", "a/dropped 102", "a/kept 103", "a/dropped 104", "a/end 105"]);
  });

  it("is nothing of an object that cannot be used, and everything else goes on", async () => {
    await using rig = await Rig.start(
      (server) => {
        server.put("a/bad", "bad");
        server.put("a/good", "1");
      },
      {
        keep: (object, { resourceVersion }) => {
          if (object.value === "bad") throw new Error("what is this");
          return { value: String(object.value), resourceVersion };
        },
      },
    );
    await rig.watching();
    expect(rig.kept).toEqual(["a/good=1"]);
    expect(rig.log.causes).toEqual(["what is this"]);
  });

  it("has no namespace where the kind has none", async () => {
    await using rig = await Rig.start();
    await rig.watching();
    rig.server.send({
      type: "ADDED",
      object: { metadata: { name: "node", resourceVersion: "200" }, value: "1" },
    });
    await rig.until(() => expect(rig.reflector.get("/node")?.value).toBe("1"));
  });
});

describe("waiting for an object", () => {
  const named =
    (value: string) =>
    (thing: Thing): boolean =>
      thing.value === value;

  it("ends when it is there, is changed to be it, or is there already", async () => {
    await using rig = await Rig.start((server) => server.put("a/there", "1"));
    await rig.watching();
    expect(await rig.reflector.waitFor("a/there", named("1"), 20_000)).toMatchObject({ value: "1" });
    const later = rig.reflector.waitFor("a/later", named("1"), 20_000);
    const changed = rig.reflector.waitFor("a/there", named("2"), 20_000);
    rig.server.put("a/other", "1");
    rig.server.put("a/later", "0");
    rig.server.put("a/later", "1");
    rig.server.put("a/there", "2");
    expect(await later).toMatchObject({ value: "1" });
    expect(await changed).toMatchObject({ value: "2" });
  });

  it("ends with nothing when the time is over", async () => {
    await using rig = await Rig.start();
    await rig.watching();
    const begin = performance.now();
    expect(await rig.reflector.waitFor("a/never", named("1"), 100)).toBeUndefined();
    expect(performance.now() - begin).toBeGreaterThan(95);
  });

  it("ends with nothing at once where no watch is open, or it breaks", async () => {
    await using rig = await Rig.start();
    expect(rig.reflector.connected).toBe(false);
    expect(await rig.reflector.waitFor("a/x", named("1"), 600_000)).toBeUndefined();
    await rig.watching();
    const waiting = rig.reflector.waitFor("a/x", named("1"), 600_000);
    rig.server.breakWatches();
    expect(await waiting).toBeUndefined();
  });

  it("goes on over the end of a watch that the server ends in order", async () => {
    await using rig = await Rig.start();
    await rig.watching();
    const waiting = rig.reflector.waitFor("a/x", named("1"), 20_000);
    rig.server.endWatches();
    await rig.until(() => expect(rig.server.watchRequests).toHaveLength(2));
    rig.server.put("a/x", "1");
    expect(await waiting).toMatchObject({ value: "1" });
  });

  it("for the first list ends when it is complete, or the time is over", async () => {
    let answer: (() => void) | undefined;
    await using rig = await Rig.start((server) => {
      server.fault = () => {
        server.fault = () => undefined;
        return (response) => {
          answer = () => response.destroy();
        };
      };
    });
    expect(await rig.reflector.waitUntilSynced(50)).toBe(false);
    const synced = rig.reflector.waitUntilSynced(20_000);
    await rig.until(() => expect(answer).toBeDefined());
    answer?.();
    expect(await synced).toBe(true);
    expect(await rig.reflector.waitUntilSynced(0)).toBe(true);
  });
});

describe("a closed reflector", () => {
  it("asks nothing more, wakes who waits, and still has what it had", async () => {
    await using rig = await Rig.start((server) => server.put("a/one", "1"));
    await rig.watching();
    const waiting = rig.reflector.waitFor("a/two", () => true, 600_000);
    rig.reflector.close();
    expect(await waiting).toBeUndefined();
    await rig.until(() => expect(rig.server.watchCount).toBe(0));
    expect(rig.reflector.get("a/one")?.value).toBe("1");
    expect(rig.reflector.connected).toBe(false);
    expect(rig.log.errors).toEqual([]);
    const { length } = rig.server.requests;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(rig.server.requests).toHaveLength(length);
  });

  it("ends a wait between two tries", async () => {
    let pausing: AbortSignal | undefined;
    await using rig = await Rig.start(
      (server) => {
        server.fault = () => "reset";
      },
      {
        pause: (_milliseconds, signal) => {
          pausing = signal;
          return new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
    );
    const synced = rig.reflector.waitUntilSynced(600_000);
    await rig.until(() => expect(pausing).toBeDefined());
    rig.reflector.close();
    expect(await synced).toBe(false);
    expect(pausing?.aborted).toBe(true);
    expect(rig.server.requests).toHaveLength(1);
  });
});
