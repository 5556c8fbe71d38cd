/**
 * Requests of the public API as its document has them: a wrong path, query or body does not compile.
 * Sending them is the caller's: it knows its time limits and what it repeats. Pure.
 */
import { API_REQUESTS, type ApiOperations } from "./api_types.ts";

export type OperationName = keyof ApiOperations;

/** What an operation takes: `path`, `query` and `body`, as far as it has them. */
export type ApiInput<Name extends OperationName> = Omit<ApiOperations[Name], "answer">;

/** What an operation gives; undefined where its answer has no body. */
export type ApiAnswer<Name extends OperationName> = ApiOperations[Name]["answer"];

export interface ApiRequest {
  readonly method: string;
  /** Path and query, to be put behind the base URL. */
  readonly path: string;
  /** To be sent as JSON; undefined without one. */
  readonly body?: unknown;
}

/** Any operation's input. */
interface AnyInput {
  readonly path?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/** The request of an operation. Members of a query that are undefined are left out. */
export function apiRequest<Name extends OperationName>(
  name: Name,
  input: ApiInput<Name>,
): ApiRequest {
  const { method, path } = API_REQUESTS[name];
  const { path: ids = {}, query = {}, body }: AnyInput = input;
  const filled = path.replaceAll(
    /\{(\w+)\}/g,
    (_, id: string) => encodeURIComponent(String(ids[id])),
  );
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, String(value)]]
    ),
  );
  const suffix = search.size === 0 ? "" : `?${search}`;
  return { method, path: filled + suffix, ...(body === undefined ? {} : { body }) };
}
