import fc from "fast-check";
import { expect, test } from "vitest";
import { eventName, eventNote } from "../../../src/kube/events.ts";
import { isNamespaceName, isObjectName } from "../../../src/kube/object-names.ts";
import { escapeUnprintable } from "../../../src/log/quoted.ts";

/** Any UTF-16, lone surrogates included. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe010 })), {
    minLength: 0,
    maxLength: 1500,
  })
  .map((units) => String.fromCharCode(...units));
const longText = fc.oneof(
  anyText,
  fc
    .tuple(fc.constantFrom("x", "é", "€", "😀"), fc.integer({ min: 250, max: 1100 }), anyText)
    .map(([character, count, tail]) => character.repeat(count) + tail),
);

test("a note is at most 1024 bytes of proper text, as much of the message as fits", () => {
  fc.assert(
    fc.property(longText, (message) => {
      const note = eventNote(message);
      const whole = escapeUnprintable(message.toWellFormed());
      expect(note).not.toMatch(/\p{Cc}/u);
      expect(note.isWellFormed()).toBe(true);
      expect(Buffer.from(note).toString("utf8")).toBe(note);
      if (Buffer.byteLength(whole) <= 1024) {
        expect(note).toBe(whole);
        return;
      }
      const bytes = Buffer.byteLength(note);
      expect(bytes).toBeLessThanOrEqual(1024);
      expect(bytes).toBeGreaterThan(1024 - 4);
      expect(note.endsWith("…")).toBe(true);
      expect(whole.startsWith(note.slice(0, -1))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("an event's name is one that the API takes, whatever the pod's", () => {
  const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  const podName = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
  fc.assert(
    fc.property(
      podName.filter((name) => name.length <= 253),
      fc.integer({ min: 0, max: 4_000_000_000_000 }),
      fc.integer({ min: 0, max: 999 }),
      (name, milliseconds, sequence) => {
        expect(isObjectName(name)).toBe(true);
        expect(isObjectName(eventName(name, { milliseconds, sequence }))).toBe(true);
      },
    ),
  );
});

test("a name that is taken for one of Kubernetes' changes no path", () => {
  const odd = fc.array(fc.constantFrom("a", "0", "-", ".", "..", "/", "%", "?", "#", "\0", "é", "A", " "), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(odd, odd, (namespaceParts, nameParts) => {
      const namespace = namespaceParts.join("");
      const name = nameParts.join("");
      if (!isNamespaceName(namespace) || !isObjectName(name)) return;
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
      const url = new URL(path, "http://server");
      expect(url.pathname + url.search + url.hash).toBe(path);
      expect(path.split("/")).toHaveLength(8);
    }),
    { numRuns: 5000 },
  );
});
