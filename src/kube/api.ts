/** Requests to a Kubernetes API server, as the rest of src/kube makes them. */

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** With its query: `/api/v1/namespaces/default/pods/web`. */
  readonly path: string;
  readonly body?: unknown;
  /** Of the body; default application/json. */
  readonly contentType?: string | undefined;
  /** The media type of the answer; default application/json. {@link metadataOnly} is another. */
  readonly accept?: string | undefined;
  /** Milliseconds until the whole answer has to be there; default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Bytes of the longest answer; default 8 MiB. A watch has no such limit. */
  readonly maxBytes?: number | undefined;
  /** A large answer is parsed when it is its turn ({@link largeWork}): what a pod or its author has the daemon ask for. */
  readonly isPaced?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Api {
  /**
   * @returns the answer's body, parsed
   * @throws {ApiError} for every status but 2xx @throws {ApiUnreachable} where no answer came
   */
  request<Answer>(request: ApiRequest): Promise<Answer>;
  /**
   * A watch: calls `onLine` with every line of the answer, parsed, until the server ends it.
   * @param request its `timeoutMs` is the longest silence
   * @param onOpen called when the server has begun to answer
   * @throws {ApiError} {@link ApiUnreachable} as `request`; also where the answer ends in the middle of a line
   */
  watch(request: ApiRequest, onLine: (line: unknown) => void, onOpen?: () => void): Promise<void>;
}

/** An API whose connections can be closed. */
export interface Connection extends Api {
  close(): void;
}

/** For `accept` of one object or a watch: without spec and status, of any type. Of a pod that is a tenth. */
export const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/** For `accept` of a list: {@link metadataOnly} of its items. */
export const listMetadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** `reason` of an {@link ApiError} that no server gives: the answer is longer than the client takes. */
export const answerTooLong = "AnswerTooLong";

/** The server answered with a status other than 2xx, or with something else than was asked for. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** Of the Status object: `NotFound`, `Expired`, `Forbidden` …; "" where there is none. */
  readonly reason: string;
  /** Milliseconds that the server asks to wait (Retry-After); undefined where it does not. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer (connection refused, reset or timed out, TLS failed, no credentials), or one that no API server gives. */
export class ApiUnreachable extends Error {
  override readonly name = "ApiUnreachable";
}

/** Is a retry worthwhile? After 429, 500, 502, 503, 504, and where no answer came. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof ApiUnreachable ||
    (error instanceof ApiError && [429, 500, 502, 503, 504].includes(error.status))
  );
}
