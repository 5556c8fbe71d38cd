/**
 * `deno task streams list | show | replay | drop`: what an operator does about streams and parked
 * events. Reads DATABASE_URL, REDIS_URL and REDIS_KEY_PREFIX.
 *
 * Ends with 0; with 1 when something failed or was not handled; with 2 for wrong arguments.
 */
import { silentLog } from "shared/log/log.ts";
import { connectRedis, type Redis } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { readRegions } from "shared/regions/region.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import {
  countParked,
  dropParked,
  findParked,
  MAX_LISTED_KEYS,
  type ParkedSelection,
} from "shared/streams/parked.ts";
import { replayKey } from "shared/streams/replay.ts";
import { readStreamFacts, type StreamFacts } from "shared/streams/stream_facts.ts";
import { reasonOf, withoutPassword } from "./setup_error.ts";
import {
  parseStreamsCommand,
  STREAMS_USAGE,
  type StreamsCommand,
  UsageError,
} from "./streams_command.ts";
import { parkedTable, parkedText, replayText, streamsTable } from "./streams_text.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Opened when first needed: showing and dropping need no Redis. */
interface Stores {
  readonly sql: Sql;
  readonly prefix: string;
  openRedis(): Promise<Redis>;
}

async function main(): Promise<number> {
  let command: StreamsCommand;
  try {
    command = parseStreamsCommand(Deno.args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${STREAMS_USAGE}`);
    return EXIT_USAGE;
  }
  const databaseUrl = Deno.env.get("DATABASE_URL") ?? "";
  const redisUrl = Deno.env.get("REDIS_URL") ?? "";
  const needsRedis = command.name === "list" || command.name === "replay";
  const wrong = wrongUrl("DATABASE_URL", databaseUrl) ??
    (needsRedis ? wrongUrl("REDIS_URL", redisUrl) : undefined);
  if (wrong !== undefined) {
    console.error(`Cannot ${command.name}: ${wrong}`);
    return EXIT_USAGE;
  }
  try {
    return await withStores(databaseUrl, redisUrl, (stores) => run(command, stores));
  } catch (error) {
    console.error(`Cannot ${command.name}: ${reasonOf(error)}`);
    return EXIT_FAILED;
  }
}

/** The value is not repeated: it may be a password in the wrong variable. */
function wrongUrl(variable: string, value: string): string | undefined {
  if (value === "") return `${variable} must be set: it is empty`;
  return URL.canParse(value) ? undefined : `${variable} must be a URL: it is none`;
}

async function withStores(
  databaseUrl: string,
  redisUrl: string,
  use: (stores: Stores) => Promise<number>,
): Promise<number> {
  const sql = connectSql(databaseUrl, { applicationName: "hexmile-streams", max: 2 });
  let redis: Redis | undefined;
  try {
    return await use({
      sql,
      prefix: Deno.env.get("REDIS_KEY_PREFIX") ?? "",
      openRedis: async () => {
        redis = connectRedis(redisUrl, { name: "hexmile-streams", log: silentLog });
        await redis.connect().catch((cause) => {
          throw new Error(`no Redis answers at ${withoutPassword(redisUrl)}`, { cause });
        });
        return redis;
      },
    });
  } finally {
    redis?.disconnect();
    await sql.end({ timeout: 1 });
  }
}

async function run(command: StreamsCommand, stores: Stores): Promise<number> {
  switch (command.name) {
    case "list":
      return await list(stores);
    case "show":
      return await show(stores, command.id);
    case "replay":
      return await replay(stores, command.selection);
    case "drop":
      return await drop(stores, command.ids, command.isConfirmed);
  }
}

async function list(stores: Stores): Promise<number> {
  const redis = await stores.openRedis();
  const keys = redisKeys(stores.prefix);
  const names = new Set<string>();
  const regions = await readRegions(
    stores.sql,
    (region, problem) => console.error(`the policy of ${region} is not valid: ${problem}`),
  );
  for (const region of regions) {
    for (let shard = 0; shard < region.shards; shard++) {
      const partition = partitionOf(region.id, shard);
      names.add(keys.events(partition)).add(keys.positions(partition));
    }
  }
  const parked = await countParked(stores.sql);
  for (const { stream } of parked) names.add(stream);
  const facts: StreamFacts[] = [];
  for (const name of names) {
    const stream = await readStreamFacts(redis, name);
    if (stream !== undefined) facts.push(stream);
  }
  console.log(`${streamsTable(facts)}\n\n${parkedTable(parked, new Date())}`);
  sayIfMore(parked.length);
  return 0;
}

async function show({ sql }: Stores, id: string): Promise<number> {
  const event = await findParked(sql, id);
  if (event === undefined) {
    console.error(`Cannot show: no event is parked as ${id}`);
    return EXIT_FAILED;
  }
  console.log(parkedText(event));
  return 0;
}

async function replay(stores: Stores, selection: ParkedSelection): Promise<number> {
  const keys = await countParked(stores.sql, selection);
  if (keys.length === 0) {
    console.error("Cannot replay: nothing like that is parked");
    return EXIT_FAILED;
  }
  const redis = await stores.openRedis();
  let code = 0;
  for (const key of keys) {
    const outcome = await replayKey({ sql: stores.sql, redis }, key);
    const isHandled = outcome.result === "handled";
    (isHandled ? console.log : console.error)(replayText(key, outcome));
    if (!isHandled) code = EXIT_FAILED;
  }
  sayIfMore(keys.length);
  return code;
}

function sayIfMore(keyCount: number): void {
  if (keyCount === MAX_LISTED_KEYS) {
    console.log(`these are the ${MAX_LISTED_KEYS} oldest keys; there may be more: call again`);
  }
}

async function drop(
  { sql }: Stores,
  ids: readonly string[],
  isConfirmed: boolean,
): Promise<number> {
  if (!isConfirmed) {
    console.error(`Cannot drop ${ids.length} for good: say it with --confirm`);
    return EXIT_USAGE;
  }
  const keys = await countParked(sql, { ids });
  const absent = await dropParked(sql, ids);
  if (absent.length > 0) {
    console.error(`Cannot drop: no event is parked as ${absent.join(", ")}; none was dropped`);
    return EXIT_FAILED;
  }
  console.log(`${ids.length} dropped`);
  for (const key of keys) {
    const [rest] = await countParked(sql, { key: key.key, consumer: key.consumer });
    if (rest === undefined) continue;
    console.log(
      `${rest.consumer} ${rest.key}: ${rest.count} still parked; to go on: deno task streams replay --key ${rest.key} --consumer ${rest.consumer}`,
    );
  }
  return 0;
}

Deno.exit(await main());
