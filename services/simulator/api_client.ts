/**
 * The public API as typed calls: requests and answers are those of its OpenAPI document. Only the
 * paths of ingest and the tracker, which have no document, stand here.
 *
 * Contract: every call ends by its time limit or when `stop` aborts, whichever is first. It resolves
 * with a checked value or rejects with `ApiError`; it never retries (callers know what may be
 * repeated) and never logs.
 */
import { z } from "zod";
import {
  type ApiAnswer,
  type ApiInput,
  apiRequest,
  type OperationName,
} from "shared/client/api_request.ts";
import type { Point } from "shared/geo/point.ts";
import type { OrderState } from "shared/orders/lifecycle.ts";
import {
  assignmentSchema,
  courierSchema,
  type Fix,
  fixAnswerSchema,
  itemsOf,
  menuItemSchema,
  merchantSchema,
  type NewOrder,
  offerSchema,
  orderSchema,
  signedInSchema,
  ticketSchema,
  trackSnapshotSchema,
} from "./api_shapes.ts";
import { type ChannelOptions, runChannel } from "./channel.ts";
import type { ServiceName } from "./reachability.ts";

const REQUEST_TIMEOUT_MS = 10_000;
/** Below the interval of fixes, so that a courier never has two under way. */
const FIX_TIMEOUT_MS = 2_500;
const SNAPSHOT_TIMEOUT_MS = 3_000;
const MAX_SNAPSHOT_CHARACTERS = 65_536;
const MAX_RETRY_AFTER_MS = 60_000;
/** Most orders that one look-up returns. */
export const LIST_LIMIT = 50;
/** Most merchants that one look-up is asked for. */
const MERCHANTS_LIMIT = 100;

/** Codes of failures that never reached the API or came back unreadable. */
type LocalCode = "client.unreachable" | "client.timeout" | "client.stopped" | "client.unreadable";

/** A call that did not bring its answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** The problem's stable code, `http.<status>` where the body had none, or a `client.` code. */
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(
    call: string,
    failure: { status: number | null; code: string; retryAfterMs?: number; cause?: unknown },
  ) {
    super(`${call} failed: ${failure.code}`, { cause: failure.cause });
    this.status = failure.status;
    this.code = failure.code;
    this.retryAfterMs = failure.retryAfterMs;
  }

  /** True where the same call may succeed later: no answer, 429 or 5xx. */
  get transient(): boolean {
    if (this.status === null) return this.code !== "client.stopped";
    return this.status === 429 || this.status >= 500;
  }
}

export interface ApiClientOptions {
  /** Bases without a path, as `http://127.0.0.1:8080`. */
  readonly apiUrl: string;
  readonly ingestUrl: string;
  readonly trackerUrl: string;
  /** Ends every call under way. */
  readonly stop: AbortSignal;
  /** Told after every call whether the service behind it answered below 500. */
  readonly onOutcome?: (service: ServiceName, answered: boolean) => void;
}

interface Call {
  readonly service?: ServiceName;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** A merchant's steps on an order, and the operations behind them. */
const MERCHANT_ACTIONS = {
  confirm: "confirmOrder",
  prepare: "prepareOrder",
  ready: "markOrderReady",
} as const;
export type MerchantAction = keyof typeof MERCHANT_ACTIONS;

/** A courier's reports on an order, and the operations behind them. */
const MILESTONES = {
  "picked-up": "reportPickedUp",
  "in-transit": "reportInTransit",
  "delivered": "reportDelivered",
} as const;
export type Milestone = keyof typeof MILESTONES;

/** `unknown` where a schema takes all that an answer may be; else nothing fits. */
type Reader<Answer, Schema extends z.ZodType> = Answer extends z.input<Schema> ? unknown : never;

export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #bases: Record<ServiceName, string>;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#bases = {
      api: withoutSlash(options.apiUrl),
      ingest: withoutSlash(options.ingestUrl),
      tracker: withoutSlash(options.trackerUrl),
    };
  }

  signIn(email: string, password: string) {
    return this.#ask("login", { body: { email, password } }, signedInSchema);
  }

  courier(token: string) {
    return this.#ask("getOwnCourier", {}, courierSchema, { token });
  }

  goOnline(token: string) {
    return this.#ask("goOnline", {}, courierSchema, { token });
  }

  async offers(token: string) {
    return (await this.#ask("listOffers", {}, itemsOf(offerSchema), { token })).items;
  }

  acceptOffer(token: string, offerId: string) {
    return this.#tell("acceptOffer", { path: { id: offerId } }, { token });
  }

  rejectOffer(token: string, offerId: string) {
    return this.#tell("rejectOffer", { path: { id: offerId }, body: {} }, { token });
  }

  async assignments(token: string) {
    return (await this.#ask("listAssignments", {}, itemsOf(assignmentSchema), { token })).items;
  }

  report(token: string, orderId: string, milestone: Milestone) {
    const schema = orderSchema.pick({ status: true });
    return this.#ask(MILESTONES[milestone], { path: { id: orderId } }, schema, { token });
  }

  /** A one-use URL of the courier's channel. It holds a ticket: never log it. */
  async channelUrl(token: string): Promise<string> {
    const { ticket } = await this.#ask("createChannelTicket", {}, ticketSchema, { token });
    const url = new URL(`${this.#bases.tracker}/api/v1/courier/channel`);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("ticket", ticket);
    return url.href;
  }

  /** Runs the channel at a URL of `channelUrl` until it ends; see `runChannel`. */
  async runChannel(url: string, callbacks: Omit<ChannelOptions, "signal">) {
    const { stop, onOutcome } = this.#options;
    let opened = false;
    await runChannel(url, {
      ...callbacks,
      signal: stop,
      onOpen: () => {
        opened = true;
        onOutcome?.("tracker", true);
        callbacks.onOpen();
      },
    });
    if (!opened && !stop.aborted) onOutcome?.("tracker", false);
    return { opened };
  }

  /** False where ingest has a newer fix already. */
  async sendFix(token: string, fix: Fix): Promise<boolean> {
    const call: Call = { service: "ingest", token, timeoutMs: FIX_TIMEOUT_MS };
    return (await this.#ask("sendPosition", { body: fix }, fixAnswerSchema, call)).accepted;
  }

  async merchantOrders(token: string, status: OrderState) {
    const query = { status, limit: LIST_LIMIT };
    return (await this.#ask("listMerchantOrders", { query }, itemsOf(orderSchema), { token }))
      .items;
  }

  advanceOrder(token: string, orderId: string, action: MerchantAction) {
    return this.#ask(MERCHANT_ACTIONS[action], { path: { id: orderId } }, orderSchema, { token });
  }

  merchant(token: string, merchantId: string) {
    return this.#ask("getMerchant", { path: { id: merchantId } }, merchantSchema, { token });
  }

  async merchantsNear(token: string, { lat, lon }: Point, radiusM: number) {
    const query = { lat, lon, radiusM: Math.ceil(radiusM), limit: MERCHANTS_LIMIT };
    return (await this.#ask("listMerchants", { query }, itemsOf(merchantSchema), { token })).items;
  }

  async menu(token: string, merchantId: string) {
    const input = { path: { id: merchantId } };
    return (await this.#ask("getMenu", input, itemsOf(menuItemSchema), { token })).items;
  }

  placeOrder(token: string, idempotencyKey: string, body: NewOrder) {
    return this.#ask("placeOrder", { body }, orderSchema.pick({ id: true }), {
      token,
      headers: { "idempotency-key": idempotencyKey },
    });
  }

  /** A one-use ticket for the live track of an order of the caller's. */
  async trackTicket(token: string, orderId: string): Promise<string> {
    const input = { path: { id: orderId } };
    return (await this.#ask("createTrackTicket", input, ticketSchema, { token })).ticket;
  }

  /**
   * Where the courier of an order was last seen: the snapshot that opens the order's track. The
   * stream is left after it.
   */
  lastPosition(orderId: string, ticket: string): Promise<Point | undefined> {
    const path = `/api/v1/orders/${orderId}/track?ticket=${encodeURIComponent(ticket)}`;
    const headers = { accept: "text/event-stream" };
    const call: Call = { service: "tracker", timeoutMs: SNAPSHOT_TIMEOUT_MS, headers };
    return this.#exchange("GET", path, call, async (response) => {
      const text = response.body === null ? "" : await firstEvent(response.body);
      const snapshot = checked(path, response.status, trackSnapshotSchema, text);
      return snapshot.position ?? undefined;
    });
  }

  /**
   * Asks for what an operation answers, and reads of it what `schema` names. A schema that would
   * refuse what the API documents does not compile.
   */
  #ask<Name extends OperationName, Schema extends z.ZodType>(
    name: Name,
    input: ApiInput<Name>,
    schema: Schema & Reader<ApiAnswer<Name>, Schema>,
    call: Call = {},
  ): Promise<z.output<Schema>> {
    const { method, path, body } = apiRequest(name, input);
    return this.#json(method, path, schema, { ...call, ...(body === undefined ? {} : { body }) });
  }

  /** Asks for something whose answer does not matter. */
  #tell<Name extends OperationName>(name: Name, input: ApiInput<Name>, call: Call): Promise<void> {
    const { method, path, body } = apiRequest(name, input);
    const whole = { ...call, ...(body === undefined ? {} : { body }) };
    return this.#exchange(method, path, whole, async (response) => {
      // An unread body would keep its connection from being used again.
      await response.arrayBuffer();
    });
  }

  #json<Schema extends z.ZodType>(
    method: string,
    path: string,
    schema: Schema,
    call: Call,
  ): Promise<z.output<Schema>> {
    return this.#exchange(method, path, call, async (response) => {
      return checked(path, response.status, schema, await response.text());
    });
  }

  async #exchange<T>(
    method: string,
    path: string,
    call: Call,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { stop, onOutcome } = this.#options;
    const service = call.service ?? "api";
    const limit = new AbortController();
    const end = () => limit.abort();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, call.timeoutMs ?? REQUEST_TIMEOUT_MS);
    stop.addEventListener("abort", end, { once: true });
    if (stop.aborted) end();
    let status: number | null = null;
    try {
      const response = await fetch(this.#bases[service] + path, {
        ...requestOf(method, call),
        signal: limit.signal,
      });
      status = response.status;
      if (!response.ok) throw await problemOf(path, response);
      return await read(response);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      const code: LocalCode = stop.aborted
        ? "client.stopped"
        : timedOut
        ? "client.timeout"
        : "client.unreachable";
      status = null;
      throw new ApiError(callName(path), { status, code, cause: error });
    } finally {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      if (!stop.aborted) onOutcome?.(service, status !== null && status < 500);
    }
  }
}

function requestOf(method: string, call: Call): RequestInit {
  const headers: Record<string, string> = { ...call.headers };
  if (call.token !== undefined) headers["authorization"] = `Bearer ${call.token}`;
  if (call.body === undefined) return { method, headers };
  headers["content-type"] = "application/json";
  return { method, headers, body: JSON.stringify(call.body) };
}

const problemSchema = z.object({ code: z.string() });

async function problemOf(path: string, response: Response): Promise<ApiError> {
  const { status } = response;
  const problem = problemSchema.safeParse(parseJson(await response.text()));
  const retryAfterS = Number(response.headers.get("retry-after") ?? NaN);
  return new ApiError(callName(path), {
    status,
    code: problem.success ? problem.data.code : `http.${status}`,
    ...(retryAfterS >= 0
      ? { retryAfterMs: Math.min(MAX_RETRY_AFTER_MS, retryAfterS * 1_000) }
      : {}),
  });
}

/** An answer that does not hold what the API promises is this side's failure, whatever its status. */
function checked<Schema extends z.ZodType>(
  path: string,
  status: number,
  schema: Schema,
  text: string,
): z.output<Schema> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const code: LocalCode = "client.unreadable";
  throw new ApiError(callName(path), { status, code, cause: parsed.error });
}

/** Undefined where the text is no JSON: the schema then says what was expected instead. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The data of the first event of a server-sent event stream that has any (WHATWG HTML §9.2.6;
 * comments and `retry:` may come before it), then leaves the stream. Empty where none came.
 */
async function firstEvent(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.length > MAX_SNAPSHOT_CHARACTERS) break;
    // The last block may still grow.
    for (const block of text.split(/\r?\n\r?\n/).slice(0, -1)) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (lines.length > 0) return lines.map((line) => line.slice("data:".length)).join("\n");
    }
  }
  return "";
}

/** The call without its query, and with ids masked, so that equal failures read equal in a log. */
function callName(path: string): string {
  return path.replace(/\?.*/, "").replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ":id");
}

function withoutSlash(base: string): string {
  return base.replace(/\/+$/, "");
}
