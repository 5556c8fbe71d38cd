/**
 * One simulated courier.
 *
 * Contract: four loops share the state below and run until the process stops. Only the work loop
 * changes the phase and the assignments, so decisions never race; the others tell it by marking the
 * assignments stale and waking it. Where the courier is follows from its walk and the clock, so a
 * position is right however late a loop runs. Of each kind of request at most one is under way.
 */
import { Wake } from "shared/clock/wake.ts";
import type { Point } from "shared/geo/point.ts";
import type { OrderState } from "shared/orders/lifecycle.ts";
import { keepGoing, noteFailure, type Surroundings, tryUntilDone } from "./agent.ts";
import { ApiError } from "./api_client.ts";
import {
  type Assignment,
  type ChannelFrame,
  type Courier,
  parseChannelFrame,
} from "./api_shapes.ts";
import { backoffMs } from "./backoff.ts";
import { CourierBody } from "./courier_body.ts";
import {
  type CourierPhase,
  type CourierStep,
  decideCourierStep,
  IDLE,
  isCarried,
} from "./courier_decision.ts";
import type { CourierPhaseName } from "./metrics.ts";
import type { Navigation } from "./navigation.ts";
import { OfferDesk } from "./offer_desk.ts";
import type { Session } from "./session.ts";
import { fixAt } from "./walk.ts";

/** Also the heartbeat: an idle courier sends, too. Real time, whatever the speed factor. */
const FIX_INTERVAL_MS = 3_000;
/** Spreads couriers evenly over the interval, however many there are (the golden ratio: D. E. Knuth, TAOCP 3, §6.4). */
const GOLDEN_RATIO = 0.618_033_988_749_895;
/** How often assignments are looked up where the channel says nothing, by what is at stake. */
const REFRESH_MS: Record<CourierPhase["kind"], number> = {
  idle: 15_000,
  to_pickup: 5_000,
  // Nothing tells a waiting courier that the food is ready.
  at_pickup: 2_000,
  to_dropoff: 5_000,
  at_dropoff: 5_000,
};
const OFFERS_POLL_MS = 5_000;
/** How often a courier makes sure that nobody took it offline, as keeper does with silent ones. */
const SHIFT_CHECK_MS = 60_000;
const SERVICE_TIME_MS = 60_000;
/** A channel that lasted so long was a good one: the next back-off starts from the beginning. */
const GOOD_CHANNEL_MS = 10_000;
/** Steps that follow one another without waiting; an order needs four. The rest comes next turn. */
const MAX_STEPS_PER_TURN = 8;
/** Keeps rounding from turning a wait into a spin. */
const MIN_WAIT_MS = 20;

export interface CourierAgentOptions {
  /** From 1; spreads the couriers' positions over time. */
  readonly number: number;
  /** Where it begins when nothing is known of an earlier life. */
  readonly home: Point;
  readonly around: Surroundings;
  readonly session: Session;
  readonly navigation: Navigation;
}

export class CourierAgent {
  readonly #options: CourierAgentOptions;
  readonly #around: Surroundings;
  readonly #session: Session;
  readonly #desk: OfferDesk;
  readonly #wake = new Wake();
  #shown: CourierPhaseName = "starting";
  #phase: CourierPhase = IDLE;
  #assignments: readonly Assignment[] = [];
  /** Assignments are stale while more look-ups were asked for than the newest one answers. */
  #lookUpsAsked = 1;
  #lookUpsAnswered = 0;
  #refreshedAtMs = 0;
  #shiftCheckedAtMs = 0;
  #channelOpen = false;
  #channelFailures = 0;

  constructor(options: CourierAgentOptions) {
    this.#options = options;
    this.#around = options.around;
    this.#session = options.session;
    this.#around.metrics.couriers.inc({ phase: this.#shown });
    this.#desk = new OfferDesk({
      around: options.around,
      session: options.session,
      onAnswered: () => this.#lookAgain(),
    });
  }

  /** Lives until the process stops. */
  async run(): Promise<void> {
    const around = this.#around;
    let body: CourierBody | undefined;
    await tryUntilDone(around, async () => {
      body = await this.#begin();
    });
    if (body === undefined) return;
    const own = body;
    await Promise.all([
      keepGoing(around, () => this.#work(own)),
      this.#sendFixes(own),
      keepGoing(around, () => this.#holdChannel()),
      keepGoing(around, () => this.#pollOffers()),
    ]);
  }

  /** Signs in, comes online and finds out what it was about before the process started. */
  async #begin(): Promise<CourierBody> {
    const { navigation, home } = this.#options;
    const courier = await this.#session.call((token) => this.#around.api.courier(token));
    await this.#comeOnline(courier, ["offline", "paused"]);
    await this.#refresh();
    const { vehicle } = courier;
    const start = await navigation.onStreet(await this.#lastPlace() ?? home, vehicle);
    this.#enter(IDLE);
    return new CourierBody({ around: this.#around, navigation, vehicle, start });
  }

  async #comeOnline(courier: Courier, from: readonly Courier["status"][]): Promise<void> {
    this.#shiftCheckedAtMs = this.#around.clock.nowMs();
    if (!from.includes(courier.status)) return;
    await this.#session.call((token) => this.#around.api.goOnline(token));
  }

  /** Where a courier with an order was last seen: it must not jump before its customer's eyes. */
  async #lastPlace(): Promise<Point | undefined> {
    const current = this.#assignments.find(isCarried) ?? this.#assignments[0];
    if (current === undefined) return undefined;
    try {
      const { api } = this.#around;
      const { orderId } = current;
      const ticket = await this.#session.call((token) => api.trackTicket(token, orderId));
      const last = await api.lastPosition(orderId, ticket);
      if (last !== undefined) return last;
    } catch (error) {
      noteFailure(this.#around, error);
    }
    return isCarried(current) ? current.order.pickup : undefined;
  }

  // Work: the only loop that changes the phase and the assignments.

  async #work(body: CourierBody): Promise<void> {
    const { clock, stop, speed } = this.#around;
    const nowMs = clock.nowMs();
    if (this.#stale || nowMs >= this.#refreshedAtMs + REFRESH_MS[this.#phase.kind]) {
      await this.#refresh();
    }
    if (nowMs >= this.#shiftCheckedAtMs + SHIFT_CHECK_MS) {
      const courier = await this.#session.call((token) => this.#around.api.courier(token));
      await this.#comeOnline(courier, ["offline"]);
    }
    for (let steps = 0; steps < MAX_STEPS_PER_TURN; steps++) {
      if (this.#stale) return;
      const step = decideCourierStep({
        phase: this.#phase,
        assignments: this.#assignments,
        arrived: body.place().arrived,
        nowMs: clock.nowMs(),
        serviceMs: SERVICE_TIME_MS / speed,
      });
      if (step.do !== "wait") {
        await this.#perform(step, body);
        continue;
      }
      this.#enter(step.phase);
      if (step.phase.kind === "idle" && clock.nowMs() >= body.restsUntilMs) await body.stir();
      const waitMs = this.#nextTurnMs(step.untilMs, body) - clock.nowMs();
      await clock.wait(this.#wake, Math.max(MIN_WAIT_MS, waitMs), stop);
      return;
    }
    // Only an API that answers a report without effect leads here: do not ask it in a spin.
    await clock.wait(this.#wake, REFRESH_MS.at_pickup, stop);
  }

  get #stale(): boolean {
    return this.#lookUpsAsked > this.#lookUpsAnswered;
  }

  #nextTurnMs(untilMs: number | undefined, body: CourierBody): number {
    const nowMs = this.#around.clock.nowMs();
    return Math.min(
      this.#refreshedAtMs + REFRESH_MS[this.#phase.kind],
      this.#shiftCheckedAtMs + SHIFT_CHECK_MS,
      untilMs ?? Infinity,
      body.arrivesAtMs > nowMs ? body.arrivesAtMs : Infinity,
      this.#phase.kind === "idle" ? body.restsUntilMs : Infinity,
    );
  }

  async #perform(step: Exclude<CourierStep, { do: "wait" }>, body: CourierBody): Promise<void> {
    switch (step.do) {
      case "walk":
        await body.walkTo(step.to);
        this.#enter(step.phase);
        return;
      case "stop":
        body.stand();
        this.#enter(step.phase);
        // Another order may be waiting already.
        this.#lookUpsAsked++;
        return;
      case "report":
        this.#enter(step.phase);
        await this.#report(step);
    }
  }

  async #report({ orderId, milestone }: Extract<CourierStep, { do: "report" }>): Promise<void> {
    const { api, metrics, log } = this.#around;
    let status: OrderState;
    try {
      ({ status } = await this.#session.call((token) => api.report(token, orderId, milestone)));
    } catch (error) {
      // It may have arrived nevertheless, or the order has changed: look before the next attempt.
      this.#lookUpsAsked++;
      throw error;
    }
    this.#assignments = this.#assignments.map((assignment) =>
      assignment.orderId === orderId
        ? { ...assignment, order: { ...assignment.order, status } }
        : assignment
    );
    log.debug("reported", { orderId, milestone });
    if (status === "delivered") metrics.deliveries.inc();
  }

  async #refresh(): Promise<void> {
    // What is told while the request is under way asks for another one.
    const answers = this.#lookUpsAsked;
    this.#assignments = await this.#session.call((token) => this.#around.api.assignments(token));
    this.#lookUpsAnswered = answers;
    this.#refreshedAtMs = this.#around.clock.nowMs();
  }

  /** Somebody says that the courier is offline: make sure, and come back. */
  #doubtShift(): void {
    this.#shiftCheckedAtMs = -Infinity;
    this.#wake.notify();
  }

  #lookAgain(): void {
    this.#lookUpsAsked++;
    this.#wake.notify();
  }

  #enter(phase: CourierPhase): void {
    this.#phase = phase;
    if (this.#shown === phase.kind) return;
    const { couriers } = this.#around.metrics;
    couriers.dec({ phase: this.#shown });
    couriers.inc({ phase: phase.kind });
    this.#shown = phase.kind;
  }

  // Positions.

  async #sendFixes(body: CourierBody): Promise<void> {
    const { clock, stop } = this.#around;
    let dueAtMs = clock.nowMs() + (this.#options.number * GOLDEN_RATIO % 1) * FIX_INTERVAL_MS;
    await keepGoing(this.#around, async () => {
      await clock.pause(dueAtMs - clock.nowMs(), stop);
      if (stop.aborted) return;
      // Ticks missed are left out, and the next one where it is nearer than half an interval.
      const lateMs = clock.nowMs() - dueAtMs;
      dueAtMs += Math.ceil(lateMs / FIX_INTERVAL_MS + 0.5) * FIX_INTERVAL_MS;
      await this.#sendFix(body);
    });
  }

  /** An unsent fix is not kept: the next tick has a newer one, which is all anybody would use. */
  async #sendFix(body: CourierBody): Promise<void> {
    const { api, clock, random, metrics, log, stop } = this.#around;
    // One look at the clock: a fix must not be older than the place it tells.
    const nowMs = clock.nowMs();
    const fix = fixAt(body.place(nowMs), nowMs, random);
    try {
      const accepted = await this.#session.call((token) => api.sendFix(token, fix));
      metrics.fixesSent.inc({ result: accepted ? "accepted" : "stale" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (stop.aborted) return;
      metrics.fixesSent.inc({ result: error.transient ? "failed" : "refused" });
      log.debug("fix not taken", { code: error.code });
      if (error.code === "courier.off_shift") this.#doubtShift();
    }
  }

  // Offers.

  async #holdChannel(): Promise<void> {
    const { api, clock, stop, random, metrics } = this.#around;
    const url = await this.#session.call((token) => api.channelUrl(token));
    const startedAtMs = clock.nowMs();
    const { opened } = await api.runChannel(url, {
      onOpen: () => this.#channelOpened(),
      onFrame: (text) => this.#readFrame(text),
      onBadFrame: (error) => {
        metrics.badFrames.inc();
        this.#around.log.warn("bad channel frame", { error });
      },
    });
    if (this.#channelOpen) metrics.channelsOpen.dec();
    this.#channelOpen = false;
    if (!opened) metrics.channelAttempts.inc({ result: "failed" });
    const good = opened && clock.nowMs() - startedAtMs >= GOOD_CHANNEL_MS;
    this.#channelFailures = good ? 1 : this.#channelFailures + 1;
    await clock.pause(backoffMs(this.#channelFailures, random), stop);
  }

  #channelOpened(): void {
    const { metrics } = this.#around;
    this.#channelOpen = true;
    metrics.channelsOpen.inc();
    metrics.channelAttempts.inc({ result: "opened" });
    // Whatever was told while no channel was open.
    this.#lookAgain();
  }

  #readFrame(text: string): void {
    const frame = parseChannelFrame(text);
    if (frame !== undefined) this.#heed(frame);
  }

  #heed(frame: ChannelFrame): void {
    switch (frame.type) {
      case "offers":
        return this.#desk.consider(frame.offers, "channel");
      case "offer.made":
        return this.#desk.consider([frame.offer], "channel");
      case "offer.closed":
        return this.#desk.close(frame.offerId);
      case "assignment.created":
      case "assignment.ended":
        return this.#lookAgain();
    }
  }

  async #pollOffers(): Promise<void> {
    const { api, clock, stop } = this.#around;
    await clock.pause(OFFERS_POLL_MS, stop);
    if (this.#channelOpen || stop.aborted) return;
    const offers = await this.#session.call((token) => api.offers(token));
    this.#desk.consider(offers, "poll");
  }
}
