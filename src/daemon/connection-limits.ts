/** Bounds for the connections of a server: how many there are, of one peer and in all, and how long each may take. The daemon needs its descriptors for pods. */

import type { Socket } from "node:net";

export interface ConnectionBounds {
  /** Connections at once. */
  readonly most: number;
  /** Of one peer. */
  readonly mostOfPeer: number;
  /** Milliseconds until the whole request has to be there. */
  readonly requestWithinMs: number;
  /** Milliseconds from then on until the answer has to be read. */
  readonly answerWithinMs: number;
  /**
   * Milliseconds in which a connection is not closed for a newer one, as its request is on its way, and how many there may be with those that are
   * younger. Without it there are never more than `most`.
   */
  readonly grace?: { readonly milliseconds: number; readonly most: number };
  /** Told of a connection that is closed as it is late. */
  readonly onLate?: (milliseconds: number) => void;
}

interface Connection {
  readonly socket: Socket;
  readonly peer: string;
  /** Its request is there. */
  hasRequest: boolean;
  /** All that it has sent so far has been read. */
  wasRead: boolean;
  isInGrace: boolean;
  graceTimer: NodeJS.Timeout | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class ConnectionLimits {
  readonly #bounds: ConnectionBounds;
  /** In order of arrival. */
  readonly #connections = new Map<Socket, Connection>();

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#connections.size;
  }

  /**
   * Takes a connection in. Where there are too many, one is closed: of those peers that have most (of this one's, where that has too many) the connection that has been
   * without a request for longest: a connection that brings none never keeps another out. Where all have brought theirs the newest is closed.
   * @param peer its address
   */
  add(socket: Socket, peer: string): void {
    const { grace, requestWithinMs } = this.#bounds;
    const connection: Connection = {
      socket,
      peer,
      hasRequest: false,
      wasRead: grace === undefined,
      isInGrace: grace !== undefined,
      graceTimer: undefined,
      timer: undefined,
    };
    this.#connections.set(socket, connection);
    socket.once("close", () => this.release(socket));
    this.#closeAfter(connection, requestWithinMs);
    if (grace !== undefined) {
      afterNextRead(() => {
        connection.wasRead = true;
        this.#makeRoom(peer);
      });
      connection.graceTimer = setTimeout(() => {
        connection.isInGrace = false;
        this.#makeRoom(peer);
      }, grace.milliseconds).unref();
    }
    this.#makeRoom(peer);
  }

  /** Its request is there; now its answer is to be read. */
  hasRequest(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.hasRequest = true;
    this.#closeAfter(connection, this.#bounds.answerWithinMs);
  }

  /** It is no longer bounded here. */
  release(socket: Socket): void {
    const connection = this.#connections.get(socket);
    clearTimeout(connection?.timer);
    clearTimeout(connection?.graceTimer);
    this.#connections.delete(socket);
  }

  #closeAfter(connection: Connection, milliseconds: number): void {
    clearTimeout(connection.timer);
    const hadRequest = connection.hasRequest;
    const close = () => {
      if (connection.hasRequest !== hadRequest || !this.#connections.has(connection.socket)) return;
      this.#bounds.onLate?.(milliseconds);
      this.#close(connection);
    };
    // Bytes that came while the daemon could not read are read first.
    connection.timer = setTimeout(() => afterNextRead(close), milliseconds).unref();
  }

  #close(connection: Connection): void {
    this.release(connection.socket);
    connection.socket.destroy();
  }

  /** @param peer the one that has come last */
  #makeRoom(peer: string): void {
    const { most, mostOfPeer, grace } = this.#bounds;
    const isOld = ({ isInGrace }: Connection) => !isInGrace;
    while (this.#of(peer).length > mostOfPeer && this.#closeOne(this.#of(peer), isOld)) {}
    while (this.#connections.size > most && this.#closeOne(this.#ofLargestPeers(), isOld)) {}
    const mostAtAll = grace?.most ?? most;
    while (
      this.#connections.size > mostAtAll &&
      this.#closeOne(this.#ofLargestPeers(), ({ wasRead }) => wasRead)
    ) {}
  }

  /** @param candidates in order of arrival @returns false: none of them can be closed yet */
  #closeOne(candidates: readonly Connection[], canBeClosed: (connection: Connection) => boolean): boolean {
    const closable = candidates.filter(canBeClosed);
    const victim = closable.find(({ hasRequest }) => !hasRequest) ?? closable.at(-1);
    if (victim !== undefined) this.#close(victim);
    return victim !== undefined;
  }

  #of(peer: string): Connection[] {
    return Array.from(this.#connections.values()).filter((connection) => connection.peer === peer);
  }

  /** Connections of the peers that have most of them. */
  #ofLargestPeers(): Connection[] {
    const all = Array.from(this.#connections.values());
    const counts = new Map<string, number>();
    for (const { peer } of all) counts.set(peer, (counts.get(peer) ?? 0) + 1);
    const largest = Math.max(...counts.values());
    return all.filter(({ peer }) => counts.get(peer) === largest);
  }
}

/** Runs when whatever had come until now has been read: the next round of the event loop begins with reading. */
function afterNextRead(run: () => void): void {
  setImmediate(() => setImmediate(run));
}
