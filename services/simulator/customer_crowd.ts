/**
 * All simulated customers together: orders arrive as a Poisson process, each from a random customer.
 *
 * Contract: an arrival does not wait for the one before; at most `MAX_ORDERS_UNDER_WAY` are being
 * placed, and arrivals beyond that are dropped and counted. One order keeps one Idempotency-Key over
 * all its attempts, so an answer that was lost never becomes a second order. Customers sign in with
 * their first order.
 */
import type { Point } from "shared/geo/point.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { keepGoing, noteFailure, type Surroundings } from "./agent.ts";
import { ApiError } from "./api_client.ts";
import type { MenuItem, Merchant, NewOrder } from "./api_shapes.ts";
import { backoffMs } from "./backoff.ts";
import { chooseItems, chooseMerchant, DROPOFF_DISTANCE, newOrder } from "./customer_decision.ts";
import type { Navigation } from "./navigation.ts";
import { exponential, pick } from "./random.ts";
import type { Session } from "./session.ts";

const MAX_ORDERS_UNDER_WAY = 20;
/** A person gives up some time; the key is good for a day. */
const GIVE_UP_AFTER_MS = 5 * 60_000;
/** How long what merchants offer is believed. */
const CATALOGUE_AGE_MS = 5 * 60_000;

export interface CustomerCrowdOptions {
  readonly around: Surroundings;
  readonly sessions: readonly Session[];
  readonly navigation: Navigation;
  readonly orderIntervalMs: number;
  /** A circle around all merchants worth ordering from. */
  readonly area: { readonly centre: Point; readonly radiusM: number };
}

export class CustomerCrowd {
  readonly #options: CustomerCrowdOptions;
  readonly #around: Surroundings;
  readonly #underWay = new Set<Promise<void>>();
  #merchants: readonly Merchant[] = [];
  readonly #menus = new Map<string, readonly MenuItem[]>();
  #catalogueAtMs = -Infinity;

  constructor(options: CustomerCrowdOptions) {
    this.#options = options;
    this.#around = options.around;
  }

  /** Lives until the process stops. */
  async run(): Promise<void> {
    await keepGoing(this.#around, () => this.#nextArrival());
    await Promise.all(this.#underWay);
  }

  async #nextArrival(): Promise<void> {
    const { clock, stop, random, metrics } = this.#around;
    await clock.pause(exponential(random, this.#options.orderIntervalMs), stop);
    if (stop.aborted) return;
    if (this.#underWay.size >= MAX_ORDERS_UNDER_WAY) {
      metrics.ordersNotPlaced.inc({ reason: "crowded_out" });
      return;
    }
    const order: Promise<void> = this.#order()
      .catch((error) => {
        metrics.ordersNotPlaced.inc({ reason: "refused" });
        noteFailure(this.#around, error);
      })
      .finally(() => this.#underWay.delete(order));
    this.#underWay.add(order);
  }

  async #order(): Promise<void> {
    const { random, metrics } = this.#around;
    const session = pick(random, this.#options.sessions);
    if (session === undefined) return;
    const body = await this.#decide(session);
    if (body === undefined) {
      metrics.ordersNotPlaced.inc({ reason: "nothing_to_order" });
      return;
    }
    await this.#place(session, body);
  }

  async #decide(session: Session): Promise<NewOrder | undefined> {
    const { random } = this.#around;
    await this.#readCatalogue(session);
    const merchant = chooseMerchant(this.#merchants, random);
    if (merchant === undefined) return undefined;
    const items = chooseItems(await this.#menuOf(session, merchant.id), random);
    const dropoff = this.#options.navigation.addressAround(
      merchant.location,
      DROPOFF_DISTANCE,
      random,
    );
    return items === undefined || dropoff === undefined
      ? undefined
      : newOrder(merchant, items, dropoff);
  }

  async #place(session: Session, body: NewOrder): Promise<void> {
    const { api, clock, stop, random, metrics, log } = this.#around;
    // Not from the seed: a restarted simulator would send yesterday's keys with other orders.
    const key = uuidv7();
    const giveUpAtMs = clock.nowMs() + GIVE_UP_AFTER_MS;
    for (let failures = 0; !stop.aborted;) {
      try {
        const { id } = await session.call((token) => api.placeOrder(token, key, body));
        metrics.ordersPlaced.inc();
        log.debug("order placed", { orderId: id });
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || !mayRepeat(error)) {
          this.#catalogueAtMs = -Infinity;
          throw error;
        }
        noteFailure(this.#around, error);
        if (clock.nowMs() >= giveUpAtMs) {
          metrics.ordersNotPlaced.inc({ reason: "gave_up" });
          return;
        }
        failures++;
        await clock.pause(Math.max(error.retryAfterMs ?? 0, backoffMs(failures, random)), stop);
      }
    }
  }

  async #readCatalogue(session: Session): Promise<void> {
    const { api, clock } = this.#around;
    if (clock.nowMs() < this.#catalogueAtMs + CATALOGUE_AGE_MS) return;
    const { centre, radiusM } = this.#options.area;
    this.#merchants = await session.call((token) => api.merchantsNear(token, centre, radiusM));
    this.#menus.clear();
    this.#catalogueAtMs = clock.nowMs();
  }

  async #menuOf(session: Session, merchantId: string): Promise<readonly MenuItem[]> {
    const known = this.#menus.get(merchantId);
    if (known !== undefined) return known;
    const menu = await session.call((token) => this.#around.api.menu(token, merchantId));
    this.#menus.set(merchantId, menu);
    return menu;
  }
}

/** No answer, overload, or the first attempt with this key is still at work. */
function mayRepeat(error: ApiError): boolean {
  return error.transient || error.code === "idempotency.in_progress";
}
