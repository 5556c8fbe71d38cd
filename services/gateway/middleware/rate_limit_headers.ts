/**
 * What an answer says of the limits it was counted by.
 *
 * Two spellings stand side by side, because clients read one or the other: the three fields most
 * libraries know (draft-ietf-httpapi-ratelimit-headers up to 06), of the limit that is nearest to
 * its end, and the structured fields of the present draft (11), with every limit by its name (ADR
 * 0016).
 */
import type { RequestContext } from "shared/http/serve_requests.ts";
import type { Verdict } from "shared/limits/limit.ts";

/** Verdicts of requests under way; an entry goes with its request. */
const verdicts = new WeakMap<RequestContext, Verdict[]>();

/** Remembers a verdict for the answer: the last one of each limit, as a batch meets one often. */
export function noteVerdict(context: RequestContext, verdict: Verdict): void {
  const others = (verdicts.get(context) ?? []).filter(({ name }) => name !== verdict.name);
  verdicts.set(context, [...others, verdict]);
}

/** The headers of a request's answer; empty where nothing was counted. */
export function limitHeaders(context: RequestContext): Record<string, string> {
  const noted = verdicts.get(context);
  const nearest = noted?.reduce((a, b) => nearer(b, a) ? b : a);
  if (noted === undefined || nearest === undefined) return {};
  const seconds = (ms: number) => Math.ceil(Math.max(0, ms) / 1_000);
  return {
    "ratelimit-limit": String(nearest.max),
    "ratelimit-remaining": String(nearest.remaining),
    "ratelimit-reset": String(seconds(nearest.resetMs)),
    "ratelimit-policy": noted.map(({ name, max, windowMs }) =>
      `"${name}";q=${max};w=${seconds(windowMs)}`
    ).join(", "),
    "ratelimit": noted.map(({ name, remaining, resetMs }) =>
      `"${name}";r=${remaining};t=${seconds(resetMs)}`
    ).join(", "),
  };
}

function nearer(a: Verdict, b: Verdict): boolean {
  if (a.isAllowed !== b.isAllowed) return !a.isAllowed;
  return a.remaining / a.max < b.remaining / b.max;
}
