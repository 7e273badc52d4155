/** The promises of the configuration kernels, by example. */

import { describe, expect, it } from "vitest";
import { loadKernels } from "../../../src/kernels/load.ts";

const kernels = loadKernels();
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function split(config: string) {
  return kernels.splitConfig(encode(config));
}

function adjust(
  config: string,
  additions: { defaultName?: string; cniArgs?: string; deviceId?: string },
): string {
  const { cniArgs, ...texts } = additions;
  return decode(
    kernels.adjustConfig({
      config: encode(config),
      ...texts,
      cniArgs: cniArgs === undefined ? undefined : encode(cniArgs),
    }),
  );
}

function merge(
  plugin: string,
  additions: { prevResult?: string; runtimeConfig?: string; validAttachments?: string } = {},
): string {
  const texts = Object.entries(additions).map(([name, text]) => [name, encode(text)]);
  return decode(
    kernels.mergeConfig({
      plugin: encode(plugin),
      name: "net-a",
      cniVersion: "1.1.0",
      ...Object.fromEntries(texts),
    }),
  );
}

describe("splitConfig", () => {
  it("takes a single configuration as a list of one", () => {
    const config =
      '{"name":"net-a","cniVersion":"0.3.1","type":"macvlan","ipam":{"type":"dhcp"},"disableCheck":true}';
    const { plugins, ...rest } = split(config);
    expect(rest).toEqual({
      isList: false,
      name: "net-a",
      cniVersion: "0.3.1",
      // A field of lists.
      disableCheck: false,
      disableGC: false,
      loadOnlyInlinedPlugins: false,
    });
    expect(plugins.map(({ bytes, ...plugin }) => ({ ...plugin, bytes: decode(bytes) }))).toEqual([
      { type: "macvlan", ipamType: "dhcp", capabilities: [], bytes: config },
    ]);
  });

  it("gives the plugins of a list as they were written", () => {
    const parts = split(
      '{"name":"l","plugins":[ {"type":"a" , "n":18446744073709551615},{"capabilities":{"mac":true,"ips":false,"m\\u0061c2":true}}]}',
    );
    expect(parts.isList).toBe(true);
    expect(parts.plugins.map(({ bytes }) => decode(bytes))).toEqual([
      '{"type":"a" , "n":18446744073709551615}',
      '{"capabilities":{"mac":true,"ips":false,"m\\u0061c2":true}}',
    ]);
    expect(parts.plugins.map(({ capabilities }) => capabilities)).toEqual([[], ["mac", "mac2"]]);
  });

  it("takes an empty type for none", () => {
    expect(split('{"type":"","plugins":[]}').isList).toBe(true);
  });

  it("lets the last of duplicate keys win, however they are written", () => {
    const parts = split('{"name":1,"plugins":{},"n\\u0061me":"second","plugins":[{"type":"a"}]}');
    expect(parts.name).toBe("second");
    expect(parts.plugins).toHaveLength(1);
  });

  it.each([
    ['["0.4.0","1.0.0","0.3.1"]', "", "1.0.0"],
    ['["0.4.0","1.2.0","9.9.9"]', "", "0.4.0"],
    ['["0.3.1"]', '"cniVersion":"1.1.0",', "1.1.0"],
    ['["2.0.0"]', '"cniVersion":"1.1.0",', "1.1.0"],
    ['["2.0.0"]', "", ""],
  ])("picks the highest known version of cniVersions %s with %j", (versions, single, wanted) => {
    expect(split(`{${single}"cniVersions":${versions},"plugins":[]}`).cniVersion).toBe(wanted);
  });

  it.each(["true", '"true"', '"TRUE"', '"\\u0074rue"'])("reads %s as true", (value) => {
    const parts = split(`{"disableCheck":${value},"disableGC":${value},"loadOnlyInlinedPlugins":${value}}`);
    expect([parts.disableCheck, parts.disableGC, parts.loadOnlyInlinedPlugins]).toEqual([true, true, true]);
  });

  it.each([
    ['{"name":1}', "not-a-string", 8],
    ['{"cniVersion":[]}', "not-a-string", 14],
    ['{"type":{}}', "not-a-string", 8],
    ['{"cniVersion":1,"cniVersions":["1.0.0"]}', "not-a-string", 14],
    ['{"plugins":{}}', "not-an-array", 11],
    ['{"plugins":[{},3]}', "not-an-object", 15],
    ['{"plugins":[{"type":1}]}', "not-a-string", 20],
    ['{"plugins":[{"ipam":"dhcp"}]}', "not-an-object", 20],
    ['{"plugins":[{"ipam":{"type":null}},{"ipam":{"type":7}}]}', "not-a-string", 51],
    ['{"type":"a","capabilities":[]}', "not-an-object", 27],
    ['{"type":"a","capabilities":{"mac":"true"}}', "not-a-boolean", 34],
    ['{"disableCheck":"yes"}', "not-a-boolean", 16],
    ['{"cniVersions":["1.0.0","x"]}', "bad-version", 24],
    ['{"cniVersions":"1.0.0"}', "not-an-array", 15],
    [' "type" ', "not-an-object", 1],
    ['{"name":"a",\n "type":"b"\n "mode":1}', "expected-comma-or-brace", 26],
    ['{"name":"a"', "unexpected-end", 11],
    ["", "unexpected-end", 0],
  ])("refuses %s", (config, code, offset) => {
    expect(() => split(config)).toThrow(expect.objectContaining({ code, offset, input: "config" }));
  });

  it("says in its errors where to look", () => {
    expect(() => split('{"name":"a",\n "type":"b"\n "mode":1}')).toThrow(
      "config: expected ',' or '}' at byte 26 (line 3, column 2)",
    );
  });
});

describe("keys in another case", () => {
  const list =
    '{"CNIVersion":"1.0.0","Name":"net-a","DISABLECHECK":"true","disablegc":true,"LoadOnlyInlinedPlugins":true,' +
    '"Plugins":[{"Type":"macvlan","Capabilities":{"mac":true},"IPAM":{"TYPE":"dhcp"}}]}';

  it("say what they say in their own", () => {
    const { plugins, ...rest } = split(list);
    expect(rest).toEqual({
      isList: true,
      name: "net-a",
      cniVersion: "1.0.0",
      disableCheck: true,
      disableGC: true,
      loadOnlyInlinedPlugins: true,
    });
    expect(plugins).toMatchObject([{ type: "macvlan", ipamType: "dhcp", capabilities: ["mac"] }]);
    expect(split('{"TYPE":"a"}').isList).toBe(false);
    expect(split('{"CNIVersions":["0.4.0"],"plugins":[]}').cniVersion).toBe("0.4.0");
  });

  it.each([
    ['{"type":"a","Type":"b"}', "a"],
    ['{"Type":"b","type":"a"}', "a"],
    ['{"Type":"b","TYPE":"c","Type":"d","tYPE":null}', "d"],
    ['{"type":null,"Type":"b"}', "b"],
    ['{"Type":"b","Type":null}', "b"],
    ['{"Type":"b","type":null}', "b"],
    ['{"T\\u0079pe":"b","typ\\u0045":null}', "b"],
    ['{"Typ\\u00e9":"b","type\\u0000":"c","plugins":[{"type":"p"}]}', "p"],
    ['{"tyqe":"b","plugins":[{"Type":"p"}]}', "p"],
  ])("of %s count where the exact one is missing or null", (config, type) => {
    expect(split(config).plugins[0]?.type).toBe(type);
  });

  it("stay in a plugin's stdin, before name and version, which a plugin in Go would else take from them", () => {
    expect(merge('{"CNIVersion":"0.3.1","Name":"cs","Type":"a","PrevResult":{}}', { prevResult: "{}" })).toBe(
      '{"CNIVersion":"0.3.1","Name":"cs","Type":"a","PrevResult":{},"name":"net-a","cniVersion":"1.1.0","prevResult":{}}',
    );
    expect(merge('{"Type":"a","RuntimeConfig":{"q":1}}')).toBe(
      '{"name":"net-a","cniVersion":"1.1.0","Type":"a","RuntimeConfig":{"q":1}}',
    );
    expect(merge('{"name":"x" , "NAME":"y"}')).toBe('{"NAME":"y","name":"net-a","cniVersion":"1.1.0"}');
  });

  it("say which capabilities a plugin has, and are not handed on", () => {
    const runtimeConfig = '{"mac":1,"ips":2}';
    const withArguments = (argument: string) =>
      `{"name":"net-a","cniVersion":"1.1.0","runtimeConfig":{${argument}}}`;
    expect(merge('{"Capabilities":{"mac":true}}', { runtimeConfig })).toBe(withArguments('"mac":1'));
    expect(merge('{"capabilities":{"ips":true},"Capabilities":{"mac":true}}', { runtimeConfig })).toBe(
      withArguments('"ips":2'),
    );
    expect(() => merge('{"Capabilities":3}')).toThrow(expect.objectContaining({ code: "not-an-object" }));
  });

  it("are replaced by what a selection asks for", () => {
    expect(
      adjust('{"Type":"a","DeviceID":"old","PCIBusID":"old","Args":{"x":1,"CNI":{"a":1,"b":2}}}', {
        deviceId: "d",
        cniArgs: '{"b":3}',
      }),
    ).toBe('{"deviceID":"d","pciBusID":"d","args":{"cni":{"b":3,"a":1},"x":1},"Type":"a"}');
    expect(adjust('{"Plugins":[{"Type":"a"}]}', { deviceId: "d" })).toBe(
      '{"Plugins":[{"deviceID":"d","pciBusID":"d","Type":"a"}]}',
    );
  });
});

describe("adjustConfig", () => {
  it("gives back the same bytes where there is nothing to do", () => {
    const config = ' { "name" : "net-a" , "type":"a" } ';
    expect(adjust(config, { defaultName: "other" })).toBe(config);
    expect(adjust(config, {})).toBe(config);
  });

  it.each([
    ["{}", '{"name":"net-a"}'],
    ["{ }", '{"name":"net-a" }'],
    ['{"name":""}', '{"name":"net-a"}'],
    ['{"name":"","type":"a"}', '{"name":"net-a","type":"a"}'],
    ['{"type":"a", "name":null}', '{"name":"net-a","type":"a"}'],
    ['{"name":"x","type":"a","name":"", "b":1}', '{"name":"net-a","type":"a", "b":1}'],
  ])("fills the name of %s", (config, wanted) => {
    expect(adjust(config, { defaultName: "net-a" })).toBe(wanted);
  });

  it("writes names that JSON must escape", () => {
    expect(JSON.parse(adjust("{}", { defaultName: 'a"\\\n\u001fé' }))).toEqual({ name: 'a"\\\n\u001fé' });
  });

  it("sets the device of every plugin, over what was there", () => {
    expect(
      adjust('{"plugins":[{"type":"a","deviceID":"old"},{"pciBusID":1}],"name":"n"}', {
        deviceId: "0000:3b:02.1",
      }),
    ).toBe(
      '{"plugins":[{"deviceID":"0000:3b:02.1","pciBusID":"0000:3b:02.1","type":"a"},{"deviceID":"0000:3b:02.1","pciBusID":"0000:3b:02.1"}],"name":"n"}',
    );
  });

  it("merges cniArgs into args.cni, cniArgs winning", () => {
    expect(
      adjust('{"type":"a","args":{"x":1.0,"cni":{"a":1,"\\u0062":2,"c":3.00}}}', {
        cniArgs: '{"b":[1, 2],"d":4}',
      }),
    ).toBe('{"args":{"cni":{"b":[1, 2],"d":4,"a":1,"c":3.00},"x":1.0},"type":"a"}');
  });

  it("makes args and args.cni where they are missing or null", () => {
    const cniArgs = '{"b":1}';
    expect(adjust('{"type":"a"}', { cniArgs })).toBe('{"args":{"cni":{"b":1}},"type":"a"}');
    expect(adjust('{"type":"a","args":null}', { cniArgs })).toBe('{"args":{"cni":{"b":1}},"type":"a"}');
    expect(adjust('{"type":"a","args":{"cni":null}}', { cniArgs })).toBe(
      '{"args":{"cni":{"b":1}},"type":"a"}',
    );
  });

  it.each([
    ['{"name":3}', {}, "config", "not-a-string", 8],
    ['{"type":"a","args":[]}', { cniArgs: "{}" }, "config", "not-an-object", 19],
    ['{"type":"a","args":{"cni":"x"}}', { cniArgs: "{}" }, "config", "not-an-object", 26],
    ['{"type":"a"}', { cniArgs: "[]" }, "cniArgs", "not-an-object", 0],
    ['{"type":"a"}', { cniArgs: '{"a":tru}' }, "cniArgs", "expected-value", 8],
    ['{"plugins":"a"}', { deviceId: "x" }, "config", "not-an-array", 11],
    ['{"plugins":["a"]}', { deviceId: "x" }, "config", "not-an-object", 12],
    [' {"name":"a"}', { deviceId: "x" }, "config", "missing", 1],
  ])("refuses %s with %j", (config, additions, input, code, offset) => {
    expect(() => adjust(config, additions)).toThrow(expect.objectContaining({ input, code, offset }));
  });
});

describe("mergeConfig", () => {
  it("sets name and version, and keeps everything else as it was written", () => {
    expect(
      merge(
        '{ "type" : "a", "name":"x", "n": 18446744073709551615,"cniVersion":"0.1.0", "z":[1.0,{"é":"\\u00e9"}] }',
      ),
    ).toBe(
      '{"name":"net-a","cniVersion":"1.1.0","type" : "a","n": 18446744073709551615,"z":[1.0,{"é":"\\u00e9"}]}',
    );
  });

  it("replaces prevResult only if there is one to set", () => {
    const plugin = '{"type":"a","prevResult":{"ips":[]}}';
    const set = '{"name":"net-a","cniVersion":"1.1.0","type":"a","prevResult":';
    expect(merge(plugin)).toBe(`${set}{"ips":[]}}`);
    expect(merge(plugin, { prevResult: ' {"big":18446744073709551615} ' })).toBe(
      `${set}{"big":18446744073709551615}}`,
    );
  });

  it("gives the plugin the arguments of its capabilities, and not the capabilities", () => {
    expect(
      merge('{"capabilities":{"mac":true,"ips":false,"portMappings":true,"bandwidth":null},"type":"a"}', {
        runtimeConfig: '{"mac":"02:00:00:00:00:01","ips":["10.0.0.1/8"],"bandwidth":{},"other":1}',
      }),
    ).toBe('{"name":"net-a","cniVersion":"1.1.0","type":"a","runtimeConfig":{"mac":"02:00:00:00:00:01"}}');
  });

  it("leaves a runtimeConfig of the plugin's own where no argument is for it", () => {
    const plugin = '{"runtimeConfig":{"q": 1.0},"capabilities":{"mac":true}}';
    const own = '{"name":"net-a","cniVersion":"1.1.0","runtimeConfig":{"q": 1.0}}';
    expect(merge(plugin)).toBe(own);
    expect(merge(plugin, { runtimeConfig: '{"ips":[]}' })).toBe(own);
    expect(merge(plugin, { runtimeConfig: '{"mac":"x"}' })).toBe(
      '{"name":"net-a","cniVersion":"1.1.0","runtimeConfig":{"mac":"x"}}',
    );
  });

  it("sets the valid attachments under both keys", () => {
    expect(
      merge('{"cni.dev/attachments":1,"cni.dev/valid-attachments":2}', {
        validAttachments: '[{"ifname":"eth0"}]',
      }),
    ).toBe(
      '{"name":"net-a","cniVersion":"1.1.0","cni.dev/valid-attachments":[{"ifname":"eth0"}],"cni.dev/attachments":[{"ifname":"eth0"}]}',
    );
  });

  it("drops every one of duplicate keys that it sets, and lets the last capabilities count", () => {
    expect(
      merge(
        '{"name":"a","capabilities":{"mac":true},"name":"b","n\\u0061me":3,"capabilities":{"ips":true}}',
        {
          runtimeConfig: '{"mac":1,"ips":2,"ips":3}',
        },
      ),
    ).toBe('{"name":"net-a","cniVersion":"1.1.0","runtimeConfig":{"ips":3}}');
  });

  it.each([
    ["[]", {}, "plugin", "not-an-object", 0],
    ['{"capabilities":1}', {}, "plugin", "not-an-object", 16],
    ['{"capabilities":{"a":1}}', { runtimeConfig: "{}" }, "plugin", "not-a-boolean", 21],
    ["{}", { prevResult: "[]" }, "prevResult", "not-an-object", 0],
    ["{}", { prevResult: "" }, "prevResult", "unexpected-end", 0],
    ["{}", { prevResult: '{"a":1}}' }, "prevResult", "trailing-bytes", 7],
    ["{}", { runtimeConfig: "null" }, "runtimeConfig", "not-an-object", 0],
    ["{}", { validAttachments: "{}" }, "validAttachments", "not-an-array", 0],
    ["{}}", {}, "plugin", "trailing-bytes", 2],
  ])("refuses %s with %j", (plugin, additions, input, code, offset) => {
    expect(() => merge(plugin, additions)).toThrow(expect.objectContaining({ input, code, offset }));
  });
});
