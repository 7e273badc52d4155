/** Network configurations, most of them right, some of the wrong shape, and what attachments ask for. */

import fc from "fast-check";
import { characters, containerText, jsonText, keys, memberText, objectText, stringText } from "./json.ts";

/** A key as it should be written, now and then in another case. */
const key = (name: string) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(name) },
    fc.constantFrom(name.toUpperCase(), name.toLowerCase(), name.charAt(0).toUpperCase() + name.slice(1)),
    fc
      .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
      .map((upper) =>
        Array.from(name, (letter, index) => (upper[index] ? letter.toUpperCase() : letter)).join(""),
      ),
  );
const text = stringText(fc.oneof(fc.constantFrom("", "net-a", "macvlan", 'n"1', "é"), characters));
const booleanText = fc.constantFrom("true", "false", "null", '"true"', '"FALSE"', '"tr\\u0075e"');
const capabilityName = fc.constantFrom("mac", "ips", "portMappings", "deviceID", "a", "b");

/** Mostly `arbitrary`, now and then whatever comes. */
function mostly(arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ weight: 30, arbitrary }, fc.constant("null"), jsonText);
}

const member = (name: string, value: fc.Arbitrary<string>) => memberText(key(name), mostly(value));

const capabilitiesText = objectText(
  [],
  [
    memberText(
      capabilityName,
      fc.oneof({ weight: 40, arbitrary: fc.constantFrom("true", "false", "null") }, jsonText),
    ),
  ],
  5,
);
const versionText = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom('"0.3.1"', '"1.0.0"', '"1.1.0"', '"1.2"', '"2"', '""', '"0.4.0"'),
  },
  fc.constantFrom('"v1"', '"1.1.0.0"', '"1..0"', '"1.2."', '"1000"', "1.0"),
);
const anyMember = memberText(fc.oneof(capabilityName, keys), jsonText);
const anyObject = objectText([], [anyMember], 4);
const argsText = objectText([member("cni", anyObject)], [member("cni", anyObject), anyMember], 3);
const ipamText = objectText([member("type", text)], [anyMember], 3);

const pluginMembers = [
  member("name", text),
  member("cniVersion", text),
  member("type", text),
  member("capabilities", capabilitiesText),
  member("ipam", ipamText),
  member("args", argsText),
  member("deviceID", text),
  member("pciBusID", text),
  member("runtimeConfig", anyObject),
  member("prevResult", anyObject),
  member("cni.dev/attachments", jsonText),
  member("cni.dev/valid-attachments", jsonText),
  anyMember,
];

/** One plugin's configuration. */
export const pluginText = objectText([member("type", text)], pluginMembers, 6);

const pluginsMember = member(
  "plugins",
  containerText(
    "[",
    fc.array(fc.oneof({ weight: 50, arbitrary: pluginText }, jsonText), { maxLength: 4 }),
    "]",
  ),
);

/** A single configuration or a list. */
export const configText = fc.oneof(
  pluginText,
  objectText(
    [pluginsMember],
    [
      pluginsMember,
      member("name", text),
      member("cniVersion", versionText),
      member("cniVersions", containerText("[", fc.array(versionText, { maxLength: 3 }), "]")),
      member("disableCheck", booleanText),
      member("disableGC", booleanText),
      member("loadOnlyInlinedPlugins", booleanText),
      anyMember,
    ],
    4,
  ),
);

/** Capability arguments, CNI args: objects whose keys often meet those of configurations. */
export const argumentsText = anyObject;
