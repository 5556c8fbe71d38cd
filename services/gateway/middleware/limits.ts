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
import type { RequestContext } from "shared/http/serve_requests.ts";
import { addressSubject } from "shared/limits/address.ts";
import type { Limit, Slot, Verdict } from "shared/limits/limit.ts";
import { Limiter, type LimiterDeps, type Recent } from "shared/limits/limiter.ts";
import { type ProblemCode, ProblemError, problemResponse } from "shared/problem/problem.ts";
import { type Queryable, serverError, type Tx } from "shared/sql/connect.ts";
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

/** What an order's creation does with its slot. */
export interface OrderSlot {
  /**
   * Takes the slot; call it in the transaction, under the lock of its Idempotency-Key and before the
   * insert. @throws ProblemError 429, which rolls back and is no answer of the key.
   */
  take(tx: Tx): Promise<void>;
  /** Call when the order stands in the transaction: from here on only a rollback undoes it. */
  written(): void;
}

/**
 * Creates an order under the customer's limit. The slot is given back unless an order was created.
 * Where the outcome of the commit is unknown it is kept: too few and never too many. A replay takes
 * none, because `take` comes after the look-up of the key. Others than customers are not limited.
 */
async function withOrderSlot<T>(
  { limiter, policies: { orders } }: GatewayLimits,
  c: GatewayContext,
  { accountId, role }: Principal,
  create: (slot: OrderSlot) => Promise<T>,
): Promise<T> {
  if (role !== "customer") return await create({ take: async () => {}, written: () => {} });
  let slot: Slot | undefined;
  let isWritten = false;
  const take = async (tx: Tx) => {
    slot = await limiter.take(orders, accountId, recentOrders(tx, accountId, orders));
    noteVerdict(c.env.context, slot.verdict);
    if (!slot.verdict.isAllowed) {
      throw refused("order.limit_reached", "Cannot place the order", "orders", slot.verdict);
    }
  };
  try {
    return await create({ take, written: () => isWritten = true });
  } catch (error) {
    // Postgres answered, so it rolled back; only a lost connection leaves the outcome unknown.
    if (serverError(error) !== undefined) isWritten = false;
    throw error;
  } finally {
    if (!isWritten) await slot?.giveBack();
  }
}

/** The limits as the placing of orders asks for them. */
export interface PlacementGuard {
  /** Call once the request is known to be no repeat. @throws ProblemError 429. */
  requireQuota(): void;
  /** Creates an order under the limit of who places it. */
  withSlot<T>(create: (slot: OrderSlot) => Promise<T>): Promise<T>;
}

/** The limits of one request that places orders. */
export function placementGuard(
  limits: GatewayLimits,
  c: GatewayContext,
  principal: Principal,
): PlacementGuard {
  return {
    requireQuota: () => requireQuota(c),
    withSlot: (create) => withOrderSlot(limits, c, principal, create),
  };
}

/** What the customer ordered inside the window, from Postgres. */
function recentOrders(sql: Queryable, customerId: string, { max, windowMs }: Limit): Recent {
  return async () => {
    const rows = await sql<{ ageMs: number }[]>`
      select (extract(epoch from clock_timestamp() - placed_at) * 1000)::float8 as age_ms
      from orders
      where customer_id = ${customerId}
        and id > uuid_lower_bound(now() - ${windowMs + CLOCKS_APART_MS} * interval '1 millisecond')
      order by id desc limit ${max}`;
    return rows.map(({ ageMs }) => ageMs);
  };
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
