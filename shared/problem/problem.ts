/**
 * The one table of refusals a caller can meet. Codes are API: never renamed, never reused.
 * Domain code returns codes and knows no HTTP status; the edge turns them into RFC 9457 bodies.
 */
export const PROBLEMS = {
  "request.invalid": { status: 422, title: "Request is not valid" },
  "request.malformed": { status: 400, title: "Request body is not valid JSON" },
  "request.too_large": { status: 413, title: "Request body is too large" },
  "request.unsupported_media_type": { status: 415, title: "Body must be application/json" },
  "route.not_found": { status: 404, title: "No such route" },
  "route.method_not_allowed": { status: 405, title: "Method not allowed here" },
  "auth.required": { status: 401, title: "Authentication required" },
  "auth.invalid_credentials": { status: 401, title: "E-mail or password is wrong" },
  "auth.forbidden": { status: 403, title: "Not allowed for this role" },
  "auth.scope_missing": { status: 403, title: "API key lacks a scope" },
  "auth.session_required": { status: 403, title: "Needs a signed-in person" },
  "auth.too_many_attempts": { status: 429, title: "Too many attempts to sign in" },
  "auth.busy": { status: 503, title: "Too many sign-ins at once" },
  "auth.password_wrong": { status: 403, title: "Current password is wrong" },
  "account.not_found": { status: 404, title: "Account not found" },
  "account.own": { status: 409, title: "Not possible on your own account" },
  "account.suspended": { status: 403, title: "Account is suspended" },
  "session.not_found": { status: 404, title: "Session not found" },
  "api_key.not_found": { status: 404, title: "API key not found" },
  "api_key.too_many": { status: 409, title: "Too many API keys" },
  "account.email_taken": { status: 409, title: "E-mail already registered" },
  "region.not_found": { status: 404, title: "Region not found" },
  "merchant.not_found": { status: 404, title: "Merchant not found" },
  "merchant.closed": { status: 409, title: "Merchant is closed" },
  "catalogue.full": { status: 409, title: "No more of these may be added" },
  "menu.entry_not_found": { status: 404, title: "Menu entry not found" },
  "menu_item.not_found": { status: 422, title: "Menu item not found at this merchant" },
  "menu_item.unavailable": { status: 409, title: "Menu item is not available" },
  "menu_item.options_invalid": { status: 422, title: "Options do not fit the menu item" },
  "zone.not_found": { status: 404, title: "Zone not found" },
  "quote.not_found": { status: 404, title: "Quote not found" },
  "quote.expired": { status: 409, title: "Quote expired" },
  "quote.used": { status: 409, title: "Quote was used" },
  "quote.mismatch": { status: 422, title: "Order is not what was quoted" },
  "order.not_found": { status: 404, title: "Order not found" },
  "order.outside_service_area": { status: 422, title: "Outside the served area" },
  "order.transition_not_allowed": { status: 409, title: "Not allowed in the order's state" },
  "order.external_id_taken": { status: 409, title: "External id used for another order" },
  "order.cash_required": { status: 422, title: "Cash on delivery must be accounted for" },
  "order.tip_refused": { status: 409, title: "Tip cannot be changed" },
  "order.courier_present": { status: 409, title: "Order is carried by a courier who is there" },
  "rating.exists": { status: 409, title: "Already rated" },
  "offer.not_found": { status: 404, title: "Offer not found" },
  "offer.expired": { status: 409, title: "Offer expired" },
  "offer.closed": { status: 409, title: "Offer is no longer open" },
  "courier.not_found": { status: 404, title: "Courier not found" },
  "courier.at_capacity": { status: 409, title: "Courier is at capacity" },
  "courier.carrying": { status: 409, title: "Courier still carries an order" },
  "courier.off_shift": { status: 409, title: "Courier is offline" },
  "courier.changed": { status: 409, title: "Courier changed meanwhile" },
  "courier.unsuitable": { status: 409, title: "Courier cannot carry this order" },
  "shift.not_found": { status: 404, title: "Shift not found" },
  "shift.overlaps": { status: 409, title: "Shift overlaps another one" },
  "courier.not_assigned": { status: 404, title: "Order is not assigned to this courier" },
  "order.limit_reached": { status: 429, title: "Too many orders" },
  "idempotency.key_reused": { status: 422, title: "Idempotency key used with another body" },
  "idempotency.in_progress": { status: 409, title: "A request with this key is in progress" },
  "ticket.invalid": { status: 401, title: "Ticket is unknown, used or expired" },
  "position.refused": { status: 422, title: "Position refused" },
  "limit.exceeded": { status: 429, title: "Too many requests" },
  "ingest.overloaded": { status: 503, title: "Too many positions at once" },
  "service.unavailable": { status: 503, title: "A part of the service is unavailable" },
  "internal": { status: 500, title: "Internal error" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with a request: which field, the bound it broke and the value it had. */
export interface FieldProblem {
  /** Dotted path in the body, query or header, as `items.0.quantity`. */
  readonly field: string;
  readonly bound: string;
  readonly value?: unknown;
}

export interface ProblemExtras {
  readonly detail?: string;
  readonly errors?: readonly FieldProblem[];
  /** More members for a program to read, as the order's current state. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly retryAfterS?: number;
}

/** An RFC 9457 body. `instance` is the request id, so that a user can quote it. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail?: string;
  readonly instance?: string;
  readonly errors?: readonly FieldProblem[];
  readonly [member: string]: unknown;
}

/** Builds the body of a problem. */
export function problemBody(
  code: ProblemCode,
  extras: ProblemExtras = {},
  instance?: string,
): ProblemBody {
  const { status, title } = PROBLEMS[code];
  return {
    type: `/problems/${code}`,
    title,
    status,
    code,
    ...(extras.detail === undefined ? {} : { detail: extras.detail }),
    ...(instance === undefined ? {} : { instance }),
    ...(extras.errors === undefined ? {} : { errors: extras.errors }),
    ...extras.members,
  };
}

/** Builds the whole response of a problem. */
export function problemResponse(
  code: ProblemCode,
  extras: ProblemExtras = {},
  instance?: string,
): Response {
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "private, no-store",
  });
  // RFC 9110 §11.6.1 asks for a challenge with every 401.
  if (PROBLEMS[code].status === 401) headers.set("www-authenticate", "Bearer");
  if (extras.retryAfterS !== undefined) headers.set("retry-after", String(extras.retryAfterS));
  return new Response(JSON.stringify(problemBody(code, extras, instance)), {
    status: PROBLEMS[code].status,
    headers,
  });
}

/** Thrown at the HTTP edge to leave a handler; carries a code, never a message for strangers. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, extras: ProblemExtras = {}) {
    super(code);
    this.code = code;
    this.extras = extras;
  }
}
