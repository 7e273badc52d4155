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

const hexByte = fc.integer({ min: 0, max: 255 }).map((byte) => byte.toString(16).padStart(2, "0"));
export const mac = fc
  .tuple(fc.constantFrom(6, 8, 20), fc.constantFrom(":", "-", "."), fc.boolean())
  .chain(([length, separator, upper]) =>
    fc.array(hexByte, { minLength: length, maxLength: length }).map((bytes) => {
      const joined =
        separator === "." ? (bytes.join("").match(/.{4}/g) ?? []).join(".") : bytes.join(separator);
      return upper ? joined.toUpperCase() : joined;
    }),
  );

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "eth0", 'a"b\\c\n'),
);
const integer = fc.oneof(fc.integer({ min: 0, max: 4096 }), fc.maxSafeInteger());

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
    nameservers: fc.array(anyText, { maxLength: 3 }),
    domain: anyText,
    search: fc.array(anyText, { maxLength: 3 }),
    options: fc.array(anyText, { maxLength: 3 }),
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

function family(cidrs: fc.Arbitrary<string>) {
  return sparse({ ip: cidrs, gateway: fc.oneof(address, fc.constant("")), routes }, ["ip"]);
}

const oldResult = sparse(
  { ip4: family(cidr4.map(text)), ip6: family(cidr6.map(text).filter((value) => !isMapped(value))), dns },
  [],
);

/** fc.ipV6 may hit on a mapped address by itself. */
function isMapped(value: string): boolean {
  return /^(?:0*:)*:?(?:0+:)*ffff:(?:\d+\.|[\da-f]+:[\da-f]+\/)/i.test(value);
}

function listResult(version: Version): fc.Arbitrary<JsonObject> {
  const newer = version.startsWith("1.");
  const netInterface = sparse(
    {
      name: anyText,
      mac: fc.oneof(mac, fc.constant("")),
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
          cidr6
            .map(text)
            .filter((value) => !isMapped(value))
            .map((value) => ["6", value] as const),
        ),
        sparse(
          {
            interface: fc.integer({ min: -1, max: interfaces.length - 1 }),
            gateway: fc.oneof(address, fc.constant("")),
            futureIpField: fc.jsonValue({ maxDepth: 1 }),
          },
          [],
        ),
        fc.boolean(),
      )
      .map(([[ipVersion, value], rest, versioned]) => ({
        ...(newer || !versioned ? undefined : { version: ipVersion }),
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
    .tuple(body, unknown, fc.constantFrom("first", "last", "missing", "empty"))
    .map(([known, extra, place]) => ({
      ...(place === "first" ? { cniVersion: version } : undefined),
      ...extra,
      ...known,
      ...(place === "last" ? { cniVersion: version } : undefined),
      ...(place === "empty" ? { cniVersion: "" } : undefined),
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
