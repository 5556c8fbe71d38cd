/**
 * One change of one order inside a transaction: collects events while the order's row is locked,
 * then raises the version once and appends them all under it, to outbox and history.
 */
import type { EventInput } from "shared/events/catalogue.ts";
import type { Tx } from "shared/sql/connect.ts";
import type { Deed } from "./actor.ts";
import { releaseCourier } from "./courier_load.ts";
import { nextState, type OrderAction, type OrderState } from "./lifecycle.ts";
import { findActiveAssignment, findPendingOffer } from "./locks.ts";
import { closeEvent } from "./offer_events.ts";
import { appendOrderEvents } from "./order_events.ts";
import type { AssignmentRow, Hold, OfferRow, OfferStatus, OrderRow } from "./rows.ts";
import type { Cancellation } from "./cancellation.ts";

export class OrderChange {
  /** The version every event of this change carries. */
  readonly version: number;
  readonly #tx: Tx;
  readonly #order: OrderRow;
  readonly #deed: Deed;
  readonly #events: EventInput[] = [];
  #status: OrderState;
  #offersMade: number;
  #attention: string | null;
  #hold: Hold | null;
  #redispatches: number;
  #tipMinor: number;
  #cancellation: Cancellation | null = null;
  #cashCollectedMinor: number | null = null;

  constructor(tx: Tx, order: OrderRow, deed: Deed) {
    this.#tx = tx;
    this.#order = order;
    this.#deed = deed;
    this.version = order.version + 1;
    this.#status = order.status;
    this.#offersMade = order.offersMade;
    this.#attention = order.attention;
    this.#hold = order.hold;
    this.#redispatches = order.redispatches;
    this.#tipMinor = order.tipMinor;
  }

  get status(): OrderState {
    return this.#status;
  }

  /** Order and version, which every event of an order carries. */
  get ids(): { orderId: string; orderVersion: number } {
    return { orderId: this.#order.id, orderVersion: this.version };
  }

  add(event: EventInput): void {
    this.#events.push(event);
  }

  /** Applies an action; false when the state does not allow it, and then nothing has changed. */
  apply(action: OrderAction): boolean {
    const to = nextState(this.#order.kind, this.#status, action);
    if (to === "reject") return false;
    this.add({
      type: "order.status_changed",
      data: { ...this.ids, from: this.#status, to, actor: this.#deed.role },
    });
    this.#status = to;
    return true;
  }

  countOffer(): number {
    this.#offersMade++;
    return this.#offersMade;
  }

  /** Counts a courier lost before the pickup; how many that makes. */
  countRedispatch(): number {
    this.#redispatches++;
    return this.#redispatches;
  }

  /** Puts the order into the dispatcher's queue, once per reason. */
  raiseAttention(reason: string): void {
    if (this.#attention === reason) return;
    this.#attention = reason;
    this.add({ type: "order.attention_raised", data: { ...this.ids, reason } });
  }

  /** Takes the order out of the dispatcher's queue. */
  clearAttention(): void {
    if (this.#attention === null) return;
    this.add({
      type: "order.attention_cleared",
      data: { ...this.ids, reason: this.#attention },
    });
    this.#attention = null;
  }

  /** Stops dispatch until a dispatcher decides. */
  holdForDispatcher(): void {
    this.#hold = "dispatcher";
  }

  /** Lets the order be dispatched, if something held it back. */
  release(): void {
    if (this.#hold === null) return;
    this.add({ type: "order.released", data: { ...this.ids, held: this.#hold } });
    this.#hold = null;
  }

  /** A held order that has ended is no longer held: nothing waits for it. */
  dropHold(): void {
    this.#hold = null;
  }

  raiseTip(tipMinor: number): void {
    this.#tipMinor = tipMinor;
    const { currency } = this.#order;
    this.add({ type: "order.tip_changed", data: { ...this.ids, tipMinor, currency } });
  }

  recordCancellation(cancellation: Cancellation): void {
    this.#cancellation = cancellation;
  }

  recordCash(collectedMinor: number): void {
    this.#cashCollectedMinor = collectedMinor;
  }

  /** Closes the pending offer, if there is one. */
  async closePendingOffer(status: OfferStatus, reason: string): Promise<OfferRow | undefined> {
    const offer = await findPendingOffer(this.#tx, this.#order.id);
    if (offer === undefined) return undefined;
    await this.#tx`
      update offers set status = ${status}, closed_at = clock_timestamp(), reason = ${reason}
      where id = ${offer.id} and status = 'pending'`;
    const event = closeEvent(offer, this.version, status, reason);
    if (event !== undefined) this.add(event);
    return offer;
  }

  /** Ends the active assignment, if there is one, and gives the courier its capacity back. */
  async endAssignment(reason: string): Promise<AssignmentRow | undefined> {
    const assignment = await findActiveAssignment(this.#tx, this.#order.id);
    if (assignment === undefined) return undefined;
    await this.#tx`
      update assignments set ended_at = clock_timestamp(), end_reason = ${reason}
      where id = ${assignment.id} and ended_at is null`;
    const { courierId } = assignment;
    this.add({
      type: "assignment.ended",
      data: { ...this.ids, assignmentId: assignment.id, courierId, reason },
    });
    await releaseCourier(this.#tx, courierId, reason);
    return assignment;
  }

  /**
   * Writes the order's row and its events. Must be the last call. Where nothing happened, nothing
   * is written: every version has an event.
   */
  async save(): Promise<void> {
    if (this.#events.length === 0) return;
    const changed = this.#status !== this.#order.status;
    const cancellation = this.#cancellation === null ? null : JSON.stringify(this.#cancellation);
    const rows = await this.#tx`
      update orders set
        version = ${this.version},
        status = ${this.#status},
        offers_made = ${this.#offersMade},
        hold = ${this.#hold},
        redispatches = ${this.#redispatches},
        tip_minor = ${this.#tipMinor},
        cancellation = coalesce(${cancellation}::jsonb, cancellation),
        cash_collected_minor = coalesce(${this.#cashCollectedMinor}, cash_collected_minor),
        attention = ${this.#attention},
        attention_at = case when ${this.#attention}::text is null then null
          when attention is distinct from ${this.#attention} then clock_timestamp()
          else attention_at end,
        state_times = case when ${changed} then state_times || jsonb_build_object(
          ${this.#status}::text, to_char(clock_timestamp() at time zone 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) else state_times end
      where id = ${this.#order.id} and version = ${this.#order.version}
      returning 1`;
    // The row is locked, so this is a broken promise of the caller and not a race.
    if (rows.length !== 1) throw new Error(`order ${this.#order.id} was not locked`);
    const { id, region, shard } = this.#order;
    appendOrderEvents(
      this.#tx,
      { id, version: this.version, region, shard },
      this.#events,
      this.#deed,
    );
  }
}
