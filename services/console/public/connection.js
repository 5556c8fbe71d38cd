// @ts-check
/// <reference lib="dom" />
/** @import { FrameOutcome, Frame, LinkState } from "../track_types.ts" */
import { parseFrame } from "./frames.js";

/**
 * Contract: at most one socket and one timer at a time. Every try has its own number; what an older
 * try still delivers (a late ticket, a late message, a late close) is dropped. A ticket serves once,
 * so each try fetches a new one. Failures back off with jitter up to `MAX_BACKOFF_MS`; after
 * `MAX_ATTEMPTS` in a row it stops and waits for `retryNow()`. Only a refused link and the order's
 * end are final.
 */

const BASE_BACKOFF_MS = 600;
const MAX_BACKOFF_MS = 20_000;
/** About 20 minutes of trying: after that someone has to ask for more. */
const MAX_ATTEMPTS = 60;
const TICKET_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;
/**
 * A mobile network may drop a socket without a word, and a page cannot see the server's pings:
 * silence is the only sign. As an order may well be silent for minutes, the line is then renewed
 * without a word on the page, each time after twice the silence.
 */
const SILENCE_MS = 40_000;
const MAX_SILENCE_MS = 320_000;
/** A page shown again trusts a socket that spoke this recently. */
const TRUSTED_MS = 10_000;
/** `WebSocket.OPEN`; below it: still connecting. */
const OPEN = 1;
/** Larger than any track frame; what is longer is not from us. */
const MAX_FRAME_CHARS = 262_144;

/**
 * How long to wait before try number `attempt` (0 is the first retry): exponential with "equal
 * jitter" (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015), so that a
 * restarted server is not met by all its viewers at once.
 * @param {number} attempt
 * @param {number} random in [0, 1)
 */
export function backoffMs(attempt, random) {
  const cap = Math.min(MAX_BACKOFF_MS, BASE_BACKOFF_MS * 2 ** Math.min(attempt, 10));
  return cap / 2 + random * cap / 2;
}

/**
 * @typedef {object} ConnectionOptions
 * @property {string} orderId
 * @property {string} token
 * @property {string} baseUrl what a relative socket address is relative to
 * @property {() => string | null} resumePoint where to go on, null: from a snapshot
 * @property {(frame: Frame) => FrameOutcome} onFrame
 * @property {(link: LinkState) => void} onLink
 * @property {(offsetMs: number) => void} onServerTime server's clock minus ours
 * @property {() => boolean} hasEnded true once the order needs no connection any more
 * @property {typeof fetch} [fetch]
 * @property {(url: string) => WebSocket} [openSocket]
 * @property {() => number} [random]
 * @property {() => number} [nowMs] a clock that never goes back
 * @property {(run: () => void, afterMs: number) => () => void} [schedule] returns what cancels it
 */

/** The live link of one order, from ticket to frames, for as long as the page is open. */
export class TrackConnection {
  /** @type {Required<ConnectionOptions>} */
  #options;
  /** @type {WebSocket | null} */
  #socket = null;
  #cancelTimer = () => {};
  #try = 0;
  #attempt = 0;
  #gaps = 0;
  #renewals = 0;
  #heardMs = -Infinity;
  #forgetResumePoint = false;
  #final = false;

  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.#options = {
      fetch: (input, init) => fetch(input, init),
      openSocket: (url) => new WebSocket(url),
      random: Math.random,
      nowMs: () => performance.now(),
      schedule: (run, afterMs) => {
        const timer = setTimeout(run, afterMs);
        return () => clearTimeout(timer);
      },
      ...options,
    };
  }

  /** Connects, or tries again at once where it waits for the next try. */
  retryNow() {
    if (this.#final) return;
    this.#attempt = 0;
    this.#connect("again");
  }

  /**
   * Tries again at once unless the line works: for `online`, and for a page shown again, whose
   * socket may have died while the device slept.
   */
  wake() {
    if (this.#final) return;
    const open = this.#socket?.readyState === OPEN;
    if (open && this.#options.nowMs() - this.#heardMs < TRUSTED_MS) return;
    this.#attempt = 0;
    this.#connect(open ? "quiet" : "again");
  }

  /** For good: the page is left. */
  close() {
    this.#final = true;
    this.#drop();
  }

  /** @param {"again" | "quiet"} kind quiet: the page goes on saying what it said */
  async #connect(kind) {
    this.#drop();
    const number = ++this.#try;
    if (kind !== "quiet") this.#sayConnecting();
    try {
      const answer = await this.#ticket();
      if (number !== this.#try || this.#final) return;
      if ("refused" in answer) return this.#end({ kind: "refused", reason: answer.refused });
      if ("retryAfterMs" in answer) return this.#retryLater(answer.retryAfterMs);
      this.#open(number, answer.url);
    } catch (error) {
      if (number !== this.#try || this.#final) return;
      console.warn("Tracking: no ticket:", error instanceof Error ? error.message : error);
      this.#retryLater(0);
    }
  }

  /**
   * @returns {Promise<{ url: string } | { refused: "invalid" | "expired" } |
   *   { retryAfterMs: number }>}
   */
  async #ticket() {
    const { orderId, token } = this.#options;
    const response = await this.#options.fetch(
      `/api/v1/orders/${encodeURIComponent(orderId)}/track-tickets`,
      {
        method: "POST",
        headers: { "X-Tracking-Token": token },
        cache: "no-store",
        signal: AbortSignal.timeout(TICKET_TIMEOUT_MS),
      },
    );
    const serverMs = Date.parse(response.headers.get("date") ?? "");
    // The header has whole seconds: on average it is half a second old.
    if (!Number.isNaN(serverMs)) this.#options.onServerTime(serverMs + 500 - Date.now());
    if (response.status === 429 || response.status >= 500) {
      await response.body?.cancel();
      const seconds = Number(response.headers.get("retry-after") ?? "0");
      return { retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : 0 };
    }
    /** @type {unknown} */
    const body = await response.json().catch(() => null);
    if (!response.ok) {
      const code = readString(body, "code") ?? "";
      const expired = response.status === 410 || code.includes("expired");
      return { refused: expired ? "expired" : "invalid" };
    }
    const url = readString(body, "webSocketUrl");
    if (url === null) throw new Error("the answer has no webSocketUrl");
    return { url: this.#withResumePoint(url) };
  }

  /** @param {string} address */
  #withResumePoint(address) {
    const url = new URL(address, this.#options.baseUrl);
    if (url.protocol === "http:") url.protocol = "ws:";
    if (url.protocol === "https:") url.protocol = "wss:";
    const since = this.#forgetResumePoint ? null : this.#options.resumePoint();
    if (since !== null) url.searchParams.set("since", since);
    return url.href;
  }

  /**
   * @param {number} number
   * @param {string} url
   */
  #open(number, url) {
    const socket = this.#options.openSocket(url);
    this.#socket = socket;
    this.#wait(OPEN_TIMEOUT_MS, () => this.#retryLater(0));
    socket.onmessage = (event) => {
      if (number === this.#try && !this.#final) this.#receive(event.data);
    };
    socket.onclose = () => {
      if (number !== this.#try || this.#final) return;
      if (this.#options.hasEnded()) this.#end({ kind: "ended" });
      else this.#retryLater(0);
    };
    // `close` always follows `error`, and only it says anything.
    socket.onerror = () => {};
  }

  /** @param {unknown} data */
  #receive(data) {
    const frame = typeof data === "string" && data.length <= MAX_FRAME_CHARS
      ? parseFrame(data)
      : null;
    if (frame === null) return; // Also keep-alive texts, should a server send them.
    this.#heardMs = this.#options.nowMs();
    const outcome = this.#options.onFrame(frame);
    if (outcome === "gap" || outcome === "lost") return this.#reopen(outcome);
    this.#attempt = 0;
    this.#forgetResumePoint = false;
    if (outcome === "applied") {
      this.#gaps = 0;
      this.#renewals = 0;
    }
    this.#wait(Math.min(MAX_SILENCE_MS, SILENCE_MS * 2 ** this.#renewals), () => {
      this.#renewals++;
      this.#connect("quiet");
    });
    if (this.#options.hasEnded()) this.#end({ kind: "ended" });
    else this.#options.onLink({ kind: "live" });
  }

  /**
   * Frames are missing. The first time the rest is asked for; if that leaves a hole again, or the
   * server counts anew, only a snapshot helps.
   * @param {"gap" | "lost"} outcome
   */
  #reopen(outcome) {
    this.#gaps++;
    this.#forgetResumePoint = outcome === "lost" || this.#gaps > 1;
    this.#retryLater(0);
  }

  /** @param {number} atLeastMs */
  #retryLater(atLeastMs) {
    this.#drop();
    if (this.#attempt >= MAX_ATTEMPTS) return this.#options.onLink({ kind: "paused" });
    const waitMs = Math.max(
      backoffMs(this.#attempt, this.#options.random()),
      Math.min(atLeastMs, 60_000),
    );
    this.#attempt++;
    this.#sayConnecting();
    this.#wait(waitMs, () => this.#connect("again"));
  }

  #sayConnecting() {
    const kind = this.#heardMs === -Infinity ? "connecting" : "reconnecting";
    this.#options.onLink({ kind, attempt: this.#attempt });
  }

  /**
   * @param {number} waitMs
   * @param {() => void} run
   */
  #wait(waitMs, run) {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.schedule(run, waitMs);
  }

  /** @param {LinkState} link */
  #end(link) {
    this.#final = true;
    this.#drop();
    this.#options.onLink(link);
  }

  /** Leaves the present try: nothing of it may arrive after this. */
  #drop() {
    this.#cancelTimer();
    this.#try++;
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null && socket.readyState <= OPEN) socket.close();
  }
}

/**
 * @param {unknown} body
 * @param {string} field
 */
function readString(body, field) {
  if (typeof body !== "object" || body === null) return null;
  const value = /** @type {Record<string, unknown>} */ (body)[field];
  return typeof value === "string" ? value : null;
}
