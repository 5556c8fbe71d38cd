/**
 * Customers of a run: they place orders over HTTP and repeat what stayed without an answer.
 *
 * Contract: one order has one Idempotency-Key and one body over all its attempts. Attempts of an
 * order follow one another, different orders overlap. A placing ends with an answer, or gives up
 * after `GIVE_UP_MS`; both are in the history.
 */
import type { City } from "shared/city/city.ts";
import { customerHomes } from "shared/city/start_points.ts";
import { pause } from "shared/clock/timeout.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { demoEmail } from "../../deploy/local/demo/seed.ts";
import type { Attempt, History, Outcome } from "./history.ts";

/** Shorter than what the gateway itself waits for, so that outcomes do stay unknown. */
const REQUEST_TIMEOUT_MS = 4_000;
const RETRY_MS = 300;
const GIVE_UP_MS = 60_000;
/** Each may place ten an hour, and the longest run places 34. */
const CUSTOMERS = 5;

/** An order as its customer knows it. */
export interface PlacedOrder {
  readonly id: string;
  readonly key: string;
  readonly trackingToken: string;
}

interface Wish {
  readonly customer: number;
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Answer {
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly code?: string;
  readonly order?: { readonly id: string; readonly tracking: { readonly token: string } };
  readonly answerHash?: string;
}

export interface CustomersOptions {
  /** Where the customers find the gateway. */
  readonly apiUrl: string;
  readonly city: City;
  readonly password: string;
  readonly history: History;
  /** 0 to 1. */
  readonly random: () => number;
  /** Called once per order, with the first answer. */
  readonly onPlaced: (order: PlacedOrder) => void;
}

/** The customers of one run. */
export class Customers {
  readonly placed: PlacedOrder[] = [];
  readonly #options: CustomersOptions;
  readonly #tokens: readonly string[];
  readonly #merchants: readonly Merchant[];
  readonly #wishes: Wish[] = [];

  private constructor(
    options: CustomersOptions,
    tokens: readonly string[],
    merchants: readonly Merchant[],
  ) {
    this.#options = options;
    this.#tokens = tokens;
    this.#merchants = merchants;
  }

  /** Signs in and reads the catalogue, while all is well. */
  static async signIn(options: CustomersOptions): Promise<Customers> {
    const { apiUrl, city, password } = options;
    const tokens: string[] = [];
    for (let customer = 1; customer <= CUSTOMERS; customer++) {
      const email = demoEmail("customer", customer, city.region.id);
      const { token } = await call<{ token: string }>(`${apiUrl}/api/v1/auth/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ email, password }),
      });
      tokens.push(token);
    }
    const { items } = await call<{ items: { id: string }[] }>(`${apiUrl}/api/v1/merchants`);
    const merchants: Merchant[] = [];
    for (const { id } of items) {
      const menu = await call<{ items: { id: string }[] }>(
        `${apiUrl}/api/v1/merchants/${id}/menu`,
      );
      merchants.push({ id, menuItemIds: menu.items.map((item) => item.id) });
    }
    return new Customers(options, tokens, merchants);
  }

  /** Session tokens and the secrets of tracking links. */
  get secrets(): string[] {
    return [...this.#tokens, ...this.placed.map((order) => order.trackingToken)];
  }

  /** Places orders one after the other, at random moments; resolves when all are settled. */
  async place(orders: number, meanIntervalMs: number): Promise<void> {
    const placings: Promise<void>[] = [];
    for (let n = 0; n < orders; n++) {
      placings.push(this.#place(this.#wish(n)));
      await pause(2 * meanIntervalMs * this.#options.random());
    }
    await Promise.all(placings);
  }

  /**
   * Sends every request of the run once more: each must get the answer it got before. One key also
   * comes with another body, which must be refused.
   */
  async replayAll(): Promise<void> {
    for (const wish of this.#wishes) await this.#attempt(wish, "replay");
    const [wish] = this.#wishes;
    if (wish === undefined) return;
    const body = { ...wish.body, note: "another order with a key that was used" };
    await this.#attempt({ ...wish, body }, "reuse");
  }

  async #place(wish: Wish): Promise<void> {
    this.#wishes.push(wish);
    const giveUpAtMs = performance.now() + GIVE_UP_MS;
    while (performance.now() < giveUpAtMs) {
      const { outcome, order } = await this.#attempt(wish, "place");
      if (order !== undefined) {
        const placed = { id: order.id, key: wish.key, trackingToken: order.tracking.token };
        this.placed.push(placed);
        this.#options.onPlaced(placed);
      }
      if (outcome !== "unknown") return;
      await pause(RETRY_MS);
    }
  }

  async #attempt(wish: Wish, op: Attempt["op"]): Promise<Answer> {
    const invokedAtMs = Date.now();
    const answer = await this.#send(wish);
    const { outcome, status, code, order, answerHash } = answer;
    this.#options.history.add({
      op,
      key: wish.key,
      customer: wish.customer,
      invokedAtMs,
      endedAtMs: Date.now(),
      outcome,
      status,
      ...(code === undefined ? {} : { code }),
      ...(order === undefined ? {} : { orderId: order.id }),
      ...(answerHash === undefined ? {} : { answerHash }),
    });
    return answer;
  }

  async #send({ customer, key, body }: Wish): Promise<Answer> {
    try {
      const response = await fetch(`${this.#options.apiUrl}/api/v1/orders`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "authorization": `Bearer ${this.#tokens[customer - 1]}`,
          "idempotency-key": key,
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const { status } = response;
      const answer = await response.json() as { code?: string; id?: string };
      if (status === 201) {
        const order = answer as NonNullable<Answer["order"]>;
        return { outcome: "ok", status, order, answerHash: await hashOf(answer) };
      }
      const code = answer.code ?? "none";
      // The first attempt is still at work, or the server says that it does not know.
      const isOpen = status >= 500 || code === "idempotency.in_progress";
      return { outcome: isOpen ? "unknown" : "fail", status, code };
    } catch (error) {
      return { outcome: "unknown", status: null, code: error instanceof Error ? error.name : "?" };
    }
  }

  /** A third are parcels, which no kitchen holds back. */
  #wish(n: number): Wish {
    const { random, city } = this.#options;
    const customer = 1 + n % CUSTOMERS;
    const homes = customerHomes(city);
    const home = (at: number) => homes[Math.floor(at * homes.length)] ?? city.region.servedArea[0];
    const dropoff = home(random());
    const key = uuidv7();
    if (n % 3 === 2) {
      return { customer, key, body: { kind: "parcel", pickup: home(random()), dropoff } };
    }
    const merchant = this.#merchants[Math.floor(random() * this.#merchants.length)];
    const menuItemId = merchant?.menuItemIds[0];
    const items = [{ menuItemId, quantity: 1 }];
    return {
      customer,
      key,
      body: { kind: "marketplace", merchantId: merchant?.id, items, dropoff },
    };
  }
}

/** SHA-256 of a JSON value with its fields sorted: a stored answer may have them in another order. */
async function hashOf(value: unknown): Promise<string> {
  const sorted = JSON.stringify(
    value,
    (_name, inner: unknown) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1))
        : inner,
  );
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sorted));
  return new Uint8Array(digest).toHex();
}

interface Merchant {
  readonly id: string;
  readonly menuItemIds: readonly string[];
}

async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${response.status} of ${url}: ${await response.text()}`);
  return await response.json() as T;
}
