/**
 * Decides when each request starts. Each kind of command has its own lane, so that a DEL or a STATUS never waits for ADDs; inside a lane slots are
 * shared out between namespaces. Requests of one container are worked on one at a time, in the order that they came, across lanes.
 */

import { unlessAborted } from "../base/abort.ts";
import { Room, type RoomLimits } from "../base/room.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import type { Pause } from "../multus/request/pause.ts";
import type { LaneStatus } from "../socket/status.ts";
import { ContainerOrder } from "./container-order.ts";
import { Lane, type LaneEntry } from "./lane.ts";

/** The properties of a request that admission decides by. */
export interface Entrant {
  /** CNI_COMMAND as it came, which may be no command. */
  readonly command: string;
  /** The container whose other requests it must not run beside; "": none. */
  readonly containerId: string;
  /** Namespace of its pod, as {@link podNamespaceIn} has it. */
  readonly share: string;
  /** Memory that it holds, about. */
  readonly bytes: number;
}

/** A request's place, once it has started. */
export interface Turn {
  /**
   * Waits for an answer of the API, or for a file, without a slot. A slot is waited for again afterwards. An answer that is there at once costs nothing.
   * It throws a {@link CniError} 11 where the request is abandoned before it has its slot again.
   */
  readonly pause: Pause;
  /** To be called when the client is gone: a pause and a wait for a slot end at once, and the request can only end. */
  abandon(): void;
  /** To be called when the request is done. A second call has no effect. */
  leave(): void;
}

const laneNames = ["add", "del", "check", "status", "gc"] as const;
export type LaneName = (typeof laneNames)[number];

/** A lane at a moment. */
interface LaneState extends LaneStatus {
  readonly lane: LaneName;
}

const mebibyte = 1024 * 1024;
/** A node has some hundred pods. Netconfs have some kilobytes, or 256 KiB more where a runtime puts the pod's annotations into them. */
const roomOfPods: RoomLimits = { requests: 1024, bytes: 24 * mebibyte };
const roomOfOthers: RoomLimits = { requests: 256, bytes: 12 * mebibyte };

/** A request that is waiting or worked on. */
interface Place extends Entrant {
  readonly lane: LaneWithRoom;
  /** Its entry in the lane, whenever it needs a slot. */
  readonly order: number;
  entry: LaneEntry | undefined;
  state: "behind another" | "waiting" | "running" | "paused" | "gone";
  readonly begin: () => void;
  /** Aborted when the client is gone, with {@link clientGone}. */
  readonly abandoned: AbortSignal;
}

interface LaneWithRoom {
  readonly name: LaneName;
  readonly lane: Lane;
  readonly room: Room;
  readonly places: Set<Place>;
}

export class Admission {
  /** Requests of one namespace and one kind that are worked on at once. */
  readonly limit: number;
  readonly #lanes: Readonly<Record<LaneName, LaneWithRoom>>;
  readonly #containers = new ContainerOrder<Place>();
  #entered = 0;

  /** @param limit ADDs of one namespace that are worked on at once, at least 1; as many DELs, a quarter as many CHECKs and STATUSes */
  constructor(limit: number) {
    this.limit = limit;
    const few = Math.ceil(limit / 4);
    this.#lanes = {
      add: makeLane("add", limit, roomOfPods),
      del: makeLane("del", limit, roomOfPods),
      check: makeLane("check", few, roomOfOthers),
      status: makeLane("status", few, roomOfOthers),
      // Two at once would undo the same attachments.
      gc: makeLane("gc", 1, roomOfOthers),
    };
  }

  get waiting(): number {
    return this.lanes.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  get running(): number {
    return this.lanes.reduce((sum, { running }) => sum + running, 0);
  }

  get lanes(): readonly LaneState[] {
    return laneNames.map((name) => stateOf(this.#lanes[name]));
  }

  /**
   * Puts a request in the line of its lane.
   * @param start is called when its turn comes: at once, before this returns, where nothing is in the way
   * @returns gives the request up: to be called where it is wanted no more while it waits. It is the same as the turn's `leave`
   * @throws {CniError} where too much waits already: 50 for STATUS, 11 for all others. Nothing was begun
   */
  enter(entrant: Entrant, start: (turn: Turn) => void): () => void {
    const lane = this.#lanes[laneOf(entrant.command)];
    const { share, bytes } = entrant;
    if (!lane.room.take(share, bytes)) throw noRoom(lane.name, share);
    const abandoned = new AbortController();
    const waiting = <Answer>(answer: Promise<Answer>) => pause(place, answer);
    const turn: Turn = {
      leave: () => this.#leave(place),
      abandon: () => {
        // A client goes when it has its answer: nothing waits then that could be told.
        if (place.state !== "gone") abandoned.abort(clientGone());
      },
      pause: Object.assign(waiting, { signal: abandoned.signal }),
    };
    this.#entered += 1;
    const place: Place = {
      ...entrant,
      lane,
      order: this.#entered,
      entry: undefined,
      state: "behind another",
      begin: () => start(turn),
      abandoned: abandoned.signal,
    };
    lane.places.add(place);
    if (this.#containers.enter(place.containerId, place)) waitForSlot(place, place.begin);
    return turn.leave;
  }

  #leave(place: Place): void {
    const { state, lane, entry, share, bytes, containerId } = place;
    if (state === "gone") return;
    place.state = "gone";
    lane.places.delete(place);
    lane.room.give(share, bytes);
    const next = this.#containers.leave(containerId, place);
    if (state === "running") lane.lane.release(share);
    else if (state === "waiting" && entry !== undefined) lane.lane.withdraw(entry);
    if (next !== undefined) waitForSlot(next, next.begin);
  }
}

function makeLane(name: LaneName, slots: number, limits: RoomLimits): LaneWithRoom {
  return { name, lane: new Lane(slots), room: new Room(limits), places: new Set() };
}

/** A request with an unknown command fails at once, so that its lane does not matter. */
function laneOf(command: string): LaneName {
  return laneNames.find((name) => name.toUpperCase() === command) ?? "check";
}

function waitForSlot(place: Place, onStart: () => void): void {
  place.state = "waiting";
  place.entry = {
    share: place.share,
    order: place.order,
    start() {
      place.state = "running";
      onStart();
    },
  };
  place.lane.lane.enter(place.entry);
}

async function pause<Answer>(place: Place, answer: Promise<Answer>): Promise<Answer> {
  // Caches answer at once: a slot that is given back for that would only mix up the order.
  const isThere = await isThereAtOnce(answer);
  if (place.abandoned.aborted) throw clientGone();
  if (isThere || place.state !== "running") return answer;
  place.state = "paused";
  place.lane.lane.release(place.share);
  try {
    return await unlessAborted(answer, place.abandoned);
  } finally {
    // One that is abandoned can only end. A DEL of its container may wait for that, and is not to wait for other ADDs.
    if (place.state === "paused" && !place.abandoned.aborted) await slotAgain(place);
  }
}

/** @throws {CniError} 11 where it is abandoned before it has its slot */
async function slotAgain(place: Place): Promise<void> {
  try {
    await unlessAborted(new Promise<void>((resolve) => waitForSlot(place, resolve)), place.abandoned);
  } catch (error) {
    if (place.state === "waiting" && place.entry !== undefined) {
      place.lane.lane.withdraw(place.entry);
      place.state = "paused";
    }
    throw error;
  }
}

function clientGone(): CniError {
  return new CniError(CniErrorCode.tryAgainLater, "the client is gone");
}

/** Does it settle without anything having to happen outside of this process? Never throws. */
function isThereAtOnce(answer: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const tooLate = setImmediate(() => resolve(false));
    const settled = () => {
      clearImmediate(tooLate);
      resolve(true);
    };
    answer.then(settled, settled);
  });
}

function stateOf({ name, lane, places }: LaneWithRoom): LaneState {
  const { running, slots, allSlots } = lane;
  const paused = Array.from(places).filter(({ state }) => state === "paused").length;
  return { lane: name, running, waiting: places.size - running - paused, paused, slots, allSlots };
}

function noRoom(lane: LaneName, share: string): CniError {
  const whose = share === "" ? "" : ` of namespace ${share}`;
  return new CniError(
    lane === "status" ? CniErrorCode.pluginNotAvailable : CniErrorCode.tryAgainLater,
    `too many requests wait already in lane ${lane}${whose}; try again`,
  );
}
