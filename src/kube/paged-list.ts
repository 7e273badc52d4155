/** Lists of objects, page by page: no more than one page is in memory, and a page that is too long is asked for in smaller ones. */

import { objectAt, textOf } from "../base/json.ts";
import { ApiError, type ApiRequest, answerTooLong, listMetadataOnly } from "./api.ts";

/** After a page that was too long, so many pages stay as small as the one that was not. */
const pagesUntilLarger = 8;
const listTimeoutMs = 30_000;

/** `reason` of an {@link ApiError} that no server gives: what answers is no API server, or the path is no list's. */
export const notAList = "NotAList";

export interface ListPage {
  readonly items: readonly unknown[];
  /** Of the list; "" where the server does not say it. */
  readonly resourceVersion: string;
}

export interface PagedListOptions {
  /** One request for JSON. @throws {ApiError} {@link ApiUnreachable} */
  readonly request: (request: ApiRequest) => Promise<unknown>;
  /** Of the list: `/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1`. */
  readonly path: string;
  /** Objects in a page at most. */
  readonly pageSize: number;
  /** Bytes of a page with more than one object. */
  readonly longestPageBytes: number;
  /** Asks for the objects' metadata alone. */
  readonly metadataOnly?: boolean | undefined;
  readonly signal?: AbortSignal;
}

/** May be gone through more than once: how large pages may be it has learned then. */
export class PagedList {
  readonly #options: PagedListOptions;
  /** Objects in the next page. */
  #pageSize: number;
  /** Pages until a larger one is tried. */
  #pagesUntilLarger = 0;

  constructor(options: PagedListOptions) {
    this.#options = options;
    this.#pageSize = options.pageSize;
  }

  /** Each page is asked for when the one before has been worked on. @throws {ApiError} {@link ApiUnreachable} */
  async *pages(): AsyncGenerator<ListPage, void, undefined> {
    let continueAt = "";
    do {
      const answer = await this.#page(continueAt);
      const { metadata, items } = objectAt(answer);
      // Of an empty list some servers say null.
      if (!Array.isArray(items) && items !== null) {
        const [path] = this.#options.path.split("?", 1);
        throw new ApiError(500, notAList, `the answer to GET ${path} is no list`);
      }
      const { resourceVersion, continue: next } = objectAt(metadata);
      yield { items: items ?? [], resourceVersion: textOf(resourceVersion) };
      continueAt = textOf(next);
    } while (continueAt !== "");
  }

  /** A smaller one where it is too long, as etcd takes objects of 1.5 MB. */
  async #page(continueAt: string): Promise<unknown> {
    for (;;) {
      try {
        const answer = await this.#pageOf(this.#pageSize, continueAt);
        this.#pagesUntilLarger -= 1;
        if (this.#pagesUntilLarger < 0) this.#pageSize = Math.min(this.#options.pageSize, this.#pageSize * 2);
        return answer;
      } catch (error) {
        const isTooLong = error instanceof ApiError && error.reason === answerTooLong;
        if (!isTooLong || this.#pageSize === 1) throw error;
        this.#pageSize = Math.ceil(this.#pageSize / 2);
        this.#pagesUntilLarger = pagesUntilLarger;
      }
    }
  }

  #pageOf(pageSize: number, continueAt: string): Promise<unknown> {
    const { request, path, longestPageBytes, metadataOnly, signal } = this.#options;
    const query = new URLSearchParams({ limit: String(pageSize) });
    if (continueAt !== "") query.set("continue", continueAt);
    return request({
      method: "GET",
      path: withQuery(path, query),
      timeoutMs: listTimeoutMs,
      maxBytes: pageSize === 1 ? undefined : longestPageBytes,
      accept: metadataOnly === true ? listMetadataOnly : undefined,
      signal,
    });
  }
}

/** `path` with further parameters. */
export function withQuery(path: string, query: URLSearchParams): string {
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}
