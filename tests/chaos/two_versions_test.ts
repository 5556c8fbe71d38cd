import assert from "node:assert/strict";
import { join } from "node:path";
import { migrate } from "shared/sql/migrate.ts";
import { pause } from "shared/clock/timeout.ts";
import type { ProjectCopy } from "../harness/project_copy.ts";
import { killService, type OwnedWork, ownerOf, restartService } from "./faults.ts";
import { makeNewerVersion, NEWER_EVENT, NEWER_EVENT_VERSION } from "./newer_version.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld, ServiceName } from "./world.ts";

const SERVICES: readonly ServiceName[] = ["keeper", "matcher", "ingest", "tracker", "gateway"];
const OWNED: readonly OwnedWork[] = ["keeper", "matcher", "ingest", "tracker"];
const SIDE_BY_SIDE_MS = 4_000;
const MAX_TURNS = 6;

Deno.test({
  name: "a deployment of a newer version beside this one, and its rollback, break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await using newer = await makeNewerVersion();
    await runFault({
      name: "two-versions",
      orders: 34,
      meanIntervalMs: 900,
      later: Object.fromEntries(SERVICES.map((service) => [`${service}-newer`, service])),
      balanced: ["gateway", "ingest", "tracker"],
      inject: (world) => deployAndRollBack(world, newer),
    });
  },
});

/** Expand the schema, new beside old, old ones give way, new ones are taken back. */
async function deployAndRollBack(world: ChaosWorld, newer: ProjectCopy) {
  const { databaseUrl } = world.servers;
  await migrate({ databaseUrl, folder: join(newer.dir, "migrations"), log: () => {} });
  // Old processes that die now must be able to start on the schema of the new ones.
  const killed = ["matcher", "gateway"];
  for (const name of killed) await killService(world, name);
  await world.startLater(newer.dir);
  await pause(SIDE_BY_SIDE_MS);
  const drained: string[] = [];
  for (const service of SERVICES) {
    const isNewerAtWork = async () =>
      !isOwned(service) || (await ownerOf(world, service))?.name === `${service}-newer`;
    // The old one comes back at once, and may win its work back before the newer one asks for it.
    for (let turn = 0; turn < MAX_TURNS && (turn === 0 || !await isNewerAtWork()); turn++) {
      await restartService(world, service);
      drained.push(service);
    }
    assert.ok(await isNewerAtWork(), `the newer ${service} never got to work`);
  }
  await pause(SIDE_BY_SIDE_MS);
  await assertBothWrote(world);
  for (const service of SERVICES) await world.supervisor.stop(`${service}-newer`);
  return { killed, drained };
}

function isOwned(service: ServiceName): service is OwnedWork {
  return OWNED.some((work) => work === service);
}

/** Otherwise nothing was tried: each version must have met what the other one wrote. */
async function assertBothWrote({ sql }: ChaosWorld): Promise<void> {
  const rows = await sql<{ name: string; events: number }[]>`
    select type || ' ' || version as name, count(*)::int as events from outbox_events
    where type in ('order.status_changed', ${NEWER_EVENT}) group by 1`;
  const counts = new Map(rows.map(({ name, events }) => [name, events]));
  console.log(`events written: ${JSON.stringify(Object.fromEntries(counts))}`);
  for (const name of ["order.status_changed 1", `order.status_changed ${NEWER_EVENT_VERSION}`]) {
    assert.ok((counts.get(name) ?? 0) > 0, `no ${name} was written`);
  }
  assert.ok((counts.get(`${NEWER_EVENT} 1`) ?? 0) > 0);
}
