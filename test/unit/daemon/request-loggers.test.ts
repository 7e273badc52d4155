import { describe, expect, test } from "vitest";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { type LogKeys, logSettings } from "../../../src/log/settings.ts";

const all = new Loggers(() => {});

function loggerOf(daemonKeys: LogKeys, netconf: unknown) {
  const text = typeof netconf === "string" ? netconf : JSON.stringify(netconf);
  return new RequestLoggers(all, daemonKeys).for(Buffer.from(text));
}

const expected = (keys: LogKeys) => all.get(logSettings(keys));

describe("a request's log", () => {
  test("is the daemon's where the netconf says nothing", () => {
    const daemonKeys = { logLevel: "debug", logToStderr: false };
    expect(loggerOf(daemonKeys, { name: "n" })).toBe(expected(daemonKeys));
    expect(loggerOf(daemonKeys, { name: "login" })).toBe(expected(daemonKeys));
  });

  test("follows the netconf in the keys that the daemon does not set", () => {
    const netconf = {
      name: "n",
      logLevel: "Verbose",
      logFile: "/var/log/netconf.log",
      logToStderr: false,
      logOptions: { maxSize: 7 },
    };
    expect(loggerOf({}, netconf)).toBe(expected(netconf));
    expect(loggerOf({ logLevel: "error", logToStderr: true }, netconf)).toBe(
      expected({ ...netconf, logLevel: "error", logToStderr: true }),
    );
    expect(loggerOf({ logFile: "/var/log/daemon.log", logOptions: { maxAge: 1 } }, netconf)).toBe(
      expected({ ...netconf, logFile: "/var/log/daemon.log", logOptions: { maxAge: 1 } }),
    );
  });

  test("follows the netconf's keys in any case, as Go does", () => {
    const settings = { logLevel: "debug", logFile: "/var/log/case.log" };
    expect(loggerOf({}, { name: "n", LogLevel: "debug", LOGFILE: "/var/log/case.log" })).toBe(
      expected(settings),
    );
  });

  test.each([
    '{"logLevel": 5, "logFile": [], "logToStderr": "no", "logOptions": {"maxAge": "old"}}',
    '{"logLevel": null, "logOptions": null}',
    '{"logLevel": "loud"}',
    '{"logOptions": {"maxSize": -1}}',
    '["logLevel"]',
    '"logLevel"',
    '{"logLevel": "debug',
    "",
  ])("takes nothing from %j, and leaves what is wrong with it to the request's answer", (netconf) => {
    expect(loggerOf({}, netconf)).toBe(expected({}));
  });
});
