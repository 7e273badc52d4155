/** Generated CNI results of every version, and ways to spell them. */
import fc from "fast-check";

export const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type Version = (typeof VERSIONS)[number];

/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** Leaves out keys that are undefined, some of them, and says null instead for others. */
function sparse(shape: Record<string, fc.Arbitrary<unknown>>, required: readonly string[]) {
  const optional = Object.fromEntries(
    Object.entries(shape).map(([key, value]) => [
      key,
      required.includes(key) ? value : fc.option(value, { freq: 12, nil: null }),
    ]),
  );
  return fc.record(optional, { requiredKeys: [...required] });
}

const ipv4 = fc.ipV4();
const ipv6 = fc.oneof(
  fc.ipV6(),
  fc.constantFrom(
    "::",
    "::1",
    "fd00::9",
    "FE80::ABCD",
    "1:0:0:2:0:0:0:3",
    "2001:db8::1:0:0:1",
    "1::2:3:4:5:6:7",
  ),
  ipv4.map((address) => `::${address}`),
  ipv4.map((address) => `64:ff9b::${address}`),
);
/** IPv4 in IPv6 clothes, which Go prints as IPv4. */
const mapped = ipv4.map((address) => `::ffff:${address}`);

export const address = fc.oneof(ipv4, ipv6, mapped);
const cidr4 = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })) },
  { weight: 1, arbitrary: fc.tuple(mapped, fc.integer({ min: 0, max: 128 })) },
);
const cidr6 = fc.tuple(ipv6, fc.integer({ min: 0, max: 128 }));
const text = ([ip, length]: readonly [string, number]) => `${ip}/${length}`;
export const cidr = fc.oneof(cidr4, cidr6).map(text);
const defaultDestination = fc.constantFrom("0.0.0.0/0", "::/0", "0::0/0", "::0/0", "10.1.2.3/0");

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "eth0", 'a"b\\c\n'),
);
const integer = fc.oneof(fc.integer({ min: 0, max: 4096 }), fc.maxSafeInteger());

/** Values that plugins have put where a MAC belongs. */
const mac = fc.oneof(fc.constantFrom("02:e5:13:9f:76:d9", "0", "", "not a MAC"), anyText);
/** Go's types take a null in a list of strings. */
const texts = fc.array(
  fc.oneof({ weight: 9, arbitrary: anyText }, { weight: 1, arbitrary: fc.constant(null) }),
  {
    maxLength: 3,
  },
);

const route = sparse(
  {
    dst: fc.oneof({ weight: 2, arbitrary: cidr }, { weight: 1, arbitrary: defaultDestination }),
    gw: fc.oneof(address, fc.constant("")),
    mtu: integer,
    advmss: integer,
    priority: integer,
    table: integer,
    scope: integer,
    futureRouteField: fc.jsonValue({ maxDepth: 1 }),
  },
  ["dst"],
);
const routes = fc.array(route, { maxLength: 5 });

const dns = sparse(
  {
    nameservers: texts,
    domain: anyText,
    search: texts,
    options: texts,
    futureDnsField: fc.jsonValue({ maxDepth: 1 }),
  },
  [],
);

/** Keys that no specification knows, at the top of a result. */
const unknown = fc.dictionary(
  fc.oneof(
    fc.string().map((key) => `x${key}`),
    fc.constantFrom("cniversion", "IPS", "ip", "dnsx"),
  ),
  fc.jsonValue({ maxDepth: 3 }),
  { maxKeys: 2 },
);

/** Libcni takes an address of either family in either member. */
function family(cidrs: fc.Arbitrary<string>) {
  return sparse(
    {
      ip: fc.oneof({ weight: 8, arbitrary: cidrs }, { weight: 1, arbitrary: cidr }),
      gateway: fc.oneof(address, fc.constant("")),
      routes,
    },
    ["ip"],
  );
}

const oldResult = sparse({ ip4: family(cidr4.map(text)), ip6: family(cidr6.map(text)), dns }, []);

/** An index into a list, or any other. */
export function placeIn(list: readonly unknown[]): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: -1, max: list.length - 1 }) },
    {
      weight: 1,
      arbitrary: fc.oneof(fc.constantFrom(-2, list.length, 2 ** 31, 2 ** 32), fc.maxSafeInteger()),
    },
  );
}

function listResult(version: Version): fc.Arbitrary<JsonObject> {
  const newer = version.startsWith("1.");
  const netInterface = sparse(
    {
      name: anyText,
      mac,
      sandbox: fc.oneof(fc.constantFrom("/var/run/netns/cni-1", ""), anyText),
      ...(newer
        ? { mtu: integer, socketPath: anyText, pciID: anyText }
        : { mtu: fc.jsonValue({ maxDepth: 1 }) }),
      futureInterfaceField: fc.jsonValue({ maxDepth: 1 }),
    },
    [],
  );
  return fc.array(netInterface, { maxLength: 4 }).chain((interfaces) => {
    const ip = fc
      .tuple(
        fc.oneof(
          cidr4.map((value) => ["4", text(value)] as const),
          cidr6.map((value) => ["6", text(value)] as const),
        ),
        sparse(
          {
            interface: placeIn(interfaces),
            gateway: fc.oneof(address, fc.constant("")),
            futureIpField: fc.jsonValue({ maxDepth: 1 }),
          },
          [],
        ),
        // The version of the spec before 1.0.0 has one in each; any text is taken, or none, and later ones do not know it.
        fc.oneof(
          fc.constantFrom<unknown>("as is", undefined, null),
          newer ? fc.jsonValue({ maxDepth: 1 }) : anyText,
        ),
      )
      .map(([[ipVersion, value], rest, version]) => ({
        ...(version === undefined ? undefined : { version: version === "as is" ? ipVersion : version }),
        address: value,
        ...rest,
      }));
    return sparse({ interfaces: fc.constant(interfaces), ips: fc.array(ip, { maxLength: 5 }), routes, dns }, [
      "interfaces",
    ]) as fc.Arbitrary<JsonObject>;
  });
}

/** A valid result of a version, as a value. */
export function resultOf(version: Version): fc.Arbitrary<JsonObject> {
  const body = version.startsWith("0.1") || version.startsWith("0.2") ? oldResult : listResult(version);
  return fc
    .tuple(body, unknown, fc.constantFrom("first", "last", "missing", "empty", "no text"))
    .map(([known, extra, place]) => ({
      ...(place === "first" ? { cniVersion: version } : undefined),
      ...extra,
      ...known,
      ...(place === "last" ? { cniVersion: version } : undefined),
      ...(place === "empty" ? { cniVersion: "" } : undefined),
      ...(place === "no text" ? { cniVersion: [1] } : undefined),
    }));
}

/** How a value is spelled as JSON text; every spelling means the same. */
export const spelling = fc.record({
  indent: fc.constantFrom("", "  ", "    ", "\t", " \n\r\t "),
  escapes: fc.constantFrom("none", "slash", "letter"),
  around: fc.constantFrom("", " ", "\n\t\r "),
});
export type Spelling = typeof spelling extends fc.Arbitrary<infer T> ? T : never;

/** Writes a value as JSON text in a spelling. */
export function spell(value: unknown, { indent, escapes, around }: Spelling): Uint8Array {
  let json = JSON.stringify(value, undefined, 1);
  json = json.replaceAll(/\n +/g, (space) => (indent === "" ? "" : `\n${indent.repeat(space.length - 1)}`));
  if (indent === "") json = json.replaceAll("\n", "");
  if (escapes === "slash") json = json.replaceAll("/", "\\/");
  // No JSON keyword and no number has a "d"; an escape may.
  if (escapes === "letter") {
    json = json.replaceAll(/\\u[\da-f]{4}|\\.|d/g, (found) => (found === "d" ? "\\u0064" : found));
  }
  return new TextEncoder().encode(around + json + around);
}

/** Edits of default routes. */
export const defaultRoutes = fc.option(
  fc.record({
    removeIPv4: fc.boolean(),
    removeIPv6: fc.boolean(),
    add: fc.array(address, { maxLength: 2 }),
  }),
  { nil: undefined },
);
