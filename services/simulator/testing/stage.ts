/** The whole simulator before a fake API, on a clock in a hurry. */
import { Registry } from "prom-client";
import { silentLog } from "shared/log/log.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "../app.ts";
import { createWorldClock } from "../world_clock.ts";
import { FakeApi } from "./fake_api.ts";
import { smallTown } from "./small_town.ts";

/** A second of the agents' time is 10 ms. */
const HURRY = 100;
/** A bicycle then covers a block of the town in half a second of that time. */
export const SPEED = 100;
export const COURIER = "courier-1@town.demo";
export const MERCHANT = "merchant-1@town.demo";

/** What a test works with. */
export interface Stage {
  readonly api: FakeApi;
  readonly town: ReturnType<typeof smallTown>;
  readonly registry: Registry;
  readonly nowMs: () => number;
  start(options?: Partial<SimulatorOptions>): Simulator;
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

/** Sets the stage for a test and clears it. */
export async function onStage(
  couriers: number,
  test: (stage: Stage) => Promise<void>,
): Promise<void> {
  const clock = createWorldClock(HURRY);
  const api = new FakeApi(clock);
  const town = smallTown(couriers);
  const location = town.merchantLocation;
  api.merchants.push({ id: "m-1", location, preparationMinutes: 10, open: true });
  const registry = new Registry();
  const simulators: Simulator[] = [];
  const start: Stage["start"] = (options = {}) => {
    registry.clear();
    const simulator = startSimulator({
      apiUrl: api.url,
      ingestUrl: api.url,
      trackerUrl: api.url,
      password: "p",
      customersEnabled: false,
      orderIntervalS: 5,
      courierLimit: 1_000,
      speed: SPEED,
      seed: 1,
      ...options,
    }, { city: town.city, router: town.router, log: silentLog, registry, clock });
    simulators.push(simulator);
    return simulator;
  };
  const metric: Stage["metric"] = async (name, labels = {}) => {
    const { values } = await registry.getSingleMetric(name)?.get() ?? { values: [] };
    return values
      .filter((entry) =>
        Object.entries(labels).every(([label, value]) => entry.labels[label] === value)
      )
      .reduce((sum, { value }) => sum + value, 0);
  };
  try {
    await test({ api, town, registry, start, metric, nowMs: clock.nowMs });
  } finally {
    for (const simulator of simulators) await simulator.stop();
    await api.stop();
  }
}
