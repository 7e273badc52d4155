/** Requests and watches over real connections: what arrives, what is tried again, what is an error. */

import { readFileSync } from "node:fs";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { ServerOptions } from "node:https";
import { createServer as createTcpServer } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import packageJson from "../../../package.json" with { type: "json" };
import type { Access, Credentials } from "../../../src/kube/access.ts";
import { ApiError, type ApiRequest, ApiUnreachable, answerTooLong } from "../../../src/kube/api.ts";
import { ApiClient } from "../../../src/kube/api-client.ts";
import { kubeconfigCredentials } from "../../../src/kube/credentials.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { type CertificateFiles, Certificates } from "../../support/cluster/certificates.ts";
import { type Echo, echo, HttpServer } from "../../support/http-server.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

/** Long enough for a machine with other work; what waits for it waits for something that comes. */
const patience = { timeout: 20_000 };
vi.setConfig({ testTimeout: 60_000 });

const get = (path: string): ApiRequest => ({ method: "GET", path });

/** A client without credentials, closed with the test. */
class Client implements Disposable {
  readonly api: ApiClient;

  constructor(server: { readonly port: number } | string, headers: Record<string, string> = {}) {
    const access = {
      server: new URL(typeof server === "string" ? server : `http://127.0.0.1:${server.port}`),
      tls: undefined,
      headers,
    };
    this.api = new ApiClient({ access: async () => access, renewed: async () => access });
  }

  [Symbol.dispose](): void {
    this.api.close();
  }
}

function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (value) => {
      throw new Error(`no failure: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

describe("a request", () => {
  it("is JSON in and out", async () => {
    await using server = await HttpServer.start(echo);
    using client = new Client(server, { authorization: "Bearer abc" });
    const request: ApiRequest = {
      method: "PATCH",
      path: "/api/v1/x?fieldManager=multus",
      body: { text: "päckchen" },
      contentType: "application/merge-patch+json",
      accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    };
    const answer = await client.api.request<Echo>(request);
    expect(answer).toMatchObject({ method: "PATCH", url: request.path, body: '{"text":"päckchen"}' });
    expect(answer.headers).toMatchObject({
      "content-type": "application/merge-patch+json",
      "content-length": "20",
      accept: request.accept,
      authorization: "Bearer abc",
      "user-agent": `multus-wasm/${packageJson.version}`,
      host: `127.0.0.1:${server.port}`,
    });
  });

  it("has no body, and asks for JSON, where nothing else is said", async () => {
    await using server = await HttpServer.start(echo);
    using client = new Client(server);
    const { headers, body } = await client.api.request<Echo>(get("/x"));
    expect(body).toBe("");
    expect(headers.accept).toBe("application/json");
    expect(headers).not.toHaveProperty("content-type");
  });

  it("goes below the server's own path", async () => {
    await using server = await HttpServer.start(echo);
    using client = new Client(`http://127.0.0.1:${server.port}/k8s/clusters/c-1/`);
    expect((await client.api.request<Echo>(get("/api"))).url).toBe("/k8s/clusters/c-1/api");
  });

  it("may be answered with nothing", async () => {
    await using server = await HttpServer.start((_request, response) => response.writeHead(204).end());
    using client = new Client(server);
    expect(await client.api.request(get("/x"))).toBeUndefined();
  });

  it("goes over IPv6", async () => {
    await using server = await HttpServer.start(echo, undefined, "::1");
    using client = new Client(`http://[::1]:${server.port}`);
    expect((await client.api.request<Echo>(get("/x"))).headers.host).toBe(`[::1]:${server.port}`);
  });

  it("is an ApiError where the server refuses", async () => {
    await using server = await HttpServer.start((_request, response) => {
      response.setHeader("retry-after", "2");
      sendJson(response, { kind: "Status", reason: "TooManyRequests", message: "later" }, 429);
    });
    using client = new Client(server);
    const error = await failureOf(client.api.request(get("/x")));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      status: 429,
      reason: "TooManyRequests",
      message: "GET /x: 429 later",
      retryAfterMs: 2_000,
    });
  });

  it("is unreachable where the answer is not JSON: no API server gives such a one", async () => {
    await using server = await HttpServer.start((_request, response) => response.end("<html>"));
    using client = new Client(server);
    const error = await failureOf(client.api.request(get("/x")));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(error).toMatchObject({ message: expect.stringContaining("the answer to GET /x is not JSON") });
  });

  it.each([
    ["and keeps the connection", "keep-alive"],
    ["and closes it", "close"],
  ])("is unreachable where the server wants to speak another protocol, %s", async (_case, then) => {
    await using server = await HttpServer.start((request) => {
      request.socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
      if (then === "close") request.socket.end();
    });
    using client = new Client(server);
    const error = await failureOf(client.api.request(get("/x")));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(String(error)).toContain("the connection ended without an answer");
  });

  it("is an ApiError where the answer does not end", async () => {
    await using server = await HttpServer.start((_request, response) => {
      const piece = Buffer.alloc(4 << 20, 0x20);
      const more = () => {
        while (response.writable && response.write(piece));
      };
      response.on("drain", more);
      more();
    });
    using client = new Client(server);
    const error = await failureOf(client.api.request({ ...get("/x"), timeoutMs: 60_000 }));
    expect(error).toMatchObject({
      name: "ApiError",
      reason: answerTooLong,
      message: "GET /x: the answer has more than 8388608 bytes",
    });
    await vi.waitFor(() => expect(server.open).toBe(0), patience);
  }, 60_000);

  it("is unreachable where nobody listens, saying whom and why", async () => {
    const server = await HttpServer.start(echo);
    const { port } = server;
    await server[Symbol.asyncDispose]();
    using client = new Client(`http://127.0.0.1:${port}`);
    const error = await failureOf(client.api.request(get("/x")));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(String(error)).toContain(`http://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`);
  });

  it("is unreachable where no answer comes in time", async () => {
    await using server = await HttpServer.start(() => {});
    using client = new Client(server);
    const error = await failureOf(client.api.request({ ...get("/x"), timeoutMs: 200 }));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(String(error)).toContain("no answer within 0.2 s");
    await vi.waitFor(() => expect(server.open).toBe(0), patience);
  });

  it("is unreachable where the answer does not end in time, or breaks off", async () => {
    await using server = await HttpServer.start((request, response) => {
      response.writeHead(200, { "content-length": "100" }).write('{"a":');
      if (request.url === "/broken") setImmediate(() => response.destroy());
    });
    using client = new Client(server);
    const slow = await failureOf(client.api.request({ ...get("/slow"), timeoutMs: 200 }));
    expect(slow).toBeInstanceOf(ApiUnreachable);
    expect(String(slow)).toContain("no answer within 0.2 s");
    expect(await failureOf(client.api.request(get("/broken")))).toBeInstanceOf(ApiUnreachable);
  });

  it("ends when its caller gives up, and when the client is closed", async () => {
    await using server = await HttpServer.start(() => {});
    using client = new Client(server);
    const givingUp = new AbortController();
    const first = failureOf(client.api.request({ ...get("/x"), signal: givingUp.signal }));
    const second = failureOf(client.api.request(get("/x")));
    await vi.waitFor(() => expect(server.open).toBe(2), patience);
    givingUp.abort();
    expect(await first).toBeInstanceOf(ApiUnreachable);
    client.api.close();
    expect(await second).toBeInstanceOf(ApiUnreachable);
    expect(await failureOf(client.api.request(get("/x")))).toBeInstanceOf(ApiUnreachable);
    await vi.waitFor(() => expect(server.open).toBe(0), patience);
  });
});

describe("connections", () => {
  it("are kept and used again", async () => {
    await using server = await HttpServer.start(echo);
    using client = new Client(server);
    for (let index = 0; index < 3; index++) await client.api.request(get("/x"));
    expect(server.connections).toBe(1);
  });

  it("are not more than 16 at once, and few of them are kept", async () => {
    const waiting: ServerResponse[] = [];
    await using server = await HttpServer.start((_request, response) => waiting.push(response));
    using client = new Client(server);
    const answers = Array.from({ length: 40 }, () => client.api.request({ ...get("/x"), timeoutMs: 20_000 }));
    let answered = 0;
    while (answered < answers.length) {
      const expected = Math.min(16, answers.length - answered);
      await vi.waitFor(() => expect(waiting).toHaveLength(expected), patience);
      // Time for one too many to show itself.
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(waiting).toHaveLength(expected);
      for (const response of waiting.splice(0)) sendJson(response, {});
      answered += expected;
    }
    await Promise.all(answers);
    await vi.waitFor(() => expect(server.open).toBe(4), patience);
  });

  /** Answers the first request of a connection, and closes it when a second one comes. */
  function closingServer(): Promise<HttpServer> {
    const answered = new WeakSet<object>();
    return HttpServer.start((request, response) => {
      if (answered.has(request.socket)) {
        request.socket.resetAndDestroy();
        return;
      }
      answered.add(request.socket);
      echo(request, response);
    });
  }

  it.each<Partial<ApiRequest> & Pick<ApiRequest, "method">>([
    { method: "GET" },
    { method: "PUT", body: {} },
    { method: "PATCH", body: {}, contentType: "application/merge-patch+json" },
  ])("that the server has closed meanwhile are replaced for %o", async (request) => {
    await using server = await closingServer();
    using client = new Client(server);
    await client.api.request(get("/warm"));
    expect(await client.api.request<Echo>({ path: "/again", ...request })).toMatchObject({
      method: request.method,
      url: "/again",
    });
    expect(server.connections).toBe(2);
  });

  it.each<Partial<ApiRequest> & Pick<ApiRequest, "method">>([
    { method: "POST", body: {} },
    { method: "PATCH", body: [], contentType: "application/json-patch+json" },
  ])("that break are not replaced for %o, which may have been received", async (request) => {
    await using server = await closingServer();
    using client = new Client(server);
    await client.api.request(get("/warm"));
    const error = await failureOf(client.api.request({ path: "/once", ...request }));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(server.connections).toBe(1);
  });

  it("that break when new are not replaced: there is no server", async () => {
    await using server = await HttpServer.start((request) => request.socket.destroy());
    using client = new Client(server);
    expect(await failureOf(client.api.request(get("/x")))).toBeInstanceOf(ApiUnreachable);
    expect(server.connections).toBe(1);
  });
});

describe("credentials", () => {
  /** Credentials that are those of `accesses`, one after each refusal. */
  function listed(accesses: readonly Access[]): Credentials & { renewals: number } {
    let index = 0;
    const at = () => accesses[index] ?? accesses.at(-1);
    return {
      renewals: 0,
      async access() {
        return at() as Access;
      },
      async renewed() {
        this.renewals += 1;
        index = Math.min(index + 1, accesses.length - 1);
        return at() as Access;
      },
    };
  }

  const accepting =
    (token: string): RequestListener =>
    (request, response) => {
      if (request.headers.authorization === token) sendJson(response, {});
      else sendJson(response, { kind: "Status", reason: "Unauthorized", message: "Unauthorized" }, 401);
    };

  it("are renewed once after a 401, and the request is made again", async () => {
    await using server = await HttpServer.start(accepting("new"));
    const url = new URL(`http://127.0.0.1:${server.port}`);
    const access = (authorization: string) => ({ server: url, tls: undefined, headers: { authorization } });
    const credentials = listed([access("old"), access("new")]);
    const api = new ApiClient(credentials);
    await api.request(get("/x"));
    await api.request(get("/x"));
    expect(credentials.renewals).toBe(1);
    // The same connection: who asks is in each request.
    expect(server.connections).toBe(1);
    api.close();
  });

  it("that stay as they are make the 401 final", async () => {
    let requests = 0;
    await using server = await HttpServer.start((request, response) => {
      requests += 1;
      accepting("other")(request, response);
    });
    const access = { server: new URL(`http://127.0.0.1:${server.port}`), tls: undefined, headers: {} };
    const api = new ApiClient(listed([access]));
    expect(await failureOf(api.request(get("/x")))).toMatchObject({ status: 401, reason: "Unauthorized" });
    expect(requests).toBe(1);
    api.close();
  });

  it("that are refused again make the 401 final", async () => {
    let requests = 0;
    await using server = await HttpServer.start((request, response) => {
      requests += 1;
      accepting("other")(request, response);
    });
    const url = new URL(`http://127.0.0.1:${server.port}`);
    const api = new ApiClient(
      listed(
        ["a", "b", "c"].map((authorization) => ({ server: url, tls: undefined, headers: { authorization } })),
      ),
    );
    expect(await failureOf(api.request(get("/x")))).toMatchObject({ status: 401 });
    expect(requests).toBe(2);
    api.close();
  });

  it("that cannot be had make the API unreachable", async () => {
    const api = new ApiClient(kubeconfigCredentials("/nonexistent/kubeconfig", silentLogger));
    const error = await failureOf(api.request(get("/x")));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(String(error)).toContain("/nonexistent/kubeconfig");
    expect(error).toMatchObject({ cause: { kind: "file" } });
    api.close();
  });

  it("that take too long count as no answer", async () => {
    const never = {
      access: () => new Promise<Access>(() => {}),
      renewed: () => new Promise<Access>(() => {}),
    };
    const api = new ApiClient(never);
    const error = await failureOf(api.request({ ...get("/x"), timeoutMs: 100 }));
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(String(error)).toContain("no answer within 0.1 s");
    api.close();
  });
});

describe("over TLS", () => {
  const directory = new ScratchDirectory("certificates");
  let certificates: Certificates;
  let serving: CertificateFiles;
  let node: CertificateFiles;
  let otherNode: CertificateFiles;
  let strangers: Certificates;

  beforeAll(async () => {
    certificates = await Certificates.create(`${directory.path}/cluster`);
    strangers = await Certificates.create(`${directory.path}/strangers`);
    serving = await certificates.serving("api");
    node = await certificates.client("node-1", "system:node:node-1", "system:nodes");
    otherNode = await certificates.client("node-2", "system:node:node-2", "system:nodes");
  }, 60_000);
  afterAll(() => directory[Symbol.dispose]());

  const tls = (files: CertificateFiles, more: ServerOptions = {}): ServerOptions => ({
    cert: readFileSync(files.certificate),
    key: readFileSync(files.key),
    ...more,
  });

  function clientOf(scratch: ScratchDirectory, server: string, user: object, cluster: object): ApiClient {
    const path = scratch.write(
      "kubeconfig",
      stringify({
        clusters: [{ name: "c", cluster: { server, ...cluster } }],
        users: [{ name: "u", user }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    return new ApiClient(kubeconfigCredentials(path, silentLogger));
  }

  it("the server's authority is checked, and its name", async () => {
    await using server = await HttpServer.start(echo, tls(serving));
    using scratch = new ScratchDirectory();
    const trusted = { "certificate-authority": certificates.authority.certificate };
    const foreign = { "certificate-authority": strangers.authority.certificate };
    const address = `https://127.0.0.1:${server.port}`;

    const good = clientOf(scratch, address, { token: "t" }, trusted);
    expect((await good.request<Echo>(get("/x"))).headers.authorization).toBe("Bearer t");
    good.close();

    const stranger = clientOf(scratch, address, { token: "t" }, foreign);
    const mistrust = await failureOf(stranger.request(get("/x")));
    expect(mistrust).toBeInstanceOf(ApiUnreachable);
    expect(String(mistrust)).toMatch(new RegExp(`${address}: .*certificate`));
    stranger.close();

    const misnamed = clientOf(
      scratch,
      address,
      { token: "t" },
      { ...trusted, "tls-server-name": "elsewhere" },
    );
    expect(String(await failureOf(misnamed.request(get("/x"))))).toContain("elsewhere");
    misnamed.close();

    const named = clientOf(scratch, address, { token: "t" }, { ...trusted, "tls-server-name": "kubernetes" });
    await named.request(get("/x"));
    named.close();

    const careless = clientOf(scratch, address, {}, { "insecure-skip-tls-verify": true });
    await careless.request(get("/x"));
    careless.close();
  });

  /** Answers with the common name of the client's certificate. */
  const whoIsIt: RequestListener = (request, response) => {
    sendJson(response, { name: (request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? "" });
  };

  it("a client certificate is shown, and its successor once the file has changed", async () => {
    const authority = readFileSync(certificates.authority.certificate);
    const mutual = tls(serving, { ca: authority, requestCert: true, rejectUnauthorized: true });
    await using server = await HttpServer.start(whoIsIt, mutual);
    using scratch = new ScratchDirectory();
    // Both in one file, as a kubelet has them.
    const pem = (files: CertificateFiles) =>
      Buffer.concat([readFileSync(files.certificate), readFileSync(files.key)]);
    scratch.write("current.pem", pem(node));
    const user = { "client-certificate": "current.pem", "client-key": "current.pem" };
    const api = clientOf(scratch, `https://127.0.0.1:${server.port}`, user, {
      "certificate-authority": certificates.authority.certificate,
    });
    expect(await api.request(get("/x"))).toEqual({ name: "system:node:node-1" });
    scratch.write("current.pem", pem(otherNode));
    expect(await api.request(get("/x"))).toEqual({ name: "system:node:node-2" });
    expect(server.connections).toBe(2);
    await vi.waitFor(() => expect(server.open).toBe(1), patience);
    api.close();
  });

  it("a handshake that does not end counts as no answer", async () => {
    const server = createTcpServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    using scratch = new ScratchDirectory();
    const api = clientOf(scratch, `https://127.0.0.1:${address.port}`, {}, {});
    const error = await failureOf(api.request({ ...get("/x"), timeoutMs: 200 }));
    expect(String(error)).toContain("no answer within 0.2 s");
    api.close();
    server.close();
  });
});

describe("a watch", () => {
  /** A server that hands over each watch's response. */
  async function watchServer(): Promise<{ server: HttpServer; watches: ServerResponse[]; urls: string[] }> {
    const watches: ServerResponse[] = [];
    const urls: string[] = [];
    const server = await HttpServer.start((request: IncomingMessage, response) => {
      urls.push(request.url ?? "");
      if (request.url === "/plain") sendJson(response, {});
      else {
        response.writeHead(200).flushHeaders();
        watches.push(response);
      }
    });
    return { server, watches, urls };
  }

  it("gives each line as it comes, until the server ends", async () => {
    const { server, watches } = await watchServer();
    await using _server = server;
    using client = new Client(server);
    const lines: unknown[] = [];
    let opened = 0;
    const watch = client.api.watch(
      { ...get("/watch"), timeoutMs: 20_000 },
      (line) => lines.push(line),
      () => opened++,
    );
    await vi.waitFor(() => expect(opened).toBe(1), patience);
    const text = Buffer.from('{"type":"ADDED","object":{"text":"päckchen"}}\n{"type":"BOOK');
    const half = text.indexOf("ä") + 1;
    watches[0]?.write(text.subarray(0, half));
    watches[0]?.write(text.subarray(half));
    await vi.waitFor(
      () => expect(lines).toEqual([{ type: "ADDED", object: { text: "päckchen" } }]),
      patience,
    );
    watches[0]?.end('MARK"}\n');
    await watch;
    expect(lines).toHaveLength(2);
    expect(opened).toBe(1);
  });

  it("leaves room for other requests", async () => {
    const { server } = await watchServer();
    await using _server = server;
    using client = new Client(server);
    const watches = [1, 2].map(() => failureOf(client.api.watch(get("/watch"), () => {})));
    await vi.waitFor(() => expect(server.open).toBe(2), patience);
    await client.api.request(get("/plain"));
    expect(server.connections).toBe(3);
    client.api.close();
    for (const watch of watches) expect(await watch).toBeInstanceOf(ApiUnreachable);
  });

  it.each([
    ["is cut off", (response: ServerResponse) => response.destroy(), "the connection broke"],
    [
      "ends in the middle of a line",
      (response: ServerResponse) => response.end('{"type":"ADD'),
      "the watch ended in the middle of a line",
    ],
    ["is not JSON", (response: ServerResponse) => response.write("{]\n"), "a line that is not JSON"],
    [
      "has a line that does not end",
      (response: ServerResponse) => response.write(Buffer.alloc((4 << 20) + 1, 0x20)),
      "a line of more than 4194304 bytes",
    ],
  ])("fails where it %s", async (_case, act, text) => {
    const { server, watches } = await watchServer();
    await using _server = server;
    using client = new Client(server);
    const failed = failureOf(client.api.watch({ ...get("/watch"), timeoutMs: 20_000 }, () => {}));
    await vi.waitFor(() => expect(watches).toHaveLength(1), patience);
    watches[0]?.write('{"type":"BOOKMARK"}\n');
    const [response] = watches;
    if (response !== undefined) act(response);
    const error = await failed;
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(String(error)).toContain(text);
  });

  it("fails after the longest silence, which each piece begins anew", async () => {
    const { server, watches } = await watchServer();
    await using _server = server;
    using client = new Client(server);
    let lines = 0;
    const begin = performance.now();
    const failed = failureOf(client.api.watch({ ...get("/watch"), timeoutMs: 2_000 }, () => lines++));
    await vi.waitFor(() => expect(watches).toHaveLength(1), patience);
    const timer = setInterval(() => watches[0]?.write("{}\n"), 200);
    await vi.waitFor(() => expect(lines).toBeGreaterThan(12), patience);
    expect(performance.now() - begin).toBeGreaterThan(2_000);
    clearInterval(timer);
    expect(String(await failed)).toContain("nothing was heard for 2 s");
  });

  it("fails with what its reader throws", async () => {
    const { server, watches } = await watchServer();
    await using _server = server;
    using client = new Client(server);
    const problem = new ApiError(410, "Expired", "too old");
    const failed = failureOf(
      client.api.watch({ ...get("/watch"), timeoutMs: 20_000 }, () => {
        throw problem;
      }),
    );
    await vi.waitFor(() => expect(watches).toHaveLength(1), patience);
    watches[0]?.write("{}\n");
    expect(await failed).toBe(problem);
    await vi.waitFor(() => expect(server.open).toBe(0), patience);
  });

  it("is refused like a request", async () => {
    await using server = await HttpServer.start((_request, response) =>
      sendJson(response, { kind: "Status", reason: "Expired", message: "too old" }, 410),
    );
    using client = new Client(server);
    let opened = 0;
    const error = await failureOf(
      client.api.watch(
        get("/watch"),
        () => {},
        () => opened++,
      ),
    );
    expect(error).toMatchObject({ name: "ApiError", status: 410, reason: "Expired" });
    expect(opened).toBe(0);
  });

  it("ends, without an error, when another server is to be used", async () => {
    const { server, watches } = await watchServer();
    await using _server = server;
    await using other = await HttpServer.start(echo);
    let port = server.port;
    const access = () => ({ server: new URL(`http://127.0.0.1:${port}`), tls: undefined, headers: {} });
    const api = new ApiClient({ access: async () => access(), renewed: async () => access() });
    const watch = api.watch({ ...get("/watch"), timeoutMs: 20_000 }, () => {});
    await vi.waitFor(() => expect(watches).toHaveLength(1), patience);
    port = other.port;
    await api.request(get("/x"));
    await watch;
    await vi.waitFor(() => expect(server.open).toBe(0), patience);
    api.close();
  });
});
