/** A collector of spans as far as a test needs one: takes what is sent by OTLP over HTTP, in protobuf, and reads it by the protocol's own definition. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { loadSync } from "@grpc/proto-loader";

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** "" where it has none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: string;
  /** Nanoseconds of the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  /** Texts and numbers as text, its own and its resource's. */
  readonly attributes: Readonly<Record<string, string>>;
  /** undefined: no error. */
  readonly error: string | undefined;
}

/** As proto-loader gives it: longs as text, enums by name. */
interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Message {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: Buffer;
        readonly spanId: Buffer;
        readonly parentSpanId: Buffer;
        readonly name: string;
        readonly kind: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly KeyValue[];
        readonly status: { readonly message: string; readonly code: string } | null;
      }[];
    }[];
  }[];
}

/** `never` keeps every request waiting. */
export type Answer = 200 | 503 | "never";

function loadReader(): (bytes: Buffer) => Message {
  const options = { longs: String, enums: String, defaults: true, oneofs: true };
  const service = loadSync(join(import.meta.dirname, "otlp.proto"), options)[
    "opentelemetry.proto.TraceService"
  ];
  const method = service !== undefined && "Export" in service ? service.Export : undefined;
  if (typeof method !== "object" || !("requestDeserialize" in method)) {
    throw new Error("otlp.proto has no TraceService.Export");
  }
  return method.requestDeserialize as (bytes: Buffer) => Message;
}

export class SpanCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Paths of all requests. */
  readonly paths: string[] = [];
  answer: Answer = 200;
  readonly #server = createServer((request, response) => {
    this.#take(request, response).catch(() => response.destroy());
  });
  readonly #read = loadReader();

  static async start(): Promise<SpanCollector> {
    const collector = new SpanCollector();
    collector.#server.listen(0, "127.0.0.1");
    await once(collector.#server, "listening");
    return collector;
  }

  /** Base address. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.paths.push(request.url ?? "");
    const bytes = Buffer.concat(await request.toArray());
    if (this.answer === "never") return;
    if (this.answer === 200) this.spans.push(...spansOf(this.#read(bytes)));
    response.writeHead(this.answer, { "Content-Type": "application/x-protobuf" }).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function spansOf({ resourceSpans }: Message): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId.toString("hex"),
        spanId: span.spanId.toString("hex"),
        parentSpanId: span.parentSpanId.toString("hex"),
        name: span.name,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: Object.fromEntries(
          [...resource.attributes, ...span.attributes].map(({ key, value }) => [
            key,
            String(value[String(value.value)]),
          ]),
        ),
        error: span.status?.code === "STATUS_CODE_ERROR" ? span.status.message : undefined,
      })),
    ),
  );
}
