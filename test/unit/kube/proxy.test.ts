/** Requests and watches through proxies, as a kubeconfig or the environment name them. */

import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import type { ServerOptions } from "node:https";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { ApiUnreachable } from "../../../src/kube/api.ts";
import { ApiClient } from "../../../src/kube/api-client.ts";
import {
  certificateCredentials,
  inClusterCredentials,
  kubeconfigCredentials,
} from "../../../src/kube/credentials.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { type CertificateFiles, Certificates } from "../../support/cluster/certificates.ts";
import { type Echo, echo, HttpServer } from "../../support/http-server.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { TestProxy } from "./test-proxy.ts";

vi.setConfig({ testTimeout: 60_000 });

const directory = new ScratchDirectory("proxy");
let certificates: Certificates;
let serving: ServerOptions;
let strangers: Certificates;

beforeAll(async () => {
  certificates = await Certificates.create(`${directory.path}/cluster`);
  strangers = await Certificates.create(`${directory.path}/strangers`);
  serving = optionsOf(await certificates.serving("api"));
}, 60_000);
afterAll(() => directory[Symbol.dispose]());

const optionsOf = (files: CertificateFiles): ServerOptions => ({
  cert: readFileSync(files.certificate),
  key: readFileSync(files.key),
});

/** Answers with what it was asked; a watch with two lines, and then waits. */
const answer: RequestListener = (request, response) => {
  if (request.url?.includes("watch") === true) {
    response.writeHead(200).write('{"n":1}\n{"n":2}\n');
    return;
  }
  echo(request, response);
};

type Environment = Readonly<Record<string, string>>;

/** A client by a kubeconfig whose cluster has these keys. */
class Client implements Disposable {
  readonly #scratch = new ScratchDirectory("client");
  readonly api: ApiClient;

  constructor(cluster: object, env: Environment = {}) {
    const path = this.#scratch.write(
      "kubeconfig",
      stringify({
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    this.api = new ApiClient(kubeconfigCredentials(path, silentLogger, undefined, env));
  }

  async problem(): Promise<string> {
    const error = await this.api.request({ method: "GET", path: "/x" }).then(
      () => undefined,
      (problem: unknown) => problem,
    );
    expect(error).toBeInstanceOf(ApiUnreachable);
    return String(error);
  }

  [Symbol.dispose](): void {
    this.api.close();
    this.#scratch[Symbol.dispose]();
  }
}

const trusted = () => ({ "certificate-authority": certificates.authority.certificate });
const patch = {
  method: "PATCH",
  path: "/api/v1/x",
  contentType: "application/merge-patch+json",
  body: { a: "ä" },
} as const;

describe("through the proxy-url of a kubeconfig", () => {
  it.each(["http", "https"] as const)(
    "of a proxy of %s go requests, with TLS to the server itself, on one kept connection",
    async (protocol) => {
      await using server = await HttpServer.start(answer, serving);
      await using proxy = await TestProxy.http(protocol === "https" ? { tls: serving } : {});
      const address = `https://127.0.0.1:${server.port}`;
      // A proxy that is named for this cluster counts for this machine as well, and whatever NO_PROXY says.
      using client = new Client(
        { server: `${address}/k8s`, "proxy-url": `${protocol}://127.0.0.1:${proxy.port}`, ...trusted() },
        { NO_PROXY: "*", HTTPS_PROXY: "http://127.0.0.1:1" },
      );
      const first = await client.api.request<Echo>(patch);
      expect(first).toMatchObject({ method: "PATCH", url: "/k8s/api/v1/x", body: '{"a":"ä"}' });
      expect(first.headers).toMatchObject({ authorization: "Bearer t", host: `127.0.0.1:${server.port}` });
      expect(first.headers).not.toHaveProperty("proxy-authorization");
      await client.api.request<Echo>(patch);
      expect(proxy.asked).toEqual([`CONNECT 127.0.0.1:${server.port}`]);
      expect(server.connections).toBe(1);
    },
  );

  it("goes a watch; it ends where the proxy does", async () => {
    await using server = await HttpServer.start(answer, serving);
    const lines: unknown[] = [];
    const proxy = await TestProxy.http();
    using client = new Client({
      server: `https://127.0.0.1:${server.port}`,
      "proxy-url": `http://127.0.0.1:${proxy.port}`,
      ...trusted(),
    });
    const watch = client.api.watch({ method: "GET", path: "/x?watch=1" }, (line) => lines.push(line));
    await vi.waitFor(() => expect(lines).toEqual([{ n: 1 }, { n: 2 }]), { timeout: 20_000 });
    await Promise.all([expect(watch).rejects.toBeInstanceOf(ApiUnreachable), proxy[Symbol.asyncDispose]()]);
  });

  it("the server is known by its name and authority, not the proxy's", async () => {
    await using server = await HttpServer.start(answer, serving);
    await using proxy = await TestProxy.http();
    const cluster = {
      server: `https://api.example:${server.port}`,
      "proxy-url": `http://127.0.0.1:${proxy.port}`,
    };
    using stranger = new Client({ ...cluster, "certificate-authority": strangers.authority.certificate });
    expect(await stranger.problem()).toMatch(/api\.example.*certificate/);
    using misnamed = new Client({ ...cluster, ...trusted() });
    expect(await misnamed.problem()).toMatch(/api\.example/);
    using named = new Client({ ...cluster, ...trusted(), "tls-server-name": "kubernetes" });
    await named.api.request(patch);
    // No name is looked up here.
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT api.example:${server.port}`]));
  });

  it("a proxy of https is known by the cluster's authority, or not at all where nobody has to be", async () => {
    await using server = await HttpServer.start(answer, serving);
    const files = await strangers.serving("proxy");
    await using proxy = await TestProxy.http({ tls: optionsOf(files) });
    const cluster = {
      server: `https://127.0.0.1:${server.port}`,
      "proxy-url": `https://127.0.0.1:${proxy.port}`,
    };
    using stranger = new Client({ ...cluster, ...trusted() });
    expect(await stranger.problem()).toMatch(/: proxy https:\/\/127\.0\.0\.1:\d+: .*certificate/);
    expect(proxy.asked).toEqual([]);
    using careless = new Client({ ...cluster, "insecure-skip-tls-verify": true });
    await careless.api.request(patch);
  });

  it("requests in plain http name the server", async () => {
    await using server = await HttpServer.start(answer);
    const authorization = `Basic ${Buffer.from("us:p@ss").toString("base64")}`;
    await using proxy = await TestProxy.http({ authorization });
    using client = new Client({
      server: `http://127.0.0.1:${server.port}/k8s`,
      "proxy-url": `http://us:p%40ss@127.0.0.1:${proxy.port}`,
    });
    expect(await client.api.request<Echo>(patch)).toMatchObject({ url: "/k8s/api/v1/x", body: '{"a":"ä"}' });
    expect(proxy.asked).toEqual([`PATCH http://127.0.0.1:${server.port}/k8s/api/v1/x`]);
  });

  it("name and password are for the proxy alone, and in no error", async () => {
    await using server = await HttpServer.start(answer, serving);
    const authorization = `Basic ${Buffer.from("us:p@ss").toString("base64")}`;
    await using proxy = await TestProxy.http({ authorization });
    const cluster = { server: `https://127.0.0.1:${server.port}`, ...trusted() };
    using right = new Client({ ...cluster, "proxy-url": `http://us:p%40ss@127.0.0.1:${proxy.port}` });
    expect((await right.api.request<Echo>(patch)).headers).not.toHaveProperty("proxy-authorization");
    using wrong = new Client({ ...cluster, "proxy-url": `http://us:secret@127.0.0.1:${proxy.port}` });
    const problem = await wrong.problem();
    expect(problem).toContain(
      `${cluster.server}: proxy http://127.0.0.1:${proxy.port}: it refuses to connect to`,
    );
    expect(problem).toContain('HTTP 407 "Proxy Authentication Required"');
    expect(problem).not.toContain("secret");
  });

  it.each([
    ["none", undefined],
    ["with name and password", { name: "us", password: "p@ss" }],
  ] as const)("of SOCKS 5 go requests in https and http, names as they are: %s", async (_, user) => {
    await using secure = await HttpServer.start(answer, serving);
    await using plain = await HttpServer.start(answer);
    await using proxy = await TestProxy.socks(user);
    const proxyUrl = `socks5://${user === undefined ? "" : "us:p%40ss@"}127.0.0.1:${proxy.port}`;
    using client = new Client({
      server: `https://api.example:${secure.port}`,
      "proxy-url": proxyUrl,
      "tls-server-name": "kubernetes",
      ...trusted(),
    });
    expect(await client.api.request<Echo>(patch)).toMatchObject({ url: "/api/v1/x", body: '{"a":"ä"}' });
    using ofPlain = new Client({ server: `http://127.0.0.1:${plain.port}`, "proxy-url": proxyUrl });
    expect(await ofPlain.api.request<Echo>(patch)).toMatchObject({ url: "/api/v1/x" });
    expect(proxy.asked).toEqual([`SOCKS api.example:${secure.port}`, `SOCKS 127.0.0.1:${plain.port}`]);
  });

  it("that refuses, is away, says nothing or too much is an error that names it, and leaves no connection", async () => {
    const cluster = { server: "https://127.0.0.1:1", ...trusted() };
    {
      using away = new Client({ ...cluster, "proxy-url": "http://127.0.0.1:1" });
      expect(await away.problem()).toMatch(/proxy http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
    }
    const cases = [
      [
        (_: unknown, socket: { end(text: string): void }) =>
          socket.end("HTTP/1.1 502 Bad\x07 Gateway\r\n\r\n"),
        /HTTP 502|Parse Error|Invalid/,
      ],
      [
        (_: unknown, socket: { end(text: string): void }) =>
          socket.end("HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\n\r\n"),
        /HTTP 302/,
      ],
      [
        (_: unknown, socket: { end(text: string): void }) =>
          socket.end(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(100_000)}\r\n`),
        /[Oo]verflow/,
      ],
      [() => {}, /no connection to the server within 5 s/],
    ] as const;
    await Promise.all(
      cases.map(async ([onConnect, message]) => {
        await using proxy = await TestProxy.http({ onConnect });
        using client = new Client({ ...cluster, "proxy-url": `http://127.0.0.1:${proxy.port}` });
        const problem = await client.problem();
        expect(problem).toContain(`proxy http://127.0.0.1:${proxy.port}: `);
        expect(problem).toMatch(message);
        await vi.waitFor(() => expect(proxy.open).toBe(0), { timeout: 20_000 });
      }),
    );
  });

  it("another one is used once the kubeconfig names it", async () => {
    await using server = await HttpServer.start(answer, serving);
    await using one = await TestProxy.http();
    await using other = await TestProxy.http();
    using scratch = new ScratchDirectory();
    const write = ({ port }: TestProxy) =>
      scratch.write(
        "kubeconfig",
        stringify({
          clusters: [
            {
              name: "c",
              cluster: {
                server: `https://127.0.0.1:${server.port}`,
                "proxy-url": `http://127.0.0.1:${port}`,
                ...trusted(),
              },
            },
          ],
          contexts: [{ name: "x", context: { cluster: "c" } }],
          "current-context": "x",
        }),
      );
    const api = new ApiClient(kubeconfigCredentials(write(one), silentLogger, undefined, {}));
    await api.request(patch);
    write(other);
    await api.request(patch);
    api.close();
    expect([one.asked.length, other.asked.length]).toEqual([1, 1]);
  });
});

it("a certificate of the node's own is shown through the proxy of its kubeconfig", async () => {
  const files = await certificates.client("node-1", "system:multus:node-1", "system:multus");
  const authority = readFileSync(certificates.authority.certificate);
  const name: RequestListener = ({ socket }, response) =>
    response.end(JSON.stringify({ name: (socket as TLSSocket).getPeerCertificate().subject?.CN }));
  await using server = await HttpServer.start(name, { ...serving, ca: authority, requestCert: true });
  await using proxy = await TestProxy.http();
  using scratch = new ScratchDirectory();
  const cluster = {
    server: `https://127.0.0.1:${server.port}`,
    "proxy-url": `http://127.0.0.1:${proxy.port}`,
    ...trusted(),
  };
  const kubeconfig = scratch.write(
    "kubeconfig",
    stringify({
      clusters: [{ name: "c", cluster }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
      "current-context": "x",
    }),
  );
  const pair = scratch.write("pair", `${readFileSync(files.certificate)}${readFileSync(files.key)}`);
  const api = new ApiClient(certificateCredentials(kubeconfig, pair, silentLogger));
  expect(await api.request({ method: "GET", path: "/x" })).toEqual({ name: "system:multus:node-1" });
  api.close();
  expect(proxy.asked).toHaveLength(1);
});

describe("through the environment's proxy", () => {
  it("go requests of a kubeconfig and of a pod, but not those that NO_PROXY names", async () => {
    await using server = await HttpServer.start(answer, serving);
    await using proxy = await TestProxy.http();
    const env = { https_proxy: `127.0.0.1:${proxy.port}`, NO_PROXY: "10.0.0.0/8,.svc" };
    const name = "api.example";
    const cluster = {
      server: `https://${name}:${server.port}`,
      "tls-server-name": "kubernetes",
      ...trusted(),
    };
    using client = new Client(cluster, env);
    await client.api.request(patch);
    expect(proxy.asked).toEqual([`CONNECT ${name}:${server.port}`]);
    using excluded = new Client({ ...cluster, server: `https://127.0.0.1:${server.port}` }, env);
    await excluded.api.request(patch);
    expect(proxy.asked).toHaveLength(1);

    using pod = new ScratchDirectory();
    pod.write("token", "t");
    pod.write("ca.crt", readFileSync(certificates.authority.certificate));
    const service = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: String(server.port) };
    const accessOf = (more: Environment) =>
      inClusterCredentials(silentLogger, { ...env, ...service, ...more }, pod.path).access();
    expect((await accessOf({})).proxy).toBeUndefined();
    expect((await accessOf({ NO_PROXY: "" })).proxy?.address).toBe(`http://127.0.0.1:${proxy.port}`);
    const credentials = inClusterCredentials(silentLogger, { ...env, ...service, NO_PROXY: "" }, pod.path);
    expect(await credentials.access()).toBe(await credentials.access());
  });

  it("that cannot be used is an error with the variable's name, and not its value", async () => {
    for (const HTTPS_PROXY of [
      "ftp://us:secret@proxy.example",
      "http://us:%zzsecret@p",
      "socks5://us:%zzsecret@p",
      "://secret",
      "http://",
    ]) {
      using client = new Client({ server: "https://api.example", ...trusted() }, { HTTPS_PROXY });
      const problem = await client.problem();
      expect(problem).toContain("HTTPS_PROXY of the environment");
      expect(problem).not.toContain("secret");
    }
  });
});
