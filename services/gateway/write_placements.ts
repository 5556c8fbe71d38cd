/**
 * Writes placements that come at the same time together: one transaction, a few statements and one
 * wait for the disk for all of them (ADR 0021).
 *
 * Contract
 * - Alone, a placement waits for nobody; while MAX_CALLS groups are under way the next ones collect.
 * - What is one placement's own stays its own: a key in progress, an answer that is there already, a
 *   refusal, a used quote or a full quota decide about it alone. A group whose transaction Postgres
 *   refuses is tried again one by one, so a row that cannot be written fails its own request only.
 * - Names (Idempotency-Key, externalId) are locked first, and only then looked up: of two at once
 *   one places and the other is told at once that it is in progress. Nobody waits for a twin.
 * - Order, names, use of the quote, events, timers and the stored answer are one transaction, on the
 *   clock of the database.
 * - A slot of the limit is taken once for each order, under the lock of its names. It is given back
 *   unless the order stands. Where the connection was lost and nobody knows whether the commit came
 *   through, it is kept, and the placement's own key resolves it.
 */
import type { Principal } from "shared/auth/principal.ts";
import { Gather } from "shared/gather/gather.ts";
import type { Slot } from "shared/limits/limit.ts";
import { insertOrders } from "shared/orders/insert_order.ts";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import { problemBody, ProblemError, PROBLEMS } from "shared/problem/problem.ts";
import { serverError, type Sql, type Tx } from "shared/sql/connect.ts";
import {
  type IdempotentRequest,
  spelledKey,
  storeAnswers,
  type StoredAnswer,
  storedAnswers,
} from "./idempotency.ts";
import {
  type KnownRecent,
  type PlacementGuard,
  recentOrderRows,
  recentOrders,
  type RecentQuestion,
} from "./middleware/limits.ts";
import { newOrderView } from "./new_order_view.ts";
import { orderJson } from "./order_json.ts";
import { quoteProblem } from "./order_terms.ts";
import type { PreparedOrder } from "./place_order.ts";
import {
  type ExternalId,
  insertExternalIds,
  knownOrders,
  spelled,
} from "./stores/external_id_store.ts";
import { lockQuotes, useQuotes } from "./stores/quote_store.ts";

/** Placements of a transaction: some 15 ms of it. */
const MAX_GROUP = 64;
/** While one group waits for the disk the next one is made; connections are left for others. */
const MAX_CALLS = 2;
/** Placements tried at once where their group failed. */
const ALONE_AT_ONCE = 4;

/** The names under which a placement is known; each may be absent. */
export interface PlacementNames {
  readonly request: IdempotentRequest | undefined;
  readonly external: { readonly id: ExternalId; readonly requestHash: Uint8Array } | undefined;
}

/** A placement that was checked; what is refused is written where it has a key. */
export interface NewPlacement {
  readonly principal: Principal;
  readonly guard: PlacementGuard;
  readonly names: PlacementNames;
  readonly prepared: PreparedOrder | Refusal;
}

/** What came of a placement. */
export type WrittenPlacement =
  /** `orderId` where an order was placed; a refusal otherwise. */
  | { readonly kind: "answered"; readonly answer: StoredAnswer; readonly orderId?: string }
  /** One of its names is known meanwhile: its answer is there to be read. */
  | { readonly kind: "known" };

type Outcome = WrittenPlacement | { readonly kind: "failed"; readonly error: unknown };

/** A placement of a group under way. */
interface Work {
  readonly placement: NewPlacement;
  slot: Slot | undefined;
  outcome: Outcome | undefined;
  /** Whether the order goes with the commit: from here on only a rollback undoes it. */
  isWritten: boolean;
}

export interface WriterDeps {
  readonly sql: Sql;
  readonly publicUrl: string;
  /** Told of each group, for metrics. */
  readonly onGroup?: (placements: number) => void;
}

/** Writes placements, in groups. */
export class PlacementWriter {
  readonly #sql: Sql;
  readonly #publicUrl: string;
  readonly #onGroup: (placements: number) => void;
  readonly #groups: Gather<NewPlacement, Outcome>;
  /** Names of this process's placements under way; bounded as those who wait are. */
  readonly #underWay = new Set<string>();

  constructor({ sql, publicUrl, onGroup }: WriterDeps) {
    this.#sql = sql;
    this.#onGroup = onGroup ?? (() => {});
    this.#publicUrl = publicUrl;
    const bounds = { name: "placements", maxGroup: MAX_GROUP, maxCalls: MAX_CALLS };
    this.#groups = new Gather(bounds, (placements) => this.#writeGroup(placements));
  }

  /** Writes a placement. @throws ProblemError for a key in progress and for a full quota. */
  async write(placement: NewPlacement): Promise<WrittenPlacement> {
    const names = spellings(placement.names);
    // Locks are their transaction's, and twins may come to be in one.
    if (names.some((name) => this.#underWay.has(name))) throw inProgress();
    for (const name of names) this.#underWay.add(name);
    try {
      const outcome = await this.#groups.ask(placement);
      if (outcome.kind === "failed") throw outcome.error;
      return outcome;
    } finally {
      for (const name of names) this.#underWay.delete(name);
    }
  }

  async #writeGroup(placements: readonly NewPlacement[]): Promise<Outcome[]> {
    this.#onGroup(placements.length);
    const works = placements.map((placement): Work => (
      { placement, slot: undefined, outcome: undefined, isWritten: false }
    ));
    // A quote has one order: whoever comes second must find it used.
    for (const group of onePerQuote(works)) await this.#tryTogether(group);
    await Promise.all(works.map(({ slot, isWritten }) => isWritten ? undefined : slot?.giveBack()));
    return works.map(({ outcome }) => outcome ?? failed(new Error("a placement has no outcome")));
  }

  async #tryTogether(works: readonly Work[]): Promise<void> {
    try {
      await this.#sql.begin((tx) => this.#decide(tx, works));
    } catch (error) {
      const isRolledBack = serverError(error) !== undefined;
      for (const work of works) {
        work.outcome = isRolledBack && works.length > 1 ? undefined : failed(error);
        // Postgres answered, so it rolled back; only a lost connection leaves the outcome unknown.
        if (isRolledBack) work.isWritten = false;
      }
      if (isRolledBack && works.length > 1) await this.#tryOneByOne(works);
    }
  }

  async #tryOneByOne(works: readonly Work[]): Promise<void> {
    for (let start = 0; start < works.length; start += ALONE_AT_ONCE) {
      const some = works.slice(start, start + ALONE_AT_ONCE);
      await Promise.all(some.map((work) => this.#tryTogether([work])));
    }
  }

  /** Decides about each placement, and writes what is to be kept. */
  async #decide(tx: Tx, works: readonly Work[]): Promise<void> {
    const { placedAt, recent } = await lockNames(tx, works);
    for (const work of works.filter(isOpen)) {
      const { prepared } = work.placement;
      if (!prepared.ok) work.outcome = refusal(prepared);
    }
    await checkQuotes(tx, works.filter(isOpen));
    await takeSlots(tx, works.filter(isOpen), recent);
    this.#place(tx, works.filter(isOpen), placedAt);
    storeAnswers(
      tx,
      works.flatMap(({ placement: { names: { request } }, outcome }) =>
        request === undefined || outcome?.kind !== "answered"
          ? []
          : [{ ...request, ...outcome.answer }]
      ),
    );
    for (const work of works) {
      work.isWritten = work.outcome?.kind === "answered" && work.outcome.orderId !== undefined;
    }
  }

  #place(tx: Tx, works: readonly Work[], placedAt: Date): void {
    const placed = works.flatMap(({ placement: { prepared, names: { external } } }) =>
      prepared.ok ? [{ order: prepared.order, external, placedAt }] : []
    );
    insertOrders(tx, placed);
    insertExternalIds(
      tx,
      placed.flatMap(({ order, external }) =>
        external === undefined
          ? []
          : [{ ...external.id, requestHash: external.requestHash, orderId: order.id }]
      ),
    );
    useQuotes(
      tx,
      placed.flatMap(({ order: { id, quoteId } }) =>
        quoteId === null ? [] : [{ quoteId, orderId: id }]
      ),
    );
    for (const work of works) {
      const { prepared, principal } = work.placement;
      if (!prepared.ok) continue;
      const view = newOrderView(prepared.order, placedAt);
      const body = orderJson(view, this.#publicUrl, { role: principal.role });
      work.outcome = { kind: "answered", answer: { status: 201, body }, orderId: view.id };
    }
  }
}

function isOpen({ outcome }: Work): boolean {
  return outcome === undefined;
}

function failed(error: unknown): Outcome {
  return { kind: "failed", error };
}

function inProgress(): ProblemError {
  return new ProblemError("idempotency.in_progress", { retryAfterS: 1 });
}

function refusal(refused: Refusal): Outcome {
  return { kind: "answered", answer: refusalAnswer(refused) };
}

/** A refusal as the answer of its request. */
export function refusalAnswer({ code, detail, members }: Refusal): StoredAnswer {
  const extras = { ...(detail && { detail }), ...(members && { members }) };
  return { status: PROBLEMS[code].status, body: problemBody(code, extras) };
}

function spellings({ request, external }: PlacementNames): string[] {
  return [
    ...(request === undefined ? [] : [spelledKey(request)]),
    ...(external === undefined ? [] : [`external:${spelled(external.id)}`]),
  ];
}

/** Groups in which each quote is named once; nearly always one. */
function onePerQuote(works: readonly Work[]): Work[][] {
  const groups: { works: Work[]; quoteIds: Set<string> }[] = [];
  for (const work of works) {
    const { prepared } = work.placement;
    const quoteId = prepared.ok ? prepared.order.quoteId : null;
    let group = groups.find(({ quoteIds }) => quoteId === null || !quoteIds.has(quoteId));
    if (group === undefined) groups.push(group = { works: [], quoteIds: new Set() });
    group.works.push(work);
    if (quoteId !== null) group.quoteIds.add(quoteId);
  }
  return groups.map(({ works }) => works);
}

interface Locked {
  readonly placedAt: Date;
  /** What the limits need to know of those that Redis probably does not know. */
  readonly recent: KnownRecent;
}

/**
 * Locks the names of all, and says what time it is. Who has no lock is in progress elsewhere; who
 * was placed by somebody else between its look-up and its lock is known. What the limits will ask of
 * Postgres goes in the same packet.
 */
async function lockNames(tx: Tx, works: readonly Work[]): Promise<Locked> {
  const names = works.map(({ placement }) => spellings(placement.names));
  const [locks, stored, orders, recent] = await tx.together([
    tx<{ at: Date; taken: boolean[] }[]>`
      select clock_timestamp() as at, array(
        select pg_try_advisory_xact_lock(hashtextextended(name, 0))
        from unnest(${names.flat()}::text[]) with ordinality as asked (name, place)
        order by place) as taken`,
    // Statements of their own: they must see what was committed before the locks were free.
    storedAnswers(tx, works.flatMap(({ placement: { names } }) => names.request ?? [])),
    knownOrders(tx, works.flatMap(({ placement: { names } }) => names.external?.id ?? [])),
    recentOrderRows(tx, works.flatMap(({ placement }) => recentQuestion(placement) ?? [])),
  ]);
  const [row] = locks;
  if (row === undefined) throw new Error("select of the time returned nothing");
  const answered = new Set(stored.map(spelledKey));
  const known = new Set(orders.map(spelled));
  let place = 0;
  works.forEach((work, index) => {
    const { request, external } = work.placement.names;
    if (
      request !== undefined && answered.has(spelledKey(request)) ||
      external !== undefined && known.has(spelled(external.id))
    ) work.outcome = { kind: "known" };
    for (const _name of names[index] ?? []) {
      if (row.taken[place++] !== true) work.outcome = failed(inProgress());
    }
  });
  return {
    placedAt: row.at,
    recent: new Map(recent.map(({ customerId, agesMs }) => [customerId, agesMs])),
  };
}

function recentQuestion({ prepared, guard }: NewPlacement): RecentQuestion | undefined {
  return prepared.ok ? guard.recentQuestion() : undefined;
}

/** Locks the quotes that are to be used, and refuses whose cannot be. */
async function checkQuotes(tx: Tx, works: readonly Work[]): Promise<void> {
  const quoted = works.flatMap((work) => {
    const { prepared } = work.placement;
    return prepared.ok && prepared.order.quoteId !== null
      ? [{ work, quoteId: prepared.order.quoteId, accountId: prepared.order.customerId }]
      : [];
  });
  const quotes = await lockQuotes(tx, quoted.map(({ quoteId }) => quoteId));
  for (const { work, quoteId, accountId } of quoted) {
    const quote = quotes.find(({ id }) => id === quoteId);
    const problem = quote?.accountId === accountId
      ? quoteProblem(quote)
      : refuse("quote.not_found");
    if (problem !== undefined) work.outcome = refusal(problem);
  }
}

/** Takes the slots of all at once. */
async function takeSlots(tx: Tx, works: readonly Work[], known: KnownRecent): Promise<void> {
  const recent = recentOrders(tx);
  await Promise.all(works.map(async (work) => {
    try {
      work.slot ??= await work.placement.guard.takeSlot(recent, known);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      work.outcome = failed(error);
    }
  }));
}
