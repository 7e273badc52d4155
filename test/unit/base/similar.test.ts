import { expect, test } from "vitest";
import { nearest } from "../../../src/base/similar.ts";

test.each([
  ["storrage", ["video", "storage", "storages"], "storage"],
  // One that changed places with its neighbour is one letter.
  ["sotrage", ["storage"], "storage"],
  ["mastr", ["mode", "mtu", "master"], "master"],
  ["subent", ["subnet", "rangeStart"], "subnet"],
  // A third of the letters at most, and three.
  ["a", ["b"], undefined],
  ["net", ["nat"], "nat"],
  ["net", ["nab"], undefined],
  ["abcdefghijklmnop", ["abcdefghijklXXXX"], undefined],
  ["abcdefghijklmnop", ["abcdefghijklmXXX"], "abcdefghijklmXXX"],
  // It is no advice for itself; of two that are as near it is the first.
  ["eth0", ["eth0", "eth1", "eth2"], "eth1"],
  ["anything", [], undefined],
  ["x".repeat(254), ["x".repeat(253)], undefined],
])("nearest to %s of %j is %s", (word, candidates, found) => {
  expect(nearest(word, candidates)).toBe(found);
});
