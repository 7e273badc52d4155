/** Connections to an API server through a proxy: CONNECT for https, and requests in absolute form for http, over a proxy of http or https; or SOCKS 5. Loaded where there is one. */

import type { Agent, AgentOptions, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorText } from "../log/error-text.ts";
import { quoted } from "../log/quoted.ts";
import { hostOf, type ServerProxy, type TlsSettings } from "./access.ts";

const http = process.getBuiltinModule("node:http");
const https = process.getBuiltinModule("node:https");
const net = process.getBuiltinModule("node:net");
const tls = process.getBuiltinModule("node:tls");

/** Until the proxy has connected to the server. */
const connectTimeoutMs = 5_000;

/** The server that an agent is asked to connect to. */
interface Target {
  readonly host: string;
  readonly port: number | string;
}

/** Makes a connection to a server. */
type Connect = (target: Target) => Promise<Duplex>;

/**
 * @param url of http, https, socks5 or socks5h
 * @param certificateAuthority PEM of the cluster's authority: as in Go's clients it may sign a proxy of https, too, beside the authorities that Node knows
 * @param verify false: any certificate of the proxy is accepted
 * @throws {Error} of node:tls for an authority that is no certificate
 */
export function makeProxy(url: URL, certificateAuthority: string | undefined, verify: boolean): ServerProxy {
  return url.protocol.startsWith("socks") ? socksProxy(url) : httpProxy(url, certificateAuthority, verify);
}

/** The address of a proxy without name and password. */
function addressOf(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

function httpProxy(url: URL, certificateAuthority: string | undefined, verify: boolean): ServerProxy {
  const reach = connectorTo(url, certificateAuthority, verify);
  const address = addressOf(url);
  const { userId, password } = userOf(url);
  const headers: Record<string, string> =
    userId === "" && password === ""
      ? {}
      : { "proxy-authorization": `Basic ${Buffer.from(`${userId}:${password}`).toString("base64")}` };
  return {
    address,
    takesRequests: true,
    headers,
    agent: (options, settings) =>
      connectingAgent(options, settings, async (target) =>
        settings === undefined ? reach() : tunnel(target, address, headers, reach),
      ),
  };
}

/** Makes connections to the proxy itself, which may not be there yet when it returns. @throws {Error} of node:tls */
function connectorTo(url: URL, certificateAuthority: string | undefined, verify: boolean): () => Socket {
  const host = hostOf(url);
  const isSecure = url.protocol === "https:";
  const port = Number(url.port || (isSecure ? 443 : 80));
  if (!isSecure) return () => net.connect({ host, port });
  const known = tls.getCACertificates("default");
  const ca = certificateAuthority === undefined ? known : [...known, certificateAuthority];
  const secureContext = tls.createSecureContext({ ca });
  const servername = net.isIP(host) === 0 ? host : undefined;
  return () => tls.connect({ host, port, secureContext, rejectUnauthorized: verify, servername });
}

/** CONNECT (RFC 9110, section 9.3.6). */
function tunnel(
  { host, port }: Target,
  proxyAddress: string,
  proxyHeaders: Readonly<Record<string, string>>,
  reach: () => Socket,
): Promise<Duplex> {
  const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    const request = http.request({
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...proxyHeaders },
      // Without an agent: the connection is handed on.
      createConnection: reach,
    });
    const fail = (problem: string, cause?: unknown) => {
      clearTimeout(timer);
      request.destroy();
      reject(new Error(`proxy ${proxyAddress}: ${problem}`, { cause }));
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

/** RFC 1928 and 1929. The proxy looks names up, for socks5 as for socks5h, as Go has it. */
function socksProxy(url: URL): ServerProxy {
  const address = addressOf(url);
  const { userId, password } = userOf(url);
  const connect: Connect = async ({ host, port }) => {
    const { SocksClient } = await import("socks");
    try {
      const { socket } = await SocksClient.createConnection({
        proxy: {
          host: hostOf(url),
          port: Number(url.port || 1080),
          type: 5,
          ...(userId === "" ? {} : { userId, password }),
        },
        command: "connect",
        // Node hands a port on as its options have it: a text, too.
        destination: { host, port: Number(port) },
        timeout: connectTimeoutMs,
      });
      return socket;
    } catch (error) {
      throw new Error(`proxy ${address}: ${errorText(error)}`, { cause: error });
    }
  };
  const agent = (options: AgentOptions, settings: TlsSettings | undefined) =>
    connectingAgent(options, settings, connect);
  return { address, takesRequests: false, headers: {}, agent };
}

/** Name and password for a proxy; "" where there is none. */
function userOf({ username, password }: URL): { readonly userId: string; readonly password: string } {
  return { userId: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/** An agent whose connections `connect` makes. @param settings for https: TLS is spoken with the server, so that a proxy sees nothing of it */
function connectingAgent(options: AgentOptions, settings: TlsSettings | undefined, connect: Connect): Agent {
  const agent =
    settings === undefined ? new http.Agent(options) : new https.Agent({ ...options, ...settings });
  const secure = agent.createConnection;
  // Node takes an error alone as well, which its types do not say.
  type Connected = (error: Error | null, socket?: Duplex) => void;
  return Object.assign(agent, {
    createConnection(target: Target, connected: Connected): undefined {
      connect(target).then((socket) => {
        const connection = settings === undefined ? socket : secure.call(agent, { ...target, socket });
        if (connection) connected(null, connection);
      }, connected);
    },
  });
}
