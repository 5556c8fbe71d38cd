/**
 * What a courier does with the offers it sees.
 *
 * Contract: each offer is decided once, however often it is seen and whichever way it came; after a
 * human delay, and not at all once it is closed. At most `MAX_OFFERS_REMEMBERED` are remembered, so a
 * very old one that came back would be decided again (the server then refuses). An answer whose
 * outcome is unknown is repeated until the offer expires: accepting twice is the server's repeat.
 */
import { noteFailure, type Surroundings } from "./agent.ts";
import { ApiError } from "./api_client.ts";
import type { Offer } from "./api_shapes.ts";
import { decideOffer } from "./courier_decision.ts";
import type { Session } from "./session.ts";

const MAX_OFFERS_REMEMBERED = 100;
const ANSWER_RETRY_MS = 1_000;

export type OfferSource = "channel" | "poll";

export interface OfferDeskOptions {
  readonly around: Surroundings;
  readonly session: Session;
  /** Called after every attempt to accept, also one of unknown outcome. */
  readonly onAnswered: () => void;
}

interface Remembered {
  readonly expiresAtMs: number;
  closed: boolean;
}

export class OfferDesk {
  readonly #options: OfferDeskOptions;
  readonly #seen = new Map<string, Remembered>();

  constructor(options: OfferDeskOptions) {
    this.#options = options;
  }

  /** Looks at offers; new ones are decided in the background. */
  consider(offers: readonly Offer[], via: OfferSource): void {
    for (const { id, expiresAt } of offers) {
      if (this.#seen.has(id)) continue;
      const remembered = { expiresAtMs: expiresAt, closed: false };
      this.#seen.set(id, remembered);
      this.#forgetOldest();
      this.#decide(id, remembered, via).catch((error) => noteFailure(this.#options.around, error));
    }
  }

  /** The offer is no longer open: whatever was planned is off. */
  close(offerId: string): void {
    const remembered = this.#seen.get(offerId);
    if (remembered !== undefined) remembered.closed = true;
  }

  async #decide(offerId: string, offer: Remembered, via: OfferSource): Promise<void> {
    const { clock, stop, random, metrics } = this.#options.around;
    const { decision, delayMs } = decideOffer(random);
    if (decision === "ignore") return metrics.offers.inc({ via, decision: "ignored" });
    await clock.pause(delayMs, stop);
    while (!stop.aborted) {
      if (offer.closed || clock.nowMs() >= offer.expiresAtMs) {
        return metrics.offers.inc({ via, decision: "lost" });
      }
      if (await this.#answer(offerId, decision, via)) return;
      await clock.pause(ANSWER_RETRY_MS, stop);
    }
  }

  /** True when the answer is settled, one way or the other. */
  async #answer(offerId: string, decision: "accept" | "reject", via: OfferSource) {
    const { around, session, onAnswered } = this.#options;
    const { api, metrics, log } = around;
    try {
      if (decision === "accept") {
        await session.call((token) => api.acceptOffer(token, offerId));
        metrics.offers.inc({ via, decision: "accepted" });
      } else {
        await session.call((token) => api.rejectOffer(token, offerId));
        metrics.offers.inc({ via, decision: "rejected" });
      }
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.transient) {
        noteFailure(around, error);
        return false;
      }
      // The offer went to somebody else or ran out meanwhile: normal between people.
      log.debug("offer lost", { offerId, code: error.code });
      metrics.offers.inc({ via, decision: "lost" });
      return true;
    } finally {
      if (decision === "accept") onAnswered();
    }
  }

  #forgetOldest(): void {
    if (this.#seen.size <= MAX_OFFERS_REMEMBERED) return;
    const [oldest] = this.#seen.keys();
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}
