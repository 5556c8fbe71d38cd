/** What a browser has to be told before its page may read an answer (Fetch, "CORS protocol"). */

export interface CorsOptions {
  /** Whose pages may read answers. */
  readonly origins: readonly string[];
  /** Headers that they may send. */
  readonly requestHeaders: string;
}

type Fetch<Info> = (request: Request, info?: Info) => Promise<Response>;

/** What pages may read besides the body: when to come again, and what to quote to us. */
const EXPOSED = "retry-after, x-request-id";

/** Headers of an answer to a page; none for whoever is not allowed, or is no page. */
export function corsHeaders(
  { origins, requestHeaders }: CorsOptions,
  request: Request,
): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || !origins.includes(origin)) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-headers": requestHeaders,
    "access-control-expose-headers": EXPOSED,
    "access-control-max-age": "600",
    "vary": "Origin",
  };
}

/**
 * Adds them to every answer, also to refusals: a page that cannot read why it was refused, or for
 * how long, can only guess.
 */
export function withCors<Info>(options: CorsOptions, fetch: Fetch<Info>): Fetch<Info> {
  return async (request, info) => {
    // Read before the routes run: an upgraded request no longer answers.
    const headers = corsHeaders(options, request);
    const response = await fetch(request, info);
    if (response.status === 101) return response;
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  };
}
