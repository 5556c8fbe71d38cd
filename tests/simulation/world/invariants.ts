/**
 * What must hold at every commit and at every command, whatever has happened before. These look at
 * the servers themselves and not at what the processes believe.
 */
import {
  isTerminal,
  nextState,
  ORDER_ACTIONS,
  ORDER_STATES,
  type OrderKind,
  type OrderState,
} from "shared/orders/lifecycle.ts";
import type { Change, Database } from "../postgres/database.ts";
import type { Tuple } from "../postgres/values.ts";
import type { RedisServer } from "../redis/server.ts";
import { EffectLedger } from "./effect_ledger.ts";

export interface InvariantOptions {
  readonly database: Database;
  readonly redis: RedisServer;
  readonly eventsKey: string;
  nowMs(): number;
  fail(violation: string): void;
}

type Watch = (change: Change) => void;

export class Invariants {
  readonly ledger = new EffectLedger();
  readonly #options: InvariantOptions;
  /** Every event that ever was on the stream. */
  readonly #appended = new Set<string>();
  readonly #activeByOrder = new Map<unknown, Set<unknown>>();
  readonly #activeByCourier = new Map<unknown, Set<unknown>>();
  readonly #pendingByOrder = new Map<unknown, Set<unknown>>();
  readonly #pendingByCourier = new Map<unknown, Set<unknown>>();
  readonly #fired = new Set<string>();
  readonly #watches: Readonly<Record<string, Watch>>;

  constructor(options: InvariantOptions) {
    this.#options = options;
    this.#watches = {
      outbox: (change) => this.#outbox(change),
      orders: (change) => this.#order(change),
      couriers: (change) => this.#courier(change),
      assignments: (change) => this.#assignment(change),
      offers: (change) => this.#offer(change),
      leases: (change) => this.#lease(change),
      sim_effects: ({ after }) => this.#tell(this.ledger.addEffect(textOf(after))),
      sim_fired: (change) => this.#timerFired(change),
      sim_fenced: (change) => this.#fencedWrite(change),
      parked_events: ({ after }) => {
        if (after !== undefined) this.ledger.addParked(textOf(after));
      },
    };
    options.database.onCommit((changes) => this.#commit(changes));
    options.redis.onCommand((command, args) => this.#command(command, args));
  }

  #commit(changes: readonly Change[]): void {
    // Events and effects are told in the order of their ids, which one transaction gave out.
    const inOrder = [...changes].sort((a, b) => Number(a.after?.["id"]) - Number(b.after?.["id"]));
    for (const change of inOrder) this.#watches[change.table]?.(change);
    for (const { table, after } of changes) {
      if (after !== undefined && table === "couriers") this.#courierLoad(after);
      if (after !== undefined && table === "orders") this.#orderCompany(after);
    }
  }

  #tell(violation: string | undefined): void {
    if (violation !== undefined) this.#options.fail(violation);
  }

  #outbox({ before, after }: Change): void {
    if (after === undefined) return;
    if (before === undefined) {
      this.#tell(this.ledger.addChange(textOf(after), eventIdsOf(after)));
    }
    const isMarked = after["published_at"] !== null && (before?.["published_at"] ?? null) === null;
    const missing = eventIdsOf(after).find((id) => !this.#appended.has(id));
    if (isMarked && missing !== undefined) {
      this.#options.fail(`event ${missing} is marked and was never on the stream`);
    }
  }

  #order({ before, after }: Change): void {
    if (after === undefined) return this.#options.fail(`order ${before?.["id"]} was deleted`);
    if (before === undefined) return;
    if (after["version"] !== Number(before["version"]) + 1) {
      this.#options.fail(
        `order ${after["id"]} went from version ${before["version"]} to ${after["version"]}`,
      );
    }
    const [from, to] = [before["status"], after["status"]];
    const isLegal = from === to ||
      ORDER_ACTIONS.some((action) => nextState(asKind(after), asState(from), action) === to);
    if (!isLegal) this.#options.fail(`order ${after["id"]} went from ${from} to ${to}`);
  }

  /** What stands beside an order fits its state. */
  #orderCompany(order: Tuple): void {
    const active = this.#activeByOrder.get(order["id"])?.size ?? 0;
    const pending = this.#pendingByOrder.get(order["id"])?.size ?? 0;
    if (isTerminal(asState(order["status"])) && active + pending > 0) {
      this.#options.fail(
        `order ${order["id"]} is ${order["status"]} with ${active} assignments, ${pending} offers`,
      );
    }
  }

  #courier({ before, after }: Change): void {
    if (before === undefined || after === undefined) return;
    // One transaction may change a courier several times, each with a version of its own.
    if (Number(after["version"]) > Number(before["version"])) return;
    this.#options.fail(
      `courier ${after["id"]} went from version ${before["version"]} to ${after["version"]}`,
    );
  }

  #courierLoad(courier: Tuple): void {
    const active = this.#activeByCourier.get(courier["id"])?.size ?? 0;
    if (active === courier["active_assignments"] && active <= Number(courier["capacity"])) return;
    this.#options.fail(
      `courier ${courier["id"]} has ${active} assignments, counts ` +
        `${courier["active_assignments"]}, capacity ${courier["capacity"]}`,
    );
  }

  #assignment({ before, after }: Change): void {
    const row = after ?? before;
    const isActive = after !== undefined && after["ended_at"] === null;
    const ofOrder = put(this.#activeByOrder, row?.["order_id"], row?.["id"], isActive);
    put(this.#activeByCourier, row?.["courier_id"], row?.["id"], isActive);
    if (ofOrder > 1) this.#options.fail(`order ${row?.["order_id"]} has two couriers`);
  }

  #offer({ before, after }: Change): void {
    const row = after ?? before;
    const isPending = after !== undefined && after["status"] === "pending";
    const ofOrder = put(this.#pendingByOrder, row?.["order_id"], row?.["id"], isPending);
    const ofCourier = put(this.#pendingByCourier, row?.["courier_id"], row?.["id"], isPending);
    if (ofOrder > 1) this.#options.fail(`order ${row?.["order_id"]} has two offers at once`);
    if (ofCourier > 1) this.#options.fail(`courier ${row?.["courier_id"]} has two offers at once`);
    if (before !== undefined && before["status"] !== "pending") {
      this.#options.fail(`offer ${row?.["id"]} changed after it was ${before["status"]}`);
    }
  }

  #lease({ before, after }: Change): void {
    if (after === undefined || before === undefined) return;
    const isSame = before["owner"] === after["owner"] && before["fence"] === after["fence"];
    const isOver = Number(before["expires_at"]) < this.#options.nowMs();
    if (isSame || isOver && Number(after["fence"]) === Number(before["fence"]) + 1) return;
    this.#options.fail(
      `lease ${after["name"]} went from ${before["owner"]} (${before["fence"]}) ` +
        `to ${after["owner"]} (${after["fence"]})`,
    );
  }

  #timerFired({ after }: Change): void {
    const name = `${after?.["kind"]} ${after?.["key"]} ${after?.["version"]}`;
    if (this.#fired.has(name)) this.#options.fail(`timer ${name} fired twice`);
    this.#fired.add(name);
  }

  /** A fenced write that is committed must be one of the owner at that very moment. */
  #fencedWrite({ after }: Change): void {
    const lease = this.#options.database.committed("leases")
      .find(({ name }) => name === after?.["name"]);
    if (lease?.["fence"] === after?.["fence"]) return;
    this.#options.fail(
      `fence ${after?.["fence"]} of ${after?.["name"]} wrote while ${lease?.["fence"]} owned it`,
    );
  }

  #command(command: string, args: readonly string[]): void {
    const { eventsKey, database } = this.#options;
    if (args[0] !== eventsKey) return;
    if (command === "xadd") {
      const eventId = args[args.indexOf("id") + 1] ?? "";
      const isCommitted = database.committed("outbox").some((row) =>
        eventIdsOf(row).includes(eventId)
      );
      if (!isCommitted) this.#options.fail(`event ${eventId} is on the stream, but not committed`);
      this.#appended.add(eventId);
    }
    if (command === "xack") {
      const [, group = "", ...entryIds] = args;
      for (const entryId of entryIds) this.#acknowledged(group, entryId);
    }
  }

  #acknowledged(group: string, entryId: string): void {
    const stored = this.#options.redis.get(this.#options.eventsKey);
    const stream = stored?.kind === "stream" ? stored.stream : undefined;
    const isPending = stream?.groups.get(group)?.pending.has(entryId) === true;
    const fields = stream?.entries.find(({ id }) => id === entryId)?.fields;
    // One who was away may acknowledge an entry of a stream that is gone: that does nothing.
    if (!isPending || fields === undefined) return;
    const eventId = fields[fields.indexOf("id") + 1] ?? "";
    if (this.ledger.isSettled(group, eventId)) return;
    this.#options.fail(`${group} acknowledged event ${eventId} without its effect`);
  }
}

/** Of a row of the outbox, in their order. */
function eventIdsOf(change: Tuple): string[] {
  return String(change["events"]).split("\n").map((line) => {
    const event: unknown = JSON.parse(line);
    if (typeof event === "object" && event !== null && "id" in event) return String(event.id);
    throw new TypeError(`no event: ${line}`);
  });
}

function put(
  sets: Map<unknown, Set<unknown>>,
  key: unknown,
  member: unknown,
  isIn: boolean,
): number {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set);
  if (isIn) set.add(member);
  else set.delete(member);
  return set.size;
}

function textOf(tuple: Tuple | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(tuple ?? {}).map(([name, value]) => [name, String(value)]),
  );
}

function asKind(order: Tuple): OrderKind {
  return order["kind"] === "parcel" ? "parcel" : "marketplace";
}

function asState(status: unknown): OrderState {
  const state = ORDER_STATES.find((each) => each === status);
  if (state === undefined) throw new TypeError(`no state of an order: ${String(status)}`);
  return state;
}
