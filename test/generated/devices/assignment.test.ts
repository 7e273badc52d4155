/** Handing devices out, for generated pods: against a plain twin, and what must hold whatever they are. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { InputError } from "../../../src/base/input-error.ts";
import { assignDevices, deviceOrder, isEnough } from "../../../src/devices/assignment.ts";
import type { ContainerDevices, DeviceWish } from "../../../src/multus/plan/devices.ts";

const pod = { namespace: "default", name: "web", uid: "u", sandboxId: "s" };
const resources = ["a/x", "a/y", "b/z"];
const resource = fc.constantFrom(...resources);
const id = fc.oneof(fc.constantFrom("1", "2", "10", "B", "a"), fc.string({ maxLength: 3, unit: "binary" }));
const parts: fc.Arbitrary<ContainerDevices[]> = fc.array(
  fc.record({
    container: fc.constantFrom("c1", "c2", "c3"),
    resourceName: resource,
    ids: fc.array(id, { maxLength: 5 }),
  }),
  { maxLength: 12 },
);
const wishes: fc.Arbitrary<DeviceWish[]> = fc.array(
  fc.record({
    network: fc.constantFrom("n1", "n2"),
    resourceName: resource,
    deviceId: fc.option(id, { nil: undefined, freq: 5 }),
  }),
  { maxLength: 6 },
);

/** The order, step by step: containers as they first come, in each the ids of a resource sorted by their bytes, none twice. */
function plainOrder(all: readonly ContainerDevices[], name: string): string[] {
  const order: string[] = [];
  for (const container of [...new Set(all.map((part) => part.container))]) {
    const own = all.filter((part) => part.container === container && part.resourceName === name);
    const sorted = own
      .flatMap(({ ids }) => ids)
      .map((each) => Buffer.from(each))
      .sort(Buffer.compare)
      .map(String);
    for (const each of sorted) if (!order.includes(each)) order.push(each);
  }
  return order;
}

/** The devices of the wishes; undefined where they cannot all be had. */
function plainAssignment(
  all: readonly ContainerDevices[],
  wanted: readonly DeviceWish[],
): string[] | undefined {
  const left = new Map(resources.map((name) => [name, plainOrder(all, name)]));
  const given = new Map<DeviceWish, string>();
  const take = (wish: DeviceWish, index: number) => {
    const [taken] = index < 0 ? [] : (left.get(wish.resourceName)?.splice(index, 1) ?? []);
    if (taken !== undefined) given.set(wish, taken);
  };
  for (const wish of wanted) {
    if (wish.deviceId !== undefined) take(wish, left.get(wish.resourceName)?.indexOf(wish.deviceId) ?? -1);
  }
  for (const wish of wanted) if (wish.deviceId === undefined) take(wish, 0);
  return given.size === wanted.length ? wanted.map((wish) => given.get(wish) ?? "") : undefined;
}

it("has the twin's order", () => {
  fc.assert(
    fc.property(parts, (all) => {
      const order = deviceOrder(all);
      for (const name of resources) expect(order.get(name) ?? []).toEqual(plainOrder(all, name));
    }),
  );
});

it("hands out what the twin hands out, or refuses as it does", () => {
  fc.assert(
    fc.property(parts, wishes, (all, wanted) => {
      const expected = plainAssignment(all, wanted);
      const order = deviceOrder(all);
      let actual: (string | undefined)[] | undefined;
      try {
        actual = assignDevices(pod, wanted, order, () => true);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
      expect(actual).toEqual(expected);
      if (expected !== undefined) expect(isEnough(wanted, order)).toBe(true);
    }),
  );
});

it("gives no device twice, and only the pod's", () => {
  fc.assert(
    fc.property(parts, wishes, fc.subarray(resources), (all, wanted, ofPlugins) => {
      const order = deviceOrder(all);
      let assigned: (string | undefined)[];
      try {
        assigned = assignDevices(pod, wanted, order, (name) => ofPlugins.includes(name));
      } catch (error) {
        if (error instanceof InputError) return;
        throw error;
      }
      for (const name of resources) {
        const given = assigned.filter((_each, place) => wanted[place]?.resourceName === name);
        const devices = given.filter((each) => each !== undefined);
        expect(new Set(devices).size).toBe(devices.length);
        for (const device of devices) expect(order.get(name)).toContain(device);
        // One that goes without: the pod has none of it, and no plugin has.
        if (given.includes(undefined))
          expect([order.get(name) ?? [], ofPlugins.includes(name)]).toEqual([[], false]);
      }
    }),
  );
});
