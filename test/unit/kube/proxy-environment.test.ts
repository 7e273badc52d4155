/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY by the rules of golang.org/x/net/http/httpproxy. */

import { describe, expect, it } from "vitest";
import { environmentProxy, namesProxy } from "../../../src/kube/proxy-environment.ts";

const proxyFor = (server: string, env: Readonly<Record<string, string>>) =>
  environmentProxy(new URL(server), env)?.url.href;

describe("the environment's proxy", () => {
  it.each([
    ["https://api.example", { HTTPS_PROXY: "http://p:3128" }, "http://p:3128/"],
    ["https://api.example", { https_proxy: "p:3128" }, "http://p:3128/"],
    ["https://api.example", { https_proxy: "p" }, "http://p/"],
    ["https://api.example", { HTTPS_PROXY: "https://p", https_proxy: "http://q" }, "https://p/"],
    ["https://api.example", { HTTPS_PROXY: "", https_proxy: "http://q" }, "http://q/"],
    ["https://api.example", { HTTP_PROXY: "http://p", ALL_PROXY: "http://p" }, undefined],
    ["http://api.example", { HTTP_PROXY: "socks5://p:1080", HTTPS_PROXY: "http://q" }, "socks5://p:1080"],
    ["http://api.example", { http_proxy: "http://us:pw@[::1]:1" }, "http://us:pw@[::1]:1/"],
    ["https://localhost:6443", { HTTPS_PROXY: "http://p" }, undefined],
    ["https://127.8.0.1:6443", { HTTPS_PROXY: "http://p" }, undefined],
    ["https://[::1]:6443", { HTTPS_PROXY: "http://p" }, undefined],
  ])("for %s of %j is %s", (server, env, expected) => {
    expect(proxyFor(server, env)).toBe(expected);
  });

  it("may be there for some server, or for none", () => {
    for (const name of ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]) {
      expect(namesProxy({ [name]: "x" })).toBe(true);
      expect(namesProxy({ [name]: "" })).toBe(false);
    }
    expect(namesProxy({ NO_PROXY: "*", ALL_PROXY: "x" })).toBe(false);
  });
});

describe("NO_PROXY", () => {
  it.each([
    ["*", "https://api.example", true],
    ["x, *", "https://api.example", true],
    ["api.example", "https://api.example", true],
    ["API.Example", "https://api.EXAMPLE", true],
    ["example", "https://api.example", true],
    [".example", "https://api.example", true],
    ["*.example", "https://api.example", true],
    [".api.example", "https://api.example", false],
    ["*.api.example", "https://api.example", false],
    ["pi.example", "https://api.example", false],
    ["api.example:443", "https://api.example", true],
    ["api.example:6443", "https://api.example", false],
    ["example:6443", "https://api.example:6443", true],
    [" , ,api.example ,", "https://api.example", true],
    ["", "https://api.example", false],
    ["10.0.0.0/8", "https://10.96.0.1:443", true],
    ["10.0.0.0/8", "https://11.0.0.1", false],
    ["10.96.0.1", "https://10.96.0.1", true],
    ["10.96.0.1:443", "https://10.96.0.1", true],
    ["10.96.0.1:6443", "https://10.96.0.1", false],
    ["10.96.0", "https://10.96.0.1", false],
    ["96.0.1", "https://10.96.0.1", true],
    ["10.0.0.0/33", "https://10.0.0.0", false],
    ["10.0.0.0/", "https://10.0.0.0", false],
    ["0.0.0.0/0", "https://10.96.0.1", true],
    ["0.0.0.0/0", "https://[fd00::1]", false],
    ["fd00::/8", "https://[fd00:0:0::1]:6443", true],
    ["fd00::1", "https://[fd00:0::1]", true],
    ["[fd00::1]:6443", "https://[fd00::1]:6443", true],
    ["[fd00::1]:6443", "https://[fd00::1]", false],
    ["[fd00::1]", "https://[fd00::1]", true],
    ["fd00::2", "https://[fd00::1]", false],
    ["api.example/24,10.0.0.0/8/8,/,:,:443,[", "https://api.example", false],
  ])("%j leaves %s out: %s", (NO_PROXY, server, isLeftOut) => {
    const proxy = proxyFor(server, { HTTPS_PROXY: "http://p", NO_PROXY });
    expect(proxy).toBe(isLeftOut ? undefined : "http://p/");
  });

  it("counts in lower case, too", () => {
    expect(proxyFor("https://a", { HTTPS_PROXY: "p", no_proxy: "a" })).toBeUndefined();
  });
});
