/**
 * The public API in memory, for tests of agents: gateway, ingest and tracker on one free port. It
 * keeps the order's table of states, tickets of one use, and one offer per order; a token is the
 * account's e-mail. Tests look at `requests`, `fixes` and `orders`, and wait with `until`.
 */
import { nextState, type OrderAction, type OrderState } from "shared/orders/lifecycle.ts";
import type { Point } from "shared/geo/point.ts";
import { type ProblemCode, problemResponse } from "shared/problem/problem.ts";
import type { Fix, NewOrder } from "../api_shapes.ts";
import type { WorldClock } from "../world_clock.ts";

const UNTIL_TIMEOUT_MS = 20_000;
/** Long in the hurried clock of a stage, so that a busy machine does not let all of them run out. */
const OFFER_MS = 120_000;

export interface FakeOrder {
  readonly id: string;
  readonly kind: "marketplace" | "parcel";
  readonly merchantId: string;
  readonly pickup: Point;
  readonly dropoff: Point;
  readonly items: NewOrder["items"];
  readonly stateTimes: Record<string, string>;
  status: OrderState;
  /** E-mail of the assigned courier. */
  courier?: string;
}

export interface FakeOffer {
  readonly id: string;
  readonly orderId: string;
  readonly courier: string;
  readonly expiresAtMs: number;
  status: "pending" | "accepted" | "rejected" | "closed";
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** The account's e-mail; empty before the sign-in. */
  readonly token: string;
  readonly body: unknown;
  readonly headers: Headers;
}

const MERCHANT_ACTIONS: Record<string, OrderAction> = {
  confirm: "confirm",
  prepare: "prepare",
  ready: "make_ready",
};
const COURIER_ACTIONS: Record<string, OrderAction> = {
  "picked-up": "pick_up",
  "in-transit": "depart",
  "delivered": "deliver",
};

export class FakeApi {
  readonly orders = new Map<string, FakeOrder>();
  readonly offers = new Map<string, FakeOffer>();
  readonly requests: SeenRequest[] = [];
  readonly fixes: { courier: string; fix: Fix }[] = [];
  readonly courierStatus = new Map<string, string>();
  readonly channels = new Map<string, WebSocket>();
  readonly merchants: { id: string; location: Point; preparationMinutes: number; open: boolean }[] =
    [];
  /** Asked first; what it returns is the answer. */
  intercept: (request: SeenRequest) => Response | undefined = () => undefined;
  readonly #clock: WorldClock;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #tickets = new Map<string, string>();
  readonly #waiting = new Set<() => void>();
  #ids = 0;

  constructor(clock: WorldClock) {
    this.#clock = clock;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#serve(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async stop(): Promise<void> {
    for (const channel of this.channels.values()) channel.close();
    await this.#server.shutdown();
  }

  /** Resolves as soon as the condition holds after some request; rejects after a bound. */
  until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const last = this.requests.slice(-8).map(({ method, path }) => `${method} ${path}`);
        reject(new Error(`did not see ${what}; last requests: ${last.join(", ")}`));
      }, UNTIL_TIMEOUT_MS);
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  addOrder(order: Partial<FakeOrder> & Pick<FakeOrder, "pickup" | "dropoff">): FakeOrder {
    const status = order.status ?? "placed";
    const added: FakeOrder = {
      id: this.#id(),
      kind: "marketplace",
      merchantId: "",
      items: [],
      stateTimes: { [status]: this.#instant() },
      ...order,
      status,
    };
    this.orders.set(added.id, added);
    return added;
  }

  /** Offers an order to a courier; over the channel where one is open. */
  offer(order: FakeOrder, courier: string): FakeOffer {
    const offer: FakeOffer = {
      id: this.#id(),
      orderId: order.id,
      courier,
      expiresAtMs: this.#clock.nowMs() + OFFER_MS,
      status: "pending",
    };
    this.offers.set(offer.id, offer);
    this.push(courier, { type: "offer.made", offer: offerJson(offer) });
    return offer;
  }

  /** Sends a frame, or any text, on the courier's channel if it is open. */
  push(courier: string, frame: unknown): void {
    const channel = this.channels.get(courier);
    if (channel?.readyState !== WebSocket.OPEN) return;
    channel.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  setStatus(order: FakeOrder, status: OrderState): void {
    order.status = status;
    order.stateTimes[status] = this.#instant();
  }

  /** The paths a courier or merchant asked for, in order, with ids left in. */
  pathsOf(token: string, method: string): string[] {
    return this.requests.filter((seen) => seen.token === token && seen.method === method)
      .map(({ path }) => path);
  }

  /** As keeper's timers do. */
  #closeExpired(): void {
    const nowMs = this.#clock.nowMs();
    for (const offer of this.offers.values()) {
      if (offer.status === "pending" && offer.expiresAtMs <= nowMs) offer.status = "closed";
    }
  }

  async #serve(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const text = request.body === null ? "" : await request.text();
    const seen: SeenRequest = {
      method: request.method,
      path: pathname.replace("/api/v1", ""),
      token: request.headers.get("authorization")?.replace("Bearer ", "") ?? "",
      body: text === "" ? undefined : JSON.parse(text),
      headers: request.headers,
    };
    this.requests.push(seen);
    this.#closeExpired();
    try {
      const own = this.intercept(seen);
      if (own !== undefined) return own;
      if (seen.path === "/courier/channel") return this.#channel(request, searchParams);
      return this.#answer(seen, searchParams);
    } finally {
      // After the handler has returned, so that its effect is there.
      queueMicrotask(() => this.#waiting.forEach((check) => check()));
    }
  }

  #answer(seen: SeenRequest, query: URLSearchParams): Response {
    const { method, path, token, body } = seen;
    const [, area = "", second = "", third = "", fourth = ""] = path.split("/");
    if (path === "/auth/login") {
      const { email } = body as { email: string };
      return Response.json({ token: email, account: { id: email, role: "any" } });
    }
    if (area === "orders" && third === "track") return this.#track(second, query);
    if (token === "") return problemResponse("auth.required");
    if (path === "/courier/location") {
      this.fixes.push({ courier: token, fix: body as Fix });
      return Response.json({ accepted: true });
    }
    if (area === "courier") return this.#courier(token, method, [second, third, fourth]);
    if (area === "merchant" && method === "GET") {
      const status = query.get("status");
      return this.#items([...this.orders.values()].filter((order) => order.status === status));
    }
    if (area === "merchant") return this.#act(third, MERCHANT_ACTIONS[fourth]);
    if (area === "merchants" && second === "") return this.#items(this.merchants);
    if (area === "merchants" && third === "menu") {
      const dishes = [1, 2, 3, 4].map((n) => ({ id: `dish-${n}`, available: n !== 4 }));
      return this.#items(dishes.map((dish) => ({ ...dish, optionGroups: [] })));
    }
    if (area === "merchants") {
      const merchant = this.merchants.find(({ id }) => id === second);
      return merchant ? Response.json(merchant) : problemResponse("merchant.not_found");
    }
    if (area === "orders" && third === "track-tickets") return this.#ticket(second);
    if (path === "/orders" && method === "POST") return this.#place(body as NewOrder);
    return problemResponse("route.not_found");
  }

  #courier(token: string, method: string, [what, id, action]: [string, string, string]) {
    const me = () =>
      Response.json({
        id: token,
        vehicle: "bicycle",
        status: this.courierStatus.get(token) ?? "offline",
      });
    if (what === "me") return me();
    if (what === "online") {
      this.courierStatus.set(token, "available");
      return me();
    }
    if (what === "channel-tickets") return this.#ticket(token);
    if (what === "offers" && method === "GET") return this.#items(this.#openOffers(token));
    if (what === "offers") return this.#answerOffer(id, action);
    if (what === "assignments") {
      const mine = [...this.orders.values()].filter((order) =>
        order.courier === token && !["delivered", "cancelled"].includes(order.status)
      );
      return this.#items(mine.map((order) => ({ orderId: order.id, order })));
    }
    return this.#act(id, COURIER_ACTIONS[action]);
  }

  #answerOffer(id: string, action: string): Response {
    const offer = this.offers.get(id);
    if (offer === undefined) return problemResponse("offer.not_found");
    if (offer.status !== "pending") return problemResponse("offer.closed");
    offer.status = action === "accept" ? "accepted" : "rejected";
    const order = this.orders.get(offer.orderId);
    if (action !== "accept" || order === undefined) return new Response(null, { status: 204 });
    order.courier = offer.courier;
    return Response.json({ assignment: { orderId: order.id }, order });
  }

  #act(orderId: string, action: OrderAction | undefined): Response {
    const order = this.orders.get(orderId);
    if (order === undefined || action === undefined) return problemResponse("order.not_found");
    const next = nextState(order.kind, order.status, action);
    if (next === "reject") return problemResponse("order.transition_not_allowed");
    this.setStatus(order, next);
    return Response.json(order);
  }

  #place(body: NewOrder): Response {
    const merchant = this.merchants.find(({ id }) => id === body.merchantId);
    if (merchant === undefined) return problemResponse("merchant.not_found");
    const { dropoff, items, merchantId } = body;
    const order = this.addOrder({ merchantId, items, dropoff, pickup: merchant.location });
    return Response.json(order, { status: 201 });
  }

  /** `grant` is what the ticket opens: a courier's channel, or an order's track. */
  #ticket(grant: string): Response {
    const ticket = this.#id();
    this.#tickets.set(ticket, grant);
    return Response.json({ ticket }, { status: 201 });
  }

  #track(orderId: string, query: URLSearchParams): Response {
    const ticket = query.get("ticket") ?? "";
    if (this.#tickets.get(ticket) !== orderId) return problemResponse("ticket.invalid");
    this.#tickets.delete(ticket);
    const courier = this.orders.get(orderId)?.courier;
    const last = this.fixes.findLast((entry) => entry.courier === courier)?.fix;
    const snapshot = JSON.stringify({ type: "snapshot", position: last ?? null });
    const stream = ReadableStream.from([": hello\n\n", `id: 1:0\ndata: ${snapshot}`, "\n\n"]);
    return new Response(stream.pipeThrough(new TextEncoderStream()), {
      headers: { "content-type": "text/event-stream" },
    });
  }

  #channel(request: Request, query: URLSearchParams): Response {
    const ticket = query.get("ticket") ?? "";
    const courier = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    if (courier === undefined) return problemResponse("ticket.invalid");
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => {
      this.channels.set(courier, socket);
      socket.send(JSON.stringify({ type: "offers", offers: this.#openOffers(courier) }));
      this.#waiting.forEach((check) => check());
    };
    socket.onclose = () => {
      if (this.channels.get(courier) === socket) this.channels.delete(courier);
    };
    return response;
  }

  #openOffers(courier: string) {
    return [...this.offers.values()]
      .filter((offer) => offer.courier === courier && offer.status === "pending").map(offerJson);
  }

  #items(items: readonly unknown[]): Response {
    return Response.json({ items });
  }

  #id(): string {
    return `00000000-0000-7000-8000-${String(++this.#ids).padStart(12, "0")}`;
  }

  #instant(): string {
    return new Date(this.#clock.nowMs()).toISOString();
  }
}

/** A problem as the API answers it, for `intercept`. */
export function refusal(code: ProblemCode): Response {
  return problemResponse(code);
}

function offerJson({ id, orderId, expiresAtMs }: FakeOffer) {
  return { id, orderId, expiresAt: new Date(expiresAtMs).toISOString(), attempt: 1 };
}
