/** Single strokes that the faults are made of; each waits, with a bound, until it has struck. */
import { pause } from "shared/clock/timeout.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { eventually } from "../harness/eventually.ts";
import type { ChaosWorld } from "./world.ts";

const BACK_TIMEOUT_MS = 30_000;
const MOMENT_TIMEOUT_MS = 4_000;
/** A lease lives 6 s, and candidates ask every second. */
const TAKEOVER_TIMEOUT_MS = 15_000;

/** Named moments of an order's life, each the type of the event that marks it. */
export const MOMENTS = [
  "order.placed",
  "offer.made",
  "assignment.created",
  "order.status_changed",
  "delivery.completed",
  "courier.availability_changed",
] as const;

/** Waits for the next event of a random type, or a few seconds; the name of the moment. */
export async function randomMoment(world: ChaosWorld): Promise<string> {
  const { sql, random } = world;
  const type = MOMENTS[Math.floor(random() * MOMENTS.length)] ?? MOMENTS[0];
  const count = async () => {
    const rows = await sql`select 1 from outbox_events where type = ${type}`;
    return rows.length;
  };
  const before = await count();
  try {
    await eventually(type, async () => await count() > before, MOMENT_TIMEOUT_MS);
    return type;
  } catch {
    return `no ${type}`;
  }
}

/** A pause of random length. */
export async function randomPause(world: ChaosWorld, atMostMs: number): Promise<void> {
  await pause(atMostMs * world.random());
}

/** Ends a service's process with SIGKILL and waits until the supervisor has it back. */
export async function killService(world: ChaosWorld, name: string): Promise<void> {
  const { supervisor } = world;
  await eventually(`${name} runs`, () => supervisor.isReady(name), BACK_TIMEOUT_MS);
  if (!supervisor.kill(name, "SIGKILL")) throw new Error(`${name} does not run`);
  await eventually(`${name} is gone`, () => !supervisor.isReady(name));
  await eventually(`${name} is back`, () => supervisor.isReady(name), BACK_TIMEOUT_MS);
}

/**
 * Stops a service's process as a deployment does, with SIGTERM, and waits until its successor (the
 * supervisor starts it again) is ready.
 */
export async function restartService(world: ChaosWorld, name: string): Promise<void> {
  const { supervisor } = world;
  await eventually(`${name} runs`, () => supervisor.isReady(name), BACK_TIMEOUT_MS);
  if (!supervisor.kill(name, "SIGTERM")) throw new Error(`${name} does not run`);
  await eventually(`${name} has drained`, () => !supervisor.isReady(name));
  await eventually(`${name} is back`, () => supervisor.isReady(name), BACK_TIMEOUT_MS);
}

/** Ends a server with a signal and waits until it is back on the same port with the same data. */
export async function killServer(
  world: ChaosWorld,
  name: "redis" | "postgres",
  signal: Deno.Signal,
): Promise<void> {
  const server = world.servers[name];
  if (server === undefined) throw new Error(`${name} is not ours`);
  if (!server.kill(signal)) throw new Error(`${name} does not run`);
  await eventually(`${name} is gone`, () => !server.isReady, BACK_TIMEOUT_MS);
  await eventually(`${name} is back`, () => server.isReady, BACK_TIMEOUT_MS);
}

/** Named pieces of work of which each has one owner, by lease. */
export type OwnedWork = "matcher" | "tracker" | "ingest" | "keeper";

export interface Owner {
  /** Of the process, as the world named it. */
  readonly name: string;
  readonly fence: number;
}

/** The name of a lease on the region. */
export function leaseOf({ city }: ChaosWorld, work: OwnedWork): string {
  const partition = partitionOf(city.region.id, 0);
  if (work === "keeper") return `keeper:${partition}`;
  return work === "ingest"
    ? `consumer:ingest:events:${partition}`
    : `consumer:${work}:${partition}`;
}

/** Which process owns the work now; undefined when nobody does. */
export async function ownerOf(world: ChaosWorld, work: OwnedWork): Promise<Owner | undefined> {
  const [row] = await world.sql<{ owner: string; fence: string }[]>`
    select owner, fence from leases
    where name = ${leaseOf(world, work)} and expires_at > clock_timestamp()`;
  const name = row?.owner.split(":")[1];
  return row === undefined || name === undefined ? undefined : { name, fence: Number(row.fence) };
}

/** Waits until another process than the given one owns the work. */
export async function successorOf(
  world: ChaosWorld,
  work: OwnedWork,
  before: Owner,
): Promise<Owner> {
  return await eventually(`another one than ${before.name} owns ${work}`, async () => {
    const now = await ownerOf(world, work);
    return now !== undefined && now.name !== before.name ? now : undefined;
  }, TAKEOVER_TIMEOUT_MS);
}

/** Waits until that many orders were accepted. */
export async function ordersPlaced(world: ChaosWorld, orders: number): Promise<void> {
  await eventually(
    `${orders} orders are placed`,
    () => world.customers.placed.length >= orders,
    60_000,
  );
}
