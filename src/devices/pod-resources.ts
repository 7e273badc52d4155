/**
 * The kubelet's pod-resources socket (gRPC, v1): which devices it has given to the containers of a pod. Loaded when the first NetworkAttachmentDefinition asks for a device.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../base/input-error.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { bounded } from "../log/quoted.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import { type ContainerDevices, DevicesUnknown } from "../multus/plan/devices.ts";
import { longestAnswer } from "./bounds.ts";
import {
  decodeAllocatable,
  decodeAllocatableDevices,
  decodePods,
  decodePodsWithClaims,
  encodeGetRequest,
  type ListedPod,
  type ListedPodWithClaims,
  podResourcesService,
} from "./pod-resources-messages.ts";
import { GrpcError, status, UnaryClient } from "./unary-client.ts";

/** Milliseconds from a question until its answer, tries and turns included (docs/behaviour.md, "Devices"). */
const deadlineMs = 10_000;
/** A socket that refuses, as that of a kubelet which restarts, is tried again for so many milliseconds. */
const patienceMs = 2_500;
/** Between two tries, in milliseconds. A kubelet takes 100 questions a second and 10 at once, and rejects others. */
const pauseMs = 50;
/** With more pods that wait than these, one List is cheaper than a Get for each. */
const mostGets = 4;

/** Characters of an error of gRPC's that are repeated. */
const longestSaid = 400;

export interface PodResourcesOptions {
  /** Path of the socket. */
  readonly socket: string;
  readonly log: Logger;
  /** Milliseconds; for tests. */
  readonly deadlineMs?: number;
  readonly patienceMs?: number;
}

/** A pod whose devices are asked for. */
interface Question {
  readonly pod: PodReference;
  /** Of performance.now(). */
  readonly deadline: number;
  readonly answer: PromiseWithResolvers<readonly ContainerDevices[] | undefined>;
}

/** Asks the kubelet, over one connection that stays. Questions that come while one is asked wait, and are then asked together. */
export class PodResources {
  readonly #options: Required<PodResourcesOptions>;
  readonly #where: string;
  #client: UnaryClient | undefined;
  /** The kubelet serves Get. Another one may after its connection broke. */
  #servesGet = true;
  #waiting: Question[] = [];
  #isAsking = false;

  constructor(options: PodResourcesOptions) {
    this.#options = { deadlineMs, patienceMs, ...options };
    this.#where = `the kubelet's answer at ${options.socket}`;
  }

  /**
   * The devices that device plugins have given to the pod.
   * @returns in the pod's order; undefined for a pod that the kubelet does not know, as in the second after its start in which it has not read its pods yet
   * @throws {CniError} 11 where the kubelet does not answer within 10 s, or refuses {@link InputError} where its answer is not as it should be
   */
  async devicesOf(pod: PodReference): Promise<readonly ContainerDevices[] | undefined> {
    const { deadlineMs: limitMs, socket } = this.#options;
    const answer = Promise.withResolvers<readonly ContainerDevices[] | undefined>();
    this.#waiting.push({ pod, deadline: performance.now() + limitMs, answer });
    if (!this.#isAsking) void this.#askAll();
    // Questions that it is asked together with may have more time.
    const tooLate = setTimeout(() => answer.reject(noAnswer(socket, limitMs)), limitMs);
    try {
      return await answer.promise;
    } finally {
      clearTimeout(tooLate);
    }
  }

  /**
   * The resources of which device plugins of this node have healthy devices.
   * @returns undefined: the kubelet does not say it (before Kubernetes 1.23)
   * @throws as devicesOf
   */
  async resources(): Promise<ReadonlySet<string> | undefined> {
    const bytes = await this.#allocatable();
    return bytes === undefined ? undefined : decodeAllocatable(bytes, this.#where);
  }

  /**
   * All pods of the node that the kubelet runs, with their devices and those of their claims.
   * @returns in no order; a pod whose devices are not as they should be has an error instead of them
   * @throws as devicesOf
   */
  async nodePods(): Promise<readonly ListedPodWithClaims[]> {
    const deadline = performance.now() + this.#options.deadlineMs;
    return decodePodsWithClaims(await this.#call("List", new Uint8Array(), deadline), this.#where);
  }

  /**
   * The healthy devices of the node's device plugins by resource, given to a pod or not.
   * @returns undefined: the kubelet does not say it (before Kubernetes 1.23)
   * @throws as devicesOf
   */
  async allocatable(): Promise<ReadonlyMap<string, ReadonlySet<string>> | undefined> {
    const bytes = await this.#allocatable();
    return bytes === undefined ? undefined : decodeAllocatableDevices(bytes, this.#where);
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  /** @returns undefined: the kubelet does not have the method */
  async #allocatable(): Promise<Uint8Array | undefined> {
    const deadline = performance.now() + this.#options.deadlineMs;
    try {
      return await this.#call("GetAllocatableResources", new Uint8Array(), deadline);
    } catch (error) {
      if (isNotServed(error)) return undefined;
      throw error;
    }
  }

  /** Works on what waits, and on what comes meanwhile. Never throws. */
  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      const now = performance.now();
      const questions = this.#waiting.filter(({ deadline }) => deadline > now);
      this.#waiting = [];
      if (questions.length > 0) await this.#ask(questions);
    }
    this.#isAsking = false;
  }

  async #ask(questions: readonly Question[]): Promise<void> {
    try {
      if (this.#servesGet && questions.length <= mostGets) {
        const gets = await Promise.all(questions.map((question) => this.#get(question)));
        const left = questions.filter((_question, index) => gets[index] === false);
        if (left.length > 0) await this.#list(left);
      } else {
        await this.#list(questions);
      }
    } catch (error) {
      // Those that have their answer already keep it.
      for (const { answer } of questions) answer.reject(error);
    }
  }

  /** @returns false: Get is not served, or the kubelet has no such pod, which it says by the same code */
  async #get({ pod, deadline, answer }: Question): Promise<boolean> {
    try {
      const request = encodeGetRequest(pod.namespace, pod.name);
      const pods = this.#decodePods(await this.#call("Get", request, deadline), [pod]);
      answer.resolve(devicesIn(pods, pod));
    } catch (error) {
      if (grpcCode(error) === status.UNIMPLEMENTED) this.#servesGet = false;
      if (isNotServed(error)) return false;
      answer.reject(error);
    }
    return true;
  }

  async #list(questions: readonly Question[]): Promise<void> {
    const deadline = Math.max(...questions.map((question) => question.deadline));
    const bytes = await this.#call("List", new Uint8Array(), deadline);
    const pods = this.#decodePods(
      bytes,
      questions.map(({ pod }) => pod),
    );
    for (const { pod, answer } of questions) {
      try {
        answer.resolve(devicesIn(pods, pod));
      } catch (error) {
        answer.reject(error);
      }
    }
  }

  #decodePods(bytes: Uint8Array, pods: readonly PodReference[]): ListedPod[] {
    const wanted = new Set(pods.map(podKey));
    return decodePods(bytes, (namespace, name) => wanted.has(podKey({ namespace, name })), this.#where);
  }

  /** One method, tried again while the connection cannot be made and while the kubelet has too many questions. @returns the answer's bytes @throws {DevicesUnknown} with the gRPC error as its cause */
  async #call(method: string, request: Uint8Array, deadline: number): Promise<Uint8Array> {
    const patienceEnd = performance.now() + this.#options.patienceMs;
    for (;;) {
      const client = this.#connected();
      try {
        return await client.call(`${podResourcesService}/${method}`, request, deadline - performance.now());
      } catch (error) {
        const code = grpcCode(error) ?? status.UNKNOWN;
        const now = performance.now();
        const isBroken = code === status.UNAVAILABLE;
        if (isBroken) this.#drop(client);
        const mayRetry = (isBroken && now < patienceEnd) || (isRateLimit(error) && now < deadline);
        if (!mayRetry) throw this.#failure(method, error);
      }
      await sleep(pauseMs);
    }
  }

  #connected(): UnaryClient {
    this.#client ??= new UnaryClient(this.#options.socket, longestAnswer);
    return this.#client;
  }

  /** The next call connects again. */
  #drop(client: UnaryClient): void {
    client.close();
    if (this.#client === client) this.#client = undefined;
    this.#servesGet = true;
  }

  #failure(method: string, error: unknown): DevicesUnknown {
    const { socket, deadlineMs: limitMs } = this.#options;
    if (grpcCode(error) === status.DEADLINE_EXCEEDED) return noAnswer(socket, limitMs, { cause: error });
    const message = `the kubelet's pod-resources socket ${socket} (${method}): ${bounded(errorText(error), longestSaid)}`;
    return new DevicesUnknown(message, { cause: error });
  }
}

function noAnswer(socket: string, limitMs: number, options?: ErrorOptions): DevicesUnknown {
  return new DevicesUnknown(
    `the kubelet's pod-resources socket ${socket}: no answer within ${limitMs / 1000} s`,
    options,
  );
}

/**
 * The devices of a pod in an answer.
 * @returns undefined: the answer has no such pod
 * @throws {DevicesUnknown} two pods of the name have devices: one that was just deleted, whose devices are not those of the other {@link InputError} its devices are not as they should be
 */
function devicesIn(pods: readonly ListedPod[], pod: PodReference): readonly ContainerDevices[] | undefined {
  let isListed = false;
  const found: (readonly ContainerDevices[])[] = [];
  for (const listed of pods) {
    if (podKey(listed) !== podKey(pod)) continue;
    isListed = true;
    if (listed.devices instanceof InputError) throw listed.devices;
    if (listed.devices.length > 0) found.push(listed.devices);
  }
  if (found.length > 1) {
    throw new DevicesUnknown(
      `the kubelet lists ${found.length} pods ${podKey(pod)} with devices: one of them is still being removed`,
    );
  }
  return found[0] ?? (isListed ? [] : undefined);
}

/** The status code of a gRPC error, also where it is the cause of another error. */
function grpcCode(error: unknown): number | undefined {
  if (error instanceof DevicesUnknown) return grpcCode(error.cause);
  return error instanceof GrpcError ? error.code : undefined;
}

/** A method that the kubelet does not know, or that is switched off in it: it has no code of its own for that, nor for a pod that it does not have. */
function isNotServed(error: unknown): boolean {
  const code = grpcCode(error);
  return code === status.UNIMPLEMENTED || code === status.UNKNOWN;
}

/** The kubelet has too many questions. The same code is that of an answer which is longer than the client takes. */
function isRateLimit(error: unknown): boolean {
  return grpcCode(error) === status.RESOURCE_EXHAUSTED && !errorText(error).includes("larger than max");
}
