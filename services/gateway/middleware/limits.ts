/**
 * The limits of the gateway, each at its place in a request.
 *
 * Contract: every request is counted as soon as it is known who asks. A repeat of an idempotent
 * request gets its first answer whatever the limits say: the operations of IDEMPOTENT look their key
 * up before they call `requireQuota`, and only there a refusal waits until then.
 */
import { routePath } from "hono/route";
import type { Principal } from "shared/auth/principal.ts";
import { credentialId } from "shared/auth/principal.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { Gather } from "shared/gather/gather.ts";
import type { RequestContext } from "shared/http/serve_requests.ts";
import { addressSubject } from "shared/limits/address.ts";
import type { Limit, Slot, Verdict } from "shared/limits/limit.ts";
import { type Ages, Limiter, type LimiterDeps } from "shared/limits/limiter.ts";
import { type ProblemCode, ProblemError, problemResponse } from "shared/problem/problem.ts";
import type { Queryable } from "shared/sql/connect.ts";
import type { GatewayContext } from "../http.ts";
import type { LimitPolicies } from "../limit_config.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { noteVerdict } from "./rate_limit_headers.ts";

/** Operations that look their Idempotency-Key up before they call `requireQuota`. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "POST /api/v1/orders",
  "POST /api/v1/orders/batch",
  "POST /api/v1/orders/:id/reorder",
]);

/** Customers asked of in one statement: as many as a group of placements may have. */
const MAX_RECENT = 64;
/** Ids carry the time of the process that made them, which may differ from the database's. */
const CLOCKS_APART_MS = 60_000;

/** The limiter and what it is asked for. */
export interface GatewayLimits {
  readonly limiter: Limiter;
  readonly policies: LimitPolicies;
}

/** The limits of a gateway; the harness of the tests gives more time. */
export function createLimits(
  policies: LimitPolicies,
  deps: Omit<LimiterDeps, "onVerdict"> & { readonly metrics: GatewayMetrics },
): GatewayLimits {
  const { metrics, ...rest } = deps;
  const onVerdict = ({ name, isAllowed, source }: Verdict) =>
    metrics.limits.inc({ limit: name, verdict: isAllowed ? "allowed" : "refused", source });
  return { limiter: new Limiter({ ...rest, onVerdict }), policies };
}

/** Counts a request by its credential. @throws ProblemError 429, at once or from `requireQuota`. */
export async function countRequest(
  { limiter, policies }: GatewayLimits,
  c: GatewayContext,
  { credential }: Principal,
): Promise<void> {
  const { context } = c.env;
  const { verdict } = await limiter.take(
    requestLimit(policies, credential),
    credentialId(credential),
  );
  noteVerdict(context, verdict);
  if (verdict.isAllowed) return;
  const refusal = refused("limit.exceeded", "Cannot answer", "requests", verdict);
  if (!mayBeRepeat(c)) throw refusal;
  postponed.set(context, refusal);
}

/** Refusals that wait for the look-up of an Idempotency-Key. */
const postponed = new WeakMap<RequestContext, ProblemError>();

function mayBeRepeat(c: GatewayContext): boolean {
  const hasKey = c.req.header("idempotency-key") !== undefined ||
    c.req.header("x-idempotency-key") !== undefined;
  return hasKey && IDEMPOTENT.has(`${c.req.method} ${routePath(c, -1)}`);
}

/** Refuses a request that was counted and turned out to be no repeat. @throws ProblemError 429. */
function requireQuota({ env: { context } }: GatewayContext): void {
  const refusal = postponed.get(context);
  if (refusal !== undefined) throw refusal;
}

/** A request that was refused before its key was looked up is one too many all the same. */
export function quotaRefusal({ env: { context }, res }: GatewayContext): Response | undefined {
  const refusal = postponed.get(context);
  const isRepeat = res.headers.has("idempotent-replayed");
  if (refusal === undefined || isRepeat || res.status < 400) return undefined;
  return problemResponse(refusal.code, refusal.extras, context.requestId);
}

function requestLimit(policies: LimitPolicies, credential: Principal["credential"]): Limit {
  if (credential.kind !== "api_key") return policies.sessionRequests;
  const { requestsPerMinute } = credential;
  const standard = policies.apiKeyRequests;
  return requestsPerMinute === null ? standard : { ...standard, max: requestsPerMinute };
}

/** Whose orders are asked for, and how far back. */
export interface RecentQuestion {
  readonly customerId: string;
  readonly limit: Limit;
}

/** Tells how long ago an account placed its orders inside a limit's window. */
export type RecentOrders = (question: RecentQuestion) => Promise<Ages>;

/** The limits as the placing of orders asks for them. */
export interface PlacementGuard {
  /** Whether `requireQuota` will refuse: only a repeat is then answered. */
  readonly isOverQuota: boolean;
  /** Call once the request is known to be no repeat. @throws ProblemError 429. */
  requireQuota(): void;
  /**
   * Takes the slot of one order; undefined where the account is not limited, as only customers are.
   * Call it under the lock of the order's Idempotency-Key, before the insert, and give the slot back
   * unless an order was created; where the outcome of the commit is unknown it is kept: too few and
   * never too many. @throws ProblemError 429, which is no answer of the key.
   */
  takeSlot(recent: RecentOrders, known: KnownRecent): Promise<Slot | undefined>;
  /** What `takeSlot` will probably need to know; undefined where it will not. */
  recentQuestion(): RecentQuestion | undefined;
}

/** What was found out before, by customer. */
export type KnownRecent = ReadonlyMap<string, Ages>;

/** The limits of one request that places orders. */
export function placementGuard(
  limits: GatewayLimits,
  c: GatewayContext,
  principal: Principal,
): PlacementGuard {
  return {
    isOverQuota: postponed.has(c.env.context),
    requireQuota: () => requireQuota(c),
    takeSlot: (recent, known) => takeOrderSlot(limits, c, principal, { recent, known }),
    recentQuestion: () => {
      const { limiter, policies: { orders: limit } } = limits;
      const { accountId: customerId, role } = principal;
      if (role !== "customer" || limiter.probablyHas(limit, customerId)) return undefined;
      return { customerId, limit };
    },
  };
}

async function takeOrderSlot(
  { limiter, policies: { orders } }: GatewayLimits,
  c: GatewayContext,
  { accountId, role }: Principal,
  { recent, known }: { readonly recent: RecentOrders; readonly known: KnownRecent },
): Promise<Slot | undefined> {
  if (role !== "customer") return undefined;
  const ages = known.get(accountId) ?? (() => recent({ customerId: accountId, limit: orders }));
  const slot = await limiter.take(orders, accountId, ages);
  noteVerdict(c.env.context, slot.verdict);
  if (slot.verdict.isAllowed) return slot;
  throw refused("order.limit_reached", "Cannot place the order", "orders", slot.verdict);
}

/** Reads what customers ordered inside the window; undefined where nobody is asked of. */
export function recentOrderRows(sql: Queryable, asked: readonly RecentQuestion[]) {
  if (asked.length === 0) return undefined;
  return sql<{ customerId: string; agesMs: number[] }[]>`
    select asked.customer_id, array(
      select (extract(epoch from clock_timestamp() - placed_at) * 1000)::float8
      from orders
      where customer_id = asked.customer_id
        and id > uuid_lower_bound(now() - asked.window_ms * interval '1 millisecond')
      order by id desc limit asked.max) as ages_ms
    from unnest(${asked.map(({ customerId }) => customerId)}::uuid[],
      ${asked.map(({ limit }) => limit.windowMs + CLOCKS_APART_MS)}::float8[],
      ${asked.map(({ limit }) => limit.max)}::integer[]) as asked (customer_id, window_ms, max)`;
}

/** What customers ordered inside the window, from Postgres: one statement for all who are asked of. */
export function recentOrders(sql: Queryable): RecentOrders {
  const gather = new Gather<RecentQuestion, Ages>(
    { name: "recent orders", maxGroup: MAX_RECENT, maxCalls: 1 },
    async (asked) => {
      const ages = new Map<string, Ages>();
      for (const { customerId, agesMs } of await recentOrderRows(sql, asked) ?? []) {
        ages.set(customerId, agesMs);
      }
      return asked.map(({ customerId }) => ages.get(customerId) ?? []);
    },
  );
  return (question) => gather.ask(question);
}

/** Runs a registration under the limit of its address; one that fails does not count. */
export async function limitRegistration<T>(
  limits: GatewayLimits,
  c: GatewayContext,
  register: () => Promise<T>,
): Promise<T> {
  const { registrations } = limits.policies;
  const slot = await limits.limiter.take(registrations, addressOf(c));
  noteVerdict(c.env.context, slot.verdict);
  if (!slot.verdict.isAllowed) {
    throw refused("limit.exceeded", "Cannot register", "accounts from one address", slot.verdict);
  }
  try {
    return await register();
  } catch (error) {
    await slot.giveBack();
    throw error;
  }
}

/**
 * Runs a sign-in under the limits of its address and its account; only one that gives undefined
 * (a wrong password, an unknown e-mail) counts. Both are counted before the password is hashed, so
 * that many at once are not all free, and a stranger's e-mail is treated as a known one.
 */
export async function limitLogin<T>(
  limits: GatewayLimits,
  c: GatewayContext,
  email: string,
  signIn: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { limiter, policies } = limits;
  const { context } = c.env;
  const slot = await limiter.take(policies.loginFailuresByAddress, addressOf(c));
  if (!slot.verdict.isAllowed) throw tooManyAttempts("from this address", context, slot.verdict);
  const account = hexOf(await hashToken(email)).slice(0, 32);
  const attempt = await limiter.attempt(policies.loginFailuresByAccount, account);
  if (!attempt.isAllowed) {
    await slot.giveBack();
    throw tooManyAttempts("of this account", context, attempt);
  }
  const signedIn = await orGiveBack(slot, signIn);
  if (signedIn === undefined) return undefined;
  await Promise.all([slot.giveBack(), limiter.forget(policies.loginFailuresByAccount, account)]);
  return signedIn;
}

async function orGiveBack<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await slot.giveBack();
    throw error;
  }
}

function tooManyAttempts(whose: string, context: RequestContext, verdict: Verdict): ProblemError {
  noteVerdict(context, verdict);
  return refused("auth.too_many_attempts", "Cannot sign in", `failures ${whose}`, verdict);
}

function refused(code: ProblemCode, what: string, things: string, verdict: Verdict): ProblemError {
  const { name, max, windowMs, resetMs } = verdict;
  const retryAfterS = Math.max(1, Math.ceil(resetMs / 1_000));
  const windowS = windowMs / 1_000;
  return new ProblemError(code, {
    detail: `${what}: ${things} must be <= ${max} in ${windowS} s: ${max} were made; ` +
      `try again in ${retryAfterS} s`,
    members: { limit: { name, max, windowS, retryAfterS } },
    retryAfterS,
  });
}

function addressOf({ env: { context } }: GatewayContext): string {
  return addressSubject(context.clientAddress);
}
