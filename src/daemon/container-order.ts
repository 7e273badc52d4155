/** The order of a container's requests: one at a time, as they came, of whatever kind they are. */

export class ContainerOrder<Request> {
  /** By container id; the first of each is the one whose turn it is. */
  readonly #lines = new Map<string, Request[]>();

  /** @param containerId "": it belongs to no container, and waits for none @returns is it its turn at once? */
  enter(containerId: string, request: Request): boolean {
    if (containerId === "") return true;
    const line = this.#lines.get(containerId);
    line?.push(request);
    if (line === undefined) this.#lines.set(containerId, [request]);
    return line === undefined;
  }

  /** Takes a request out, whether its turn has come or not. @returns the one whose turn it is now; undefined: that has not changed */
  leave(containerId: string, request: Request): Request | undefined {
    const line = this.#lines.get(containerId) ?? [];
    const place = line.indexOf(request);
    if (place < 0) return undefined;
    line.splice(place, 1);
    if (line.length === 0) this.#lines.delete(containerId);
    return place === 0 ? line[0] : undefined;
  }
}
