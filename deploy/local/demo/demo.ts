/**
 * `deno task demo`: the whole of Hexmile on one machine, with a simulated city.
 *
 * Order of life: servers, migrations, seed, services (each step only when the one before is
 * ready), then the simulator. At a signal the same in reverse. Every failure on the way is one
 * sentence and leaves nothing running.
 */
import { CityError, loadCity } from "shared/city/load_city.ts";
import type { City } from "shared/city/city.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { migrate, MigrationError } from "shared/sql/migrate.ts";
import { chooseLocalPlace, PROJECT_DIR } from "../data_dir.ts";
import { keptPassword } from "../password.ts";
import { requireFreePort } from "../ports.ts";
import { isInUse } from "../run_record.ts";
import { type Servers, startServers } from "../servers.ts";
import { SetupError } from "../setup_error.ts";
import { listenForStop, type StopWishes } from "../stop_signals.ts";
import { printLine, Supervisor } from "../supervisor.ts";
import { narrate } from "./narrate.ts";
import { runOnce } from "./once.ts";
import { DEMO_HELP, DEMO_SERVICES, type DemoOptions, parseDemoOptions } from "./options.ts";
import { ADMIN_EMAIL, seedCity } from "./seed.ts";
import {
  demoServices,
  type DemoStores,
  passwordFile,
  portOf,
  secretKeyFile,
  urlOf,
} from "./services.ts";
import { firstOrderHelp } from "./welcome.ts";

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  if (Deno.args.includes("--help")) {
    printLine(DEMO_HELP);
    return EXIT_OK;
  }
  const wishes = listenForStop();
  const startedAtMs = performance.now();
  try {
    const options = parseDemoOptions(Deno.args);
    const city = await loadCity(options.city);
    return await runDemo(options, city, wishes, startedAtMs);
  } catch (error) {
    if (wishes.stop.aborted) return EXIT_OK;
    if (!isExpected(error)) throw error;
    console.error(error.message);
    return EXIT_USAGE;
  } finally {
    wishes.dispose();
  }
}

function isExpected(error: unknown): error is Error {
  return error instanceof SetupError || error instanceof CityError ||
    error instanceof MigrationError;
}

async function runDemo(
  options: DemoOptions,
  city: City,
  wishes: StopWishes,
  startedAtMs: number,
): Promise<number> {
  const place = await chooseLocalPlace({ dataDir: options.data, name: `demo-${options.port}` });
  if (place.note !== undefined) printLine(place.note);
  if (options.fresh) await forget(place.dataDir);
  const servers = await startServers({
    place: options.fresh
      ? await chooseLocalPlace({ dataDir: options.data, name: `demo-${options.port}` })
      : place,
    durable: true,
    databaseUrl: given("DATABASE_URL"),
    redisUrl: given("REDIS_URL"),
    say: printLine,
    signal: wishes.stop,
  });
  const supervisor = new Supervisor({ record: servers.record, servers });
  wishes.haste.addEventListener("abort", () => supervisor.hasten());
  const sql = connectSql(servers.databaseUrl, { applicationName: "hexmile-demo", max: 3 });
  try {
    // Only now: starting the servers has ended what a killed run left on these ports.
    for (const name of DEMO_SERVICES) requireFreePort(portOf(options, name), name, "--port");
    const stores = await prepare(servers, sql, city, place.dataDir);
    for (const group of await demoServices(options, stores)) {
      if (wishes.stop.aborted) return EXIT_OK;
      await supervisor.start(...group);
    }
    const say = (line: string) => supervisor.say(line);
    say(`ready in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
    const deps = { options, stores, city, sql, supervisor, servers, say, stop: wishes.stop };
    if (options.once) return await runOnce(deps) ? EXIT_OK : EXIT_FAILED;
    await welcome(deps);
    await narrate(sql, say, wishes.stop);
    return EXIT_OK;
  } finally {
    await sql.end({ timeout: 1 });
    // Services first, then the servers they use.
    await supervisor.stopAll();
  }
}

/** A variable that is set to something; empty means unset, as for the services. */
function given(name: string): string | undefined {
  const value = Deno.env.get(name);
  return value === "" ? undefined : value;
}

async function forget(dataDir: string): Promise<void> {
  if (await isInUse(dataDir)) {
    throw new SetupError(`Cannot forget ${dataDir}: a demo is running in it: stop it first.`);
  }
  await Deno.remove(dataDir, { recursive: true });
}

async function prepare(
  servers: Servers,
  sql: Sql,
  city: City,
  dataDir: string,
): Promise<DemoStores> {
  const { databaseUrl, redisUrl } = servers;
  await migrate({ databaseUrl, folder: `${PROJECT_DIR}/migrations`, log: printLine });
  const password = await keptPassword(passwordFile(dataDir));
  if (await seedCity(sql, city, password)) printLine(`seeded ${city.region.name}`);
  const secretKey = await keptPassword(secretKeyFile(dataDir));
  return { databaseUrl, redisUrl, password, secretKey };
}

async function welcome(deps: {
  options: DemoOptions;
  stores: DemoStores;
  city: City;
  sql: Sql;
  say: (line: string) => void;
}): Promise<void> {
  const { options, stores, say } = deps;
  const lines = [
    "",
    `  open      ${urlOf(options, "gateway")}/`,
    `  API       ${urlOf(options, "gateway")}/api/v1   (${
      urlOf(options, "gateway")
    }/api/v1/openapi.json)`,
    `  positions ${urlOf(options, "ingest")}/api/v1/courier/location`,
    `  tracks    ${urlOf(options, "tracker")}/api/v1/orders/{id}/track`,
    `  admin     ${ADMIN_EMAIL} / ${stores.password}`,
    "",
    ...await firstOrderHelp(deps),
    "",
    `  ${deps.city.attribution}`,
    "",
  ];
  for (const line of lines) say(line);
}

Deno.exit(await main());
