/** Part of an API server: lists of objects, texts, and commands in containers by WebSocket, with answers as a test says. The real one with a kubelet is in the cluster tests. */

import { createServer, type Server } from "node:http";
import type WebSocket from "ws";
import { WebSocketServer } from "ws";
import { ListeningServer } from "./listening-server.ts";

export interface SeenExec {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  readonly authorization: string;
}

/** How a command ends: pieces of what it prints, and its exit code, or the Status object that the server sends, or a refusal before it begins. */
export type ExecEnd =
  | {
      readonly stdout?: readonly string[];
      readonly stderr?: readonly string[];
      readonly exitCode?: number;
      readonly status?: object;
    }
  | { readonly refused: number; readonly message: string }
  /** The connection breaks, or nothing comes. */
  | "cut"
  | "silence";

export type Exec = (seen: SeenExec) => ExecEnd;

const protocol = "v5.channel.k8s.io";

export class ExecServer extends ListeningServer {
  /** `METHOD /path?query` */
  readonly asked: string[] = [];
  /** Answers by path without its query: an object or list as JSON, a text as it is, a number as a refusal. */
  readonly answers = new Map<string, object | string | number>();
  readonly execs: SeenExec[] = [];

  private constructor(server: Server, exec: Exec) {
    super(server);
    const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => protocol });
    server.on("request", (request, response) => {
      this.asked.push(`${request.method} ${request.url}`);
      const [path = ""] = (request.url ?? "").split("?");
      const answer = this.answers.get(path) ?? 404;
      if (typeof answer === "string") response.writeHead(200, { "content-type": "text/plain" }).end(answer);
      else if (typeof answer === "object") response.writeHead(200).end(JSON.stringify(answer));
      else response.writeHead(answer).end(JSON.stringify({ kind: "Status", message: `no ${path}` }));
    });
    server.on("upgrade", (request, socket, head) => {
      this.keep(socket);
      const url = new URL(request.url ?? "", "http://server");
      const [, namespace = "", pod = ""] =
        /\/namespaces\/([^/]+)\/pods\/([^/]+)\/exec$/.exec(url.pathname) ?? [];
      const { authorization = "" } = request.headers;
      const container = url.searchParams.get("container") ?? "";
      const seen = { namespace, pod, container, command: url.searchParams.getAll("command"), authorization };
      this.execs.push(seen);
      const end = exec(seen);
      // Read, so that the client's end is seen.
      if (end === "silence") socket.on("end", () => socket.end()).resume();
      else if (end === "cut") socket.destroy();
      else if ("refused" in end) {
        const body = JSON.stringify({ kind: "Status", message: end.message, code: end.refused });
        socket.end(`HTTP/1.1 ${end.refused} no\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      } else webSockets.handleUpgrade(request, socket, head, (client) => play(client, end));
    });
  }

  static async start(exec: Exec): Promise<ExecServer> {
    const server = new ExecServer(createServer(), exec);
    await server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A kubeconfig for it, as YAML (JSON is YAML). */
  kubeconfig(token = "first"): string {
    const name = "here";
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server: this.url } }],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      "current-context": name,
    });
  }
}

function play(
  client: WebSocket,
  { stdout = [], stderr = [], exitCode = 0, status }: Exclude<ExecEnd, string | { refused: number }>,
) {
  const send = (channel: number, text: string) =>
    client.send(Buffer.from(`${String.fromCharCode(channel)}${text}`));
  // As kubelets do: first an empty message of each channel.
  for (const channel of [1, 2]) send(channel, "");
  for (const text of stdout) send(1, text);
  for (const text of stderr) send(2, text);
  const failure = {
    status: "Failure",
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(exitCode) }] },
  };
  send(3, JSON.stringify(status ?? (exitCode === 0 ? { status: "Success" } : failure)));
  client.close();
}
