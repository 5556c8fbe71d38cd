/**
 * One simulated merchant account: it confirms, prepares and readies its orders.
 *
 * Contract: one loop, one request at a time. New orders are looked for every 2 s; what it has begun
 * itself it knows from the answers, and all open orders are read again every 30 s, so that a change
 * from elsewhere (a cancellation) is noticed. At most `MAX_ORDERS` are held; more wait their turn.
 */
import type { OrderState } from "shared/orders/lifecycle.ts";
import { keepGoing, type Surroundings } from "./agent.ts";
import { ApiError, LIST_LIMIT, type MerchantAction } from "./api_client.ts";
import type { Order } from "./api_shapes.ts";
import { type MerchantTask, nextMerchantTask } from "./merchant_decision.ts";
import type { Session } from "./session.ts";

const POLL_MS = 2_000;
const RESYNC_MS = 30_000;
const MAX_ORDERS = 500;
const MIN_WAIT_MS = 20;

export interface MerchantAgentOptions {
  readonly around: Surroundings;
  readonly session: Session;
}

export class MerchantAgent {
  readonly #around: Surroundings;
  readonly #session: Session;
  /** Orders that still need the merchant. */
  readonly #orders = new Map<string, Order>();
  /** By merchant id: an account may run several. */
  readonly #preparationMinutes = new Map<string, number>();
  #polledAtMs = 0;
  #resyncedAtMs = 0;

  constructor(options: MerchantAgentOptions) {
    this.#around = options.around;
    this.#session = options.session;
  }

  /** Lives until the process stops. */
  async run(): Promise<void> {
    await keepGoing(this.#around, () => this.#turn());
  }

  async #turn(): Promise<void> {
    const { clock, stop } = this.#around;
    const nowMs = clock.nowMs();
    if (nowMs >= this.#resyncedAtMs + RESYNC_MS) {
      for (const status of ["confirmed", "preparing"] as const) await this.#look(status);
      this.#resyncedAtMs = nowMs;
    }
    if (nowMs >= this.#polledAtMs + POLL_MS) {
      await this.#look("placed");
      this.#polledAtMs = nowMs;
    }
    let nextMs = this.#polledAtMs + POLL_MS;
    for (const order of [...this.#orders.values()]) {
      if (stop.aborted) return;
      const task = await this.#taskOf(order);
      if (task === undefined) this.#orders.delete(order.id);
      else if (task.dueAtMs > clock.nowMs()) nextMs = Math.min(nextMs, task.dueAtMs);
      else await this.#advance(order, task.action);
    }
    await clock.pause(Math.max(MIN_WAIT_MS, nextMs - clock.nowMs()), stop);
  }

  /** Reads the orders in one state; held ones that left it are forgotten. */
  async #look(status: OrderState): Promise<void> {
    const found = await this.#session.call((token) =>
      this.#around.api.merchantOrders(token, status)
    );
    const complete = found.length < LIST_LIMIT;
    const ids = new Set(found.map(({ id }) => id));
    for (const order of this.#orders.values()) {
      if (complete && order.status === status && !ids.has(order.id)) this.#orders.delete(order.id);
    }
    for (const order of found) {
      if (this.#orders.size < MAX_ORDERS || this.#orders.has(order.id)) {
        this.#orders.set(order.id, order);
      }
    }
  }

  async #taskOf(order: Order): Promise<MerchantTask | undefined> {
    const { clock, speed, seed } = this.#around;
    const preparationMinutes = await this.#preparationOf(order);
    return nextMerchantTask(order, { preparationMinutes, speed, seed }, clock.nowMs());
  }

  async #preparationOf({ merchantId }: Order): Promise<number> {
    if (merchantId === undefined || merchantId === null) return 0;
    const known = this.#preparationMinutes.get(merchantId);
    if (known !== undefined) return known;
    const { api } = this.#around;
    const merchant = await this.#session.call((token) => api.merchant(token, merchantId));
    this.#preparationMinutes.set(merchantId, merchant.preparationMinutes);
    return merchant.preparationMinutes;
  }

  async #advance(order: Order, action: MerchantAction): Promise<void> {
    const { api, metrics, log } = this.#around;
    try {
      const advanced = await this.#session.call((token) =>
        api.advanceOrder(token, order.id, action)
      );
      this.#orders.set(order.id, advanced);
      metrics.merchantSteps.inc({ step: action });
    } catch (error) {
      if (error instanceof ApiError && error.transient) {
        // It may have arrived nevertheless: an order that is no longer "placed" would be forgotten
        // until the next reading of all orders.
        this.#resyncedAtMs = 0;
        throw error;
      }
      if (!(error instanceof ApiError) || error.status === 401) throw error;
      // Somebody else moved it, or it was cancelled: learn what it is now.
      log.debug("order moved elsewhere", { orderId: order.id, code: error.code });
      this.#orders.delete(order.id);
      this.#resyncedAtMs = 0;
    }
  }
}
