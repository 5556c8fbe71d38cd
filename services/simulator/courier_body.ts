/** Where one courier is and how it gets about. It knows nothing of orders. */
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";
import type { Surroundings } from "./agent.ts";
import { decideRest } from "./courier_decision.ts";
import type { Navigation } from "./navigation.ts";
import { pick, uniform } from "./random.ts";
import { type Place, placeOn, standAt, type Walk, walkAlong } from "./walk.ts";

/** Nobody keeps to the free-flow time: what a way really takes, as a share of its speed. */
const MIN_PACE = 0.85;
const MAX_PACE = 1.05;
/** Ambling, as a share of the usual pace. */
const AMBLE_PACE = 0.4;
const MAX_AMBLE_M = 1_500;

export interface CourierBodyOptions {
  readonly around: Surroundings;
  readonly navigation: Navigation;
  readonly vehicle: Vehicle;
  readonly start: Point;
}

export class CourierBody {
  readonly #options: CourierBodyOptions;
  #walk: Walk;
  #restUntilMs = 0;
  #thenAmble = false;

  constructor(options: CourierBodyOptions) {
    this.#options = options;
    this.#walk = standAt(options.start, options.around.clock.nowMs());
    this.rest();
  }

  place(nowMs = this.#options.around.clock.nowMs()): Place {
    return placeOn(this.#walk, nowMs);
  }

  /** When the present walk ends; in the past where it has. */
  get arrivesAtMs(): number {
    return this.#walk.arrivesAtMs;
  }

  /** When an idle courier next thinks of moving. */
  get restsUntilMs(): number {
    return this.#restUntilMs;
  }

  /** Sets out for `to`, along the streets. */
  async walkTo(to: Point, paceShare = 1): Promise<void> {
    const { around, navigation, vehicle } = this.#options;
    const nowMs = around.clock.nowMs();
    const here = this.place(nowMs).point;
    // Stands while it looks for the way: it would else be back here when the way is found.
    this.#walk = standAt(here, nowMs);
    const way = await navigation.way(here, to, vehicle);
    if (!way.onStreets) around.log.warn("no way on streets: walking straight", { vehicle });
    const pace = uniform(around.random, MIN_PACE, MAX_PACE) * paceShare * around.speed;
    this.#walk = walkAlong(way.points, way.speedMps * pace, around.clock.nowMs());
  }

  /** Stays where it is now, and rests. */
  stand(): void {
    const nowMs = this.#options.around.clock.nowMs();
    const { arrived, point } = this.place(nowMs);
    if (!arrived) this.#walk = standAt(point, nowMs);
    this.rest();
  }

  /** Rests a while from the end of the present walk on. */
  rest(): void {
    const { random, clock } = this.#options.around;
    const { restMs, thenAmble } = decideRest(random);
    this.#restUntilMs = Math.max(clock.nowMs(), this.#walk.arrivesAtMs) + restMs;
    this.#thenAmble = thenAmble;
  }

  /** What an idle courier does when its rest is over: ambles towards a merchant, or rests again. */
  async stir(): Promise<void> {
    const { around, navigation } = this.#options;
    const here = this.place().point;
    const near = navigation.landmarks.filter((mark) => distanceM(here, mark) <= MAX_AMBLE_M);
    const goal = this.#thenAmble ? pick(around.random, near) : undefined;
    if (goal !== undefined) await this.walkTo(goal, AMBLE_PACE);
    this.rest();
  }
}
