/** Connections to an API server through a proxy: CONNECT for https, and requests in absolute form for http, over a proxy of http or https; or SOCKS 5. Loaded where there is one. */

import type { Agent, AgentOptions, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContext } from "node:tls";
import { errorText } from "../log/error-text.ts";
import { quoted } from "../log/quoted.ts";
import { type ServerProxy, type TlsSettings, tlsOptions } from "./access.ts";
import type { ProxyChoice } from "./proxy-environment.ts";
import { hostOf } from "./url-host.ts";

const http = process.getBuiltinModule("node:http");
const https = process.getBuiltinModule("node:https");
const net = process.getBuiltinModule("node:net");
const tls = process.getBuiltinModule("node:tls");

/** Until the proxy has connected to the server. */
const connectTimeoutMs = 5_000;

/** How a proxy of https is known. */
export interface ProxyTrust {
  /** PEM of the cluster's authority: Go's clients take it for the proxy, too. Those that everybody knows count as well. */
  readonly certificateAuthority: string | undefined;
  /** False: whoever answers is believed. */
  readonly verify: boolean;
}

/** @throws {Error} of node:tls for an authority that is no certificate */
export function makeProxy({ url }: ProxyChoice, trust: ProxyTrust): ServerProxy {
  return url.protocol.startsWith("socks") ? new SocksProxy(url) : new HttpProxy(url, trust);
}

/** Its address without name and password. */
function addressOf(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

/** The server that an agent is asked to connect to. */
interface Target {
  readonly host: string;
  readonly port: number | string;
}

type Connected = (error: Error | null, socket: Duplex) => void;
/** The same without a connection, as Node takes it and its types do not say. */
type NotConnected = (error: Error) => void;

/** An agent for servers of https whose connections are made by others; TLS is spoken with the server, so that a proxy sees nothing of it. */
class TunnelledTlsAgent extends https.Agent {
  readonly #connect: (target: Target) => Promise<Duplex>;

  constructor(options: AgentOptions, settings: TlsSettings, connect: (target: Target) => Promise<Duplex>) {
    super({ ...options, ...tlsOptions(settings) });
    this.#connect = connect;
  }

  override createConnection(options: Target & object, connected?: Connected): undefined {
    this.#connect(options).then(
      (socket) => {
        const secure = super.createConnection({ ...options, socket } as object);
        if (secure) connected?.(null, secure);
      },
      (error: Error) => (connected as NotConnected | undefined)?.(error),
    );
  }
}

/** An agent for servers of plain http. */
class ConnectingAgent extends http.Agent {
  readonly #connect: (target: Target) => Promise<Duplex>;

  constructor(options: AgentOptions, connect: (target: Target) => Promise<Duplex>) {
    super(options);
    this.#connect = connect;
  }

  override createConnection(options: Target & object, connected?: Connected): undefined {
    this.#connect(options).then(
      (socket) => connected?.(null, socket),
      (error: Error) => (connected as NotConnected | undefined)?.(error),
    );
  }
}

class HttpProxy implements ServerProxy {
  readonly address: string;
  readonly takesRequests = true;
  readonly headers: Readonly<Record<string, string>>;
  readonly #url: URL;
  readonly #port: number;
  readonly #verify: boolean;
  /** undefined: a proxy of plain http. */
  readonly #secureContext: SecureContext | undefined;

  constructor(url: URL, { certificateAuthority, verify }: ProxyTrust) {
    this.address = addressOf(url);
    this.#url = url;
    this.#verify = verify;
    const isSecure = url.protocol === "https:";
    this.#port = Number(url.port || (isSecure ? 443 : 80));
    if (isSecure) {
      const known = tls.getCACertificates("default");
      const ca = certificateAuthority === undefined ? known : [...known, certificateAuthority];
      this.#secureContext = tls.createSecureContext({ ca });
    }
    const { username, password } = url;
    const credentials = [username, password].map(decodeURIComponent).join(":");
    this.headers =
      username === "" && password === ""
        ? {}
        : { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
  }

  agent(options: AgentOptions, settings: TlsSettings | undefined): Agent {
    return settings === undefined
      ? new ConnectingAgent(options, async () => this.#reach())
      : new TunnelledTlsAgent(options, settings, (target) => this.#tunnel(target));
  }

  /** A connection to the proxy itself, that may not be made yet. */
  #reach(): Socket {
    const host = hostOf(this.#url);
    if (this.#secureContext === undefined) return net.connect({ host, port: this.#port });
    return tls.connect({
      host,
      port: this.#port,
      secureContext: this.#secureContext,
      rejectUnauthorized: this.#verify,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
    });
  }

  /** CONNECT (RFC 9110, section 9.3.6). */
  #tunnel({ host, port }: Target): Promise<Duplex> {
    const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      const request = http.request({
        method: "CONNECT",
        path: authority,
        headers: { host: authority, ...this.headers },
        // Without an agent: the connection is handed on.
        createConnection: () => this.#reach(),
      });
      const fail = (problem: string, cause?: unknown) => {
        clearTimeout(timer);
        request.destroy();
        reject(new Error(`proxy ${this.address}: ${problem}`, { cause }));
      };
      const timer = setTimeout(
        () => fail(`no connection to the server within ${connectTimeoutMs / 1000} s`),
        connectTimeoutMs,
      );
      const refused = ({ statusCode, statusMessage = "" }: IncomingMessage) =>
        fail(`it refuses to connect to ${authority}: HTTP ${statusCode} ${quoted(statusMessage)}`);
      request.once("connect", (response, socket, head) => {
        if (response.statusCode !== 200) {
          socket.destroy();
          refused(response);
          return;
        }
        clearTimeout(timer);
        // The server speaks second in TLS: nothing can have come.
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      request.once("response", refused);
      request.on("error", (error) => fail(errorText(error), error));
      request.end();
    });
  }
}

class SocksProxy implements ServerProxy {
  readonly address: string;
  readonly takesRequests = false;
  readonly headers = {};
  readonly #url: URL;

  constructor(url: URL) {
    this.address = addressOf(url);
    this.#url = url;
  }

  agent(options: AgentOptions, settings: TlsSettings | undefined): Agent {
    const connect = (target: Target) => this.#connect(target);
    return settings === undefined
      ? new ConnectingAgent(options, connect)
      : new TunnelledTlsAgent(options, settings, connect);
  }

  /** RFC 1928 and 1929. The proxy looks names up, for socks5 as for socks5h, as Go has it. */
  async #connect({ host, port }: Target): Promise<Duplex> {
    const { SocksClient } = await import("socks");
    const { username, password } = this.#url;
    try {
      const { socket } = await SocksClient.createConnection({
        proxy: {
          host: hostOf(this.#url),
          port: Number(this.#url.port || 1080),
          type: 5,
          ...(username === ""
            ? {}
            : { userId: decodeURIComponent(username), password: decodeURIComponent(password) }),
        },
        command: "connect",
        // Node hands a port on as its options have it: a text, too.
        destination: { host, port: Number(port) },
        timeout: connectTimeoutMs,
      });
      return socket;
    } catch (error) {
      throw new Error(`proxy ${this.address}: ${errorText(error)}`, { cause: error });
    }
  }
}
