/** Keeps the needed part of all objects of a kind, as the API server has them: lists them, watches them, and retries both when they fail. */

import { setTimeout as wait } from "node:timers/promises";
import { isJsonObject, type JsonObject, objectAt, scalarText, textOf } from "../base/json.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { quoted } from "../log/quoted.ts";
import { type Api, ApiError, type ApiRequest, metadataOnly } from "./api.ts";
import { statusError } from "./api-answer.ts";
import { askedPauseMs, BackOff, type BackOffLimits } from "./back-off.ts";
import type { WatchState } from "./cluster-state.ts";
import { notAList, PagedList, type PagedListOptions, withQuery } from "./paged-list.ts";

/** The members that every object has. */
export interface ObjectMeta {
  readonly name: string;
  /** "" where the kind has none. */
  readonly namespace: string;
  readonly resourceVersion: string;
}

interface KeyedMeta extends ObjectMeta {
  /** `namespace/name`. */
  readonly key: string;
}

export interface ReflectorOptions<Kept> extends Pick<PagedListOptions, "path" | "metadataOnly"> {
  readonly api: Api;
  /** The kind in plural, for the log: `pods`. */
  readonly kind: string;
  /**
   * The part of an object to remember; undefined: nothing. Asked once for each resourceVersion, so that the kept value stays the same object until
   * there is another one. It must not keep parts of `object`, as they keep all of it in memory.
   */
  readonly keep: (object: JsonObject, meta: ObjectMeta) => Kept | undefined;
  /**
   * An object is new, changed or gone (undefined); the reflector has it already.
   * @param key `namespace/name`
   * @param before what was kept of it until now; undefined: nothing, also where it was forgotten
   */
  readonly onChange?: (key: string, kept: Kept | undefined, before: Kept | undefined) => void;
  readonly log: Logger;
  /** Objects in a page of the list; default 50. */
  readonly pageSize?: number;
  /** From 0 up to 1; default Math.random. */
  readonly random?: () => number;
  /** Waits between tries; for tests. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
}

interface Item<Kept> {
  readonly resourceVersion: string;
  readonly kept: Kept;
}

interface Waiter<Kept> {
  readonly key: string;
  readonly accept: (kept: Kept) => boolean;
  readonly resolve: (kept: Kept | undefined) => void;
}

/** Failures in a row. */
interface Trouble {
  /** The last one. */
  readonly text: string;
  readonly isRefusal: boolean;
  /** Tells those apart of which each is logged; "": none was. */
  readonly loggedKind: string;
}

/**
 * Few: the garbage collector frees a parsed page before it counts as long-lived. With 2,000 NetworkAttachmentDefinitions and
 * 250 pods a daemon has 79 MB after its lists, not 85 MB as with pages of 100 or more, and the lists take 20 ms longer, 150 ms in all.
 */
const defaultPageSize = 50;
/**
 * Of a page with more than one object. A page is read, decoded and parsed as a whole: it takes some four times its size in memory, and the time of
 * parsing it is time in which no request is worked on. Fifty ordinary objects have 100 KB.
 */
const longestPageBytes = 2 << 20;
/** The server sends a bookmark about once a minute. */
const longestSilenceMs = 100_000;
/** Seconds after which the server ends a watch: at least, and as much again at random, so that a cluster's watches do not begin at the same moment. */
const watchSeconds = 300;
/** A server that accepts watches only to end them must not be asked all the time. */
const shortWatchMs = 1_000;
/** Short, for the time until changes are seen again after the server was away. */
const unreachable: BackOffLimits = { first: 50, most: 2_000 };
/** Problems that need an administrator: rights, a missing resource definition. */
const refused: BackOffLimits = { first: 1_000, most: 30_000 };
const missing: BackOffLimits = { first: 1_000, most: 10_000 };
/** How long the first list is waited for, in milliseconds: a day. */
export const syncPatienceMs = 24 * 60 * 60 * 1000;

/**
 * Lists read what is committed (no resourceVersion), in pages: a server of several may lag behind, and an old definition of a network that is
 * used after a restart is worse than a list that takes some milliseconds longer.
 *
 * While the server is away, and while a new list is made, the kept objects stay usable. The differences of a new list are reported like changes of
 * a watch, deleted objects included.
 */
export class Reflector<Kept> {
  readonly #options: ReflectorOptions<Kept>;
  readonly #backOff: BackOff;
  readonly #closing = new AbortController();
  readonly #items = new Map<string, Item<Kept>>();
  /** Objects that exist, and of which nothing is kept since `forget`. */
  #forgotten = 0;
  readonly #pagedList: PagedList;
  readonly #waiters = new Set<Waiter<Kept>>();
  readonly #syncWaiters = new Set<() => void>();
  /** From where to watch; "": a list is needed first. */
  #resourceVersion = "";
  #synced = false;
  #connected = false;
  /** Why there is no watch; undefined where there is one, or the first list is still being made. */
  #trouble: Trouble | undefined;
  #counts = { lists: 0, watches: 0, failures: 0 };
  #heardAt: number | undefined;

  /** Begins at once; nothing is there before the first list. */
  constructor(options: ReflectorOptions<Kept>) {
    this.#options = options;
    const { api, path, pageSize = defaultPageSize } = options;
    this.#pagedList = new PagedList({
      request: (request) => api.request(request),
      path,
      pageSize,
      longestPageBytes,
      metadataOnly: options.metadataOnly,
      signal: this.#closing.signal,
    });
    this.#backOff = new BackOff(options.random);
    this.#run().catch((error: unknown) => {
      // Every step that can fail catches its own errors.
      options.log.error(`${options.kind}: not watched any more`, { error: errorText(error) });
    });
  }

  get synced(): boolean {
    return this.#synced;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Why there is no watch; undefined where there is one, or the first list is still being made. */
  get lastProblem(): string | undefined {
    return this.#trouble?.text;
  }

  /** Does the server answer, but refuse the watch (403, 404)? The kept objects get old then, unlike those of a server that is away. */
  get refused(): boolean {
    return this.#trouble?.isRefusal ?? false;
  }

  get size(): number {
    return this.#items.size;
  }

  get forgotten(): number {
    return this.#forgotten;
  }

  get state(): Omit<WatchState, "memory"> {
    const { kind: resource } = this.#options;
    const { connected, synced, size } = this;
    return { resource, connected, synced, size, heardAt: this.#heardAt, ...this.#counts };
  }

  /** @param key `namespace/name` */
  get(key: string): Kept | undefined {
    return this.#items.get(key)?.kept;
  }

  /** Keeps nothing of an object any more, as if it did not exist, until it is changed or listed again. @param key `namespace/name` */
  forget(key: string): void {
    if (this.#items.delete(key)) this.#forgotten += 1;
  }

  /** Keeps something else of an object, as long as it does not change. It must be of the same resourceVersion. @param key `namespace/name` */
  replace(key: string, kept: Kept): void {
    const before = this.#items.get(key);
    if (before === undefined) return;
    this.#items.set(key, { resourceVersion: before.resourceVersion, kept });
    this.#changed(key, kept, before.kept);
  }

  *values(): Generator<Kept> {
    for (const { kept } of this.#items.values()) yield kept;
  }

  /**
   * The object of a key as soon as it is one that `accept` takes.
   * @param withinMs milliseconds
   * @returns undefined: not in that time, or there is no watch that could bring it
   */
  waitFor(key: string, accept: (kept: Kept) => boolean, withinMs: number): Promise<Kept | undefined> {
    const known = this.get(key);
    if (known !== undefined && accept(known)) return Promise.resolve(known);
    if (!this.#connected) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<Kept | undefined>();
    const waiter = { key, accept, resolve };
    this.#waiters.add(waiter);
    const timer = setTimeout(resolve, withinMs, undefined);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    });
  }

  /** @param withinMs milliseconds @returns whether there is a complete list by then */
  async waitUntilSynced(withinMs: number): Promise<boolean> {
    if (this.#synced || this.#closing.signal.aborted) return this.#synced;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.#syncWaiters.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#syncWaiters.delete(resolve);
    return this.#synced;
  }

  /** Ends watch and waits. The kept objects can still be read. */
  close(): void {
    this.#closing.abort();
    this.#disconnected();
    for (const end of this.#syncWaiters) end();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const pause = this.#options.pause ?? pauseFor;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === "") await this.#list();
        const isShort = await this.#watch();
        if (isShort && !signal.aborted) await pause(this.#backOff.next(unreachable), signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
        await pause(Math.max(askedPauseMs(error), this.#backOff.next(limitsAfter(error))), signal);
      }
    }
  }

  /**
   * Reads every page. A page's objects count at once: a copy of all that is known, until the list is complete, would be as large again. The
   * deleted objects are known at the end.
   * @throws {ApiError} {@link ApiUnreachable}
   */
  async #list(): Promise<void> {
    const listed = new Set<string>();
    let resourceVersion = "";
    this.#forgotten = 0;
    for await (const page of this.#pagedList.pages()) {
      ({ resourceVersion } = page);
      if (resourceVersion === "" || !page.items.every(isJsonObject)) {
        throw new ApiError(500, notAList, "the answer is no list of objects");
      }
      for (const object of page.items) {
        const meta = objectMeta(object);
        listed.add(meta.key);
        this.#update(object, meta);
      }
    }
    for (const [key, { kept }] of this.#items) {
      if (listed.has(key)) continue;
      this.#items.delete(key);
      this.#changed(key, undefined, kept);
    }
    this.#resourceVersion = resourceVersion;
    this.#heardAt = Date.now();
    this.#counts.lists += 1;
    this.#synced = true;
    for (const end of this.#syncWaiters) end();
  }

  /** Keeps what `keep` makes of an object. */
  #update(object: JsonObject, meta: KeyedMeta): void {
    const { key, resourceVersion } = meta;
    const before = this.#items.get(key);
    if (before?.resourceVersion === resourceVersion) return;
    const kept = this.#keep(object, meta);
    if (kept === undefined) this.#items.delete(key);
    else this.#items.set(key, { resourceVersion, kept });
    if (kept !== undefined || before !== undefined) this.#changed(key, kept, before?.kept);
  }

  #keep(object: JsonObject, meta: KeyedMeta): Kept | undefined {
    const { keep, log, kind } = this.#options;
    try {
      return keep(object, meta);
    } catch (error) {
      log.error(`${kind}: an object cannot be used`, { object: meta.key, error: errorText(error) });
      return undefined;
    }
  }

  #changed(key: string, kept: Kept | undefined, before: Kept | undefined): void {
    this.#options.onChange?.(key, kept, before);
    if (kept === undefined) return;
    for (const waiter of this.#waiters) {
      if (waiter.key === key && waiter.accept(kept)) waiter.resolve(kept);
    }
  }

  /** Until the server ends it. @returns whether it was suspiciously short @throws {ApiError} {@link ApiUnreachable} */
  async #watch(): Promise<boolean> {
    const { api, path, random = Math.random } = this.#options;
    const query = new URLSearchParams({
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: String(Math.floor(watchSeconds * (1 + random()))),
    });
    const request: ApiRequest = {
      method: "GET",
      path: withQuery(path, query),
      timeoutMs: longestSilenceMs,
      signal: this.#closing.signal,
      accept: this.#options.metadataOnly === true ? metadataOnly : undefined,
    };
    let opened = Number.POSITIVE_INFINITY;
    const isShort = () => !(performance.now() - opened > shortWatchMs);
    try {
      await api.watch(
        request,
        (line) => this.#event(line),
        () => {
          opened = performance.now();
          this.#opened();
        },
      );
    } finally {
      if (!isShort()) this.#backOff.reset();
    }
    return isShort();
  }

  /** @throws {ApiError} for an event that says so, or one that makes no sense */
  #event(line: unknown): void {
    this.#heardAt = Date.now();
    const { type, object } = objectAt(line);
    if (!isJsonObject(object)) throw new ApiError(500, "", "an event without an object");
    if (type === "ERROR") throw statusError(object);
    if (type === "BOOKMARK") {
      const resourceVersion = textOf(objectAt(object, "metadata").resourceVersion);
      if (resourceVersion === "") throw new ApiError(500, "", "a bookmark without resourceVersion");
      this.#resourceVersion = resourceVersion;
      return;
    }
    const meta = objectMeta(object);
    if (type === "ADDED" || type === "MODIFIED") {
      if (type === "MODIFIED" && !this.#items.has(meta.key)) this.#unforget();
      this.#update(object, meta);
    } else if (type === "DELETED") {
      const before = this.#items.get(meta.key);
      this.#items.delete(meta.key);
      if (before !== undefined || this.#unforget()) this.#changed(meta.key, undefined, before?.kept);
    } else {
      throw new ApiError(500, "", `an event of unknown type ${quoted(scalarText(type))}`);
    }
    this.#resourceVersion = meta.resourceVersion;
  }

  /** An event is about an object that is not kept. @returns whether it is one that was forgotten, as far as can be said */
  #unforget(): boolean {
    if (this.#forgotten === 0) return false;
    this.#forgotten -= 1;
    return true;
  }

  #opened(): void {
    const { log, kind } = this.#options;
    this.#counts.watches += 1;
    this.#heardAt = Date.now();
    this.#connected = true;
    if (this.#trouble !== undefined && this.#trouble.loggedKind !== "") log.verbose(`${kind}: watched again`);
    this.#trouble = undefined;
  }

  #failed(error: unknown): void {
    const { log, kind } = this.#options;
    this.#counts.failures += 1;
    const text = errorText(error);
    if (isExpired(error)) {
      log.debug(`${kind}: relisted`, { reason: text });
      this.#resourceVersion = "";
      return;
    }
    this.#disconnected();
    const status = error instanceof ApiError ? error.status : undefined;
    let { loggedKind } = this.#trouble ?? { loggedKind: "" };
    const failureKind = error instanceof ApiError ? `${status} ${error.reason}` : "unreachable";
    // One failure is a server that has been replaced by another one.
    if (this.#trouble === undefined && status === undefined) {
      log.debug(`${kind}: not watched at the moment`, { error: text });
    } else if (failureKind !== loggedKind) {
      const hint = status === 404 ? "is its CustomResourceDefinition installed in the cluster?" : undefined;
      log.error(`${kind}: not watched`, { error: text, hint });
      loggedKind = failureKind;
    }
    // No right to it, no definition of it: of this path alone, and not a matter of time.
    this.#trouble = { text, isRefusal: status === 403 || status === 404, loggedKind };
  }

  #disconnected(): void {
    this.#connected = false;
    for (const waiter of this.#waiters) waiter.resolve(undefined);
  }
}

function limitsAfter(error: unknown): BackOffLimits {
  const status = error instanceof ApiError ? error.status : undefined;
  if (status === 401 || status === 403) return refused;
  return status === 404 ? missing : unreachable;
}

/** Resolves as well when `signal` is aborted. */
function pauseFor(milliseconds: number, signal: AbortSignal): Promise<unknown> {
  return wait(milliseconds, undefined, { signal }).catch(() => undefined);
}

/** Does the server not have the resourceVersion to continue from any more (or, restored from a backup, not yet)? Then only a new list helps. */
function isExpired(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return (
    error.status === 410 ||
    error.reason === "Expired" ||
    error.reason === "Gone" ||
    error.message.includes("Too large resource version")
  );
}

/** @throws {ApiError} where it is no object as the API has them */
function objectMeta(object: JsonObject): KeyedMeta {
  const { name, namespace = "", resourceVersion } = objectAt(object, "metadata");
  if (typeof name !== "string" || typeof namespace !== "string" || textOf(resourceVersion) === "") {
    throw new ApiError(500, "", "an object without name or resourceVersion");
  }
  return { name, namespace, resourceVersion: textOf(resourceVersion), key: `${namespace}/${name}` };
}
