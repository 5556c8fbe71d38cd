/**
 * All agents of a city, from sign-in to stop.
 *
 * Contract: `startSimulator` returns at once; agents find their own way from there and none can end
 * another. `stop` aborts everything under way and waits for the agents, but not for longer than the
 * service may take to stop. Couriers are not set offline: after a restart they go on where they were.
 */
import type { Registry } from "prom-client";
import type { City } from "shared/city/city.ts";
import { courierStarts } from "shared/city/start_points.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Log } from "shared/log/log.ts";
import type { Router } from "shared/routing/router.ts";
import { createStreetSampler } from "shared/streets/street_sampler.ts";
import type { Surroundings, World } from "./agent.ts";
import { noteFailure } from "./agent.ts";
import { ApiClient } from "./api_client.ts";
import { CourierAgent } from "./courier_agent.ts";
import { CustomerCrowd } from "./customer_crowd.ts";
import { MerchantAgent } from "./merchant_agent.ts";
import { type AgentRole, createSimulatorMetrics } from "./metrics.ts";
import { Navigation } from "./navigation.ts";
import { createRandom } from "./random.ts";
import { Reachability } from "./reachability.ts";
import { createSignInGate, Session } from "./session.ts";
import { createWorldClock, type WorldClock } from "./world_clock.ts";

const STOP_DEADLINE_MS = 2_000;
/** More customers would only be more sign-ins: the orders per minute are the same. */
const MAX_CUSTOMERS = 50;

export interface SimulatorOptions {
  /** Bases without a path. */
  readonly apiUrl: string;
  readonly ingestUrl: string;
  readonly trackerUrl: string;
  readonly password: string;
  readonly customersEnabled: boolean;
  readonly orderIntervalS: number;
  readonly courierLimit: number;
  readonly speed: number;
  readonly seed: number;
}

export interface SimulatorDependencies {
  readonly city: City;
  readonly router: Router;
  readonly log: Log;
  readonly registry: Registry;
  /** The real one when absent. */
  readonly clock?: WorldClock;
}

export interface Simulator {
  readonly reachability: Reachability;
  stop(): Promise<void>;
}

/** Starts the agents of a city. */
export function startSimulator(
  options: SimulatorOptions,
  { city, router, log, registry, clock = createWorldClock() }: SimulatorDependencies,
): Simulator {
  const stopping = new AbortController();
  const reachability = new Reachability(log, () => performance.now());
  const { apiUrl, ingestUrl, trackerUrl, speed, seed } = options;
  const world: World = {
    api: new ApiClient({
      apiUrl,
      ingestUrl,
      trackerUrl,
      stop: stopping.signal,
      onOutcome: (service, answered) => reachability.note(service, answered),
    }),
    clock,
    metrics: createSimulatorMetrics(registry),
    log,
    stop: stopping.signal,
    speed,
    seed,
  };
  const navigation = new Navigation({
    router,
    streetPoint: createStreetSampler(city.network, {
      within: city.region.servedArea,
      profile: "car",
    }),
    landmarks: city.merchants.map(({ location }) => location),
  });
  const agents = createAgents(options, world, { city, navigation });
  const lives = agents.map(({ around, run }) =>
    // The loops inside catch everything; this is for a bug in the loops themselves.
    run().catch((error) => noteFailure(around, error))
  );
  log.info("agents started", { region: city.region.id, agents: agents.length, speed, seed });
  return {
    reachability,
    stop: async () => {
      stopping.abort();
      await withTimeout("simulator agents", STOP_DEADLINE_MS, Promise.all(lives));
    },
  };
}

interface Agent {
  readonly around: Surroundings;
  run(): Promise<void>;
}

function createAgents(
  options: SimulatorOptions,
  world: World,
  { city, navigation }: { city: City; navigation: Navigation },
): Agent[] {
  const gate = createSignInGate();
  const surroundings = (role: AgentRole, agentId: string): Surroundings => ({
    ...world,
    role,
    log: world.log.with({ agentId }),
    random: createRandom(world.seed, `${agentId}@${city.region.id}`),
  });
  const sessionOf = (around: Surroundings, agentId: string) => {
    const email = `${agentId}@${city.region.id}.demo`;
    return new Session(around, { email, password: options.password }, gate);
  };
  const homes = courierStarts(city).slice(0, options.courierLimit);
  const couriers = homes.map(({ point: home }, index): Agent => {
    const number = index + 1;
    const around = surroundings("courier", `courier-${number}`);
    const session = sessionOf(around, `courier-${number}`);
    const agent = new CourierAgent({ number, home, around, session, navigation });
    return { around, run: () => agent.run() };
  });
  const merchants = numbered("merchant", city.merchants.length).map((agentId): Agent => {
    const around = surroundings("merchant", agentId);
    const agent = new MerchantAgent({ around, session: sessionOf(around, agentId) });
    return { around, run: () => agent.run() };
  });
  // Taken in turn, as the gate admits in this order: a city of couriers alone would have no orders.
  const agents = interleaved(merchants, couriers);
  if (!options.customersEnabled) return agents;
  const around = surroundings("customer", "customers");
  const { bounds } = city.region;
  const northEast = { lat: bounds.north, lon: bounds.east };
  const centre = {
    lat: (bounds.south + bounds.north) / 2,
    lon: (bounds.west + bounds.east) / 2,
  };
  const crowd = new CustomerCrowd({
    around,
    sessions: numbered("customer", Math.min(city.customers.count, MAX_CUSTOMERS))
      .map((agentId) => sessionOf(surroundings("customer", agentId), agentId)),
    navigation,
    orderIntervalMs: options.orderIntervalS * 1_000,
    area: { centre, radiusM: distanceM(centre, northEast) },
  });
  return [...agents, { around, run: () => crowd.run() }];
}

/** `role-1` to `role-<count>`, as the seeds name their accounts. */
function numbered(role: AgentRole, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${role}-${i + 1}`);
}

function interleaved<T>(first: readonly T[], second: readonly T[]): T[] {
  const merged: T[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    merged.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return merged;
}
