/**
 * The private servers of deploy/local, with real programs: start, restart, kill, and each way in
 * which the set-up can fail. Every test has a data folder of its own; the programs are shared.
 */
import assert from "node:assert/strict";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { join } from "node:path";
import { Redis } from "ioredis";
import { chooseLocalPlace, exists, type LocalPlace } from "../../deploy/local/data_dir.ts";
import { freePort } from "../../deploy/local/ports.ts";
import { identityOf } from "../../deploy/local/process_identity.ts";
import { useGivenPostgres } from "../../deploy/local/postgres_server.ts";
import { useGivenRedis } from "../../deploy/local/redis_server.ts";
import { readRunContent } from "../../deploy/local/run_record.ts";
import { startServers, type StartServersOptions } from "../../deploy/local/servers.ts";
import { SetupError } from "../../deploy/local/setup_error.ts";
import { pause } from "../../deploy/local/waiting.ts";

const BOUND_MS = 30_000;
/** The promise of the demo is 5 s; here it takes a few tenths. */
const RESTART_BOUND_MS = 5_000;

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + BOUND_MS;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `${what}: not within ${BOUND_MS} ms`);
    await pause(10);
  }
}

interface Run {
  readonly place: LocalPlace;
  readonly lines: string[];
  readonly options: StartServersOptions;
}

let runs = 0;

/** A data folder of its own, below the run's folder so that the runner can clean up after a kill. */
async function withPlace(use: (run: Run) => Promise<void>): Promise<void> {
  runs++;
  const own = `local-${Deno.pid}-${runs}`;
  const parent = Deno.env.get("TEST_DATA_DIR");
  const place = await chooseLocalPlace(
    parent === undefined ? { name: own } : { dataDir: join(parent, own) },
  );
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  try {
    await use({ place, lines, options: { place, durable: true, say } });
  } finally {
    await Deno.remove(place.dataDir, { recursive: true });
  }
}

async function query<T>(url: string, use: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = connectSql(url, { applicationName: "hexmile-tests", max: 1 });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function ask<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await use(redis);
  } finally {
    await redis.quit();
  }
}

/** Process ids of servers that work in this folder, on record or not (Linux). */
async function serversIn(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    const cwd = await Deno.readLink(`/proc/${entry.name}/cwd`).catch(() => "");
    if (cwd.startsWith(folder)) pids.push(Number(entry.name));
  }
  return pids;
}

Deno.test("startServers() starts both servers with passwords, and again with the same data", async () => {
  await withPlace(async ({ place, lines, options }) => {
    const first = await startServers(options);
    await query(first.databaseUrl, async (sql) => {
      await sql`create table kept (value text)`;
      await sql`insert into kept values ('kept in Postgres')`;
    });
    await ask(first.redisUrl, (redis) => redis.set("kept", "kept in Redis"));
    const record = await readRunContent(join(place.dataDir, "run.json"));
    assert.deepEqual(
      record?.children.map(({ name, pid }) => [name, pid]).sort(),
      Object.entries(first.pids()).sort(),
    );
    await first.stop();
    assert.deepEqual(await serversIn(place.dataDir), []);
    assert.equal(await exists(join(place.dataDir, "run.json")), false);

    const startedMs = performance.now();
    const second = await startServers(options);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < RESTART_BOUND_MS, `restart took ${tookMs} ms`);
    const rows = await query(second.databaseUrl, (sql) => sql`select value from kept`);
    assert.equal(rows[0]?.["value"], "kept in Postgres");
    assert.equal(await ask(second.redisUrl, (redis) => redis.get("kept")), "kept in Redis");
    await second.stop();
    assert.match(lines.join("\n"), /Redis \d+\.\d+.* on 127\.0\.0\.1:\d+/);
    assert.match(lines.join("\n"), /PostgreSQL 18\.\d+ on 127\.0\.0\.1:\d+ \(npm package/);
  });
});

Deno.test("startServers() lets nobody in without the password, and keeps it to this user", async () => {
  await withPlace(async ({ place, options }) => {
    const servers = await startServers(options);
    try {
      const redisUrl = new URL(servers.redisUrl);
      redisUrl.password = "";
      await assert.rejects(useGivenRedis(redisUrl.href, () => {}), /NOAUTH/);
      const databaseUrl = new URL(servers.databaseUrl);
      databaseUrl.password = "wrong";
      await assert.rejects(useGivenPostgres(databaseUrl.href, () => {}), (error: Error) => {
        assert.match(error.message, /^Cannot use the database of DATABASE_URL, .*28P01/);
        assert.equal(error.message.includes("wrong"), false);
        return true;
      });
      databaseUrl.password = new URL(servers.databaseUrl).password;
      databaseUrl.pathname = "/missing";
      await assert.rejects(useGivenPostgres(databaseUrl.href, () => {}), /3D000/);
      for (const name of ["redis.password", "postgres.password", "redis/redis.conf", "run.json"]) {
        const { mode } = await Deno.stat(join(place.dataDir, name));
        assert.equal((mode ?? 0) & 0o077, 0, name);
      }
      if (Deno.uid() === 0) {
        for (const pid of Object.values(servers.pids())) {
          assert.equal((await Deno.stat(`/proc/${pid}`)).uid, place.user?.uid);
        }
      }
    } finally {
      await servers.stop();
    }
  });
});

Deno.test("startServers() takes given URLs and starts nothing for them", async () => {
  await withPlace(async ({ options }) => {
    const given = await startServers(options);
    await withPlace(async (other) => {
      const servers = await startServers({
        ...other.options,
        databaseUrl: given.databaseUrl,
        redisUrl: given.redisUrl,
      });
      assert.deepEqual(servers.pids(), {});
      assert.equal(servers.databaseUrl, given.databaseUrl);
      assert.equal(await exists(join(other.place.dataDir, "redis")), false);
      await servers.stop();
    });
    assert.equal(await ask(given.redisUrl, (redis) => redis.ping()), "PONG");
    await given.stop();
  });
});

Deno.test("startServers() starts killed servers again on the same ports with the same data", async () => {
  await withPlace(async ({ options }) => {
    const servers = await startServers(options);
    try {
      await query(servers.databaseUrl, (sql) => sql`create table kept (value text)`);
      const before = servers.pids();
      assert.equal(servers.redis?.kill("SIGKILL"), true);
      assert.equal(servers.postgres?.kill("SIGKILL"), true);
      await until("both are ready again", () => {
        const now = servers.pids();
        return now["redis"] !== before["redis"] && now["postgres"] !== before["postgres"] &&
          servers.redis?.isReady === true && servers.postgres?.isReady === true;
      });
      assert.equal(await ask(servers.redisUrl, (redis) => redis.ping()), "PONG");
      const rows = await query(servers.databaseUrl, (sql) => sql`select count(*) from kept`);
      assert.equal(rows[0]?.["count"], "0");
    } finally {
      await servers.stop();
    }
  });
});

/** A program that starts the servers, tells so, and waits to be killed. */
async function startKilledRun(place: LocalPlace): Promise<void> {
  const servers = new URL("../../deploy/local/servers.ts", import.meta.url).href;
  const script = join(place.dataDir, "run.ts");
  await Deno.writeTextFile(
    script,
    `import { startServers } from ${JSON.stringify(servers)};
     const place = JSON.parse(Deno.args[0]);
     await startServers({ place, durable: true, say: () => {} });
     console.log("started");`,
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", `--config=${config}`, "-A", script, JSON.stringify(place)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "started\n");
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
}

Deno.test("startServers() ends the servers of a run that was killed with SIGKILL", async () => {
  await withPlace(async ({ place, lines, options }) => {
    await startKilledRun(place);
    const orphans = await serversIn(place.dataDir);
    assert.ok(orphans.length >= 2, "the killed run left its servers");
    const startedMs = performance.now();
    const servers = await startServers(options);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < RESTART_BOUND_MS, `took ${tookMs} ms`);
    assert.match(
      lines[0] ?? "",
      /^An earlier run was killed; ending what it left: (redis|postgres), /,
    );
    await servers.stop();
    for (const pid of orphans) assert.equal(identityOf(pid), undefined);
    assert.deepEqual(await serversIn(place.dataDir), []);
  });
});

Deno.test("startServers() ends left servers also when the record of the run is lost", async () => {
  await withPlace(async ({ place, options }) => {
    await startKilledRun(place);
    const orphans = await serversIn(place.dataDir);
    assert.ok(orphans.length >= 2, "the killed run left its servers");
    await Deno.remove(join(place.dataDir, "run.json"));
    const servers = await startServers(options);
    for (const pid of orphans) assert.equal(identityOf(pid), undefined);
    await servers.stop();
  });
});

Deno.test("startServers() refuses a data folder that a live run has", async () => {
  await withPlace(async ({ place, options }) => {
    const servers = await startServers(options);
    const { redis } = servers.pids();
    await assert.rejects(startServers(options), (error: Error) => {
      assert.ok(error instanceof SetupError);
      assert.match(
        error.message,
        /^Hexmile is already running as process \d+ \((redis|postgres) on/,
      );
      assert.ok(error.message.includes(place.dataDir));
      return true;
    });
    assert.equal(servers.pids()["redis"], redis);
    await servers.stop();
  });
});

/** Asserts that the set-up fails with one sentence and leaves nothing running. */
async function failsWith(
  run: Run,
  changes: Partial<StartServersOptions>,
  sentence: RegExp,
): Promise<void> {
  await assert.rejects(startServers({ ...run.options, ...changes }), (error: Error) => {
    assert.ok(error instanceof SetupError, Deno.inspect(error));
    assert.match(error.message, sentence);
    assert.equal(error.message.includes("\n"), false);
    return true;
  });
  assert.deepEqual(await serversIn(run.place.dataDir), []);
  assert.equal(await exists(join(run.place.dataDir, "run.json")), false);
}

Deno.test("startServers() says that a port is taken, and stops the other server", async () => {
  await withPlace(async (run) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    await failsWith(run, { redisPort: port }, new RegExp(`^Port ${port} for Redis is taken`));
    await failsWith(
      run,
      { postgresPort: port },
      new RegExp(`^Port ${port} for PostgreSQL is taken`),
    );
    listener.close();
  });
});

Deno.test("startServers() refuses a Redis on PATH that is too old or does not run", async () => {
  await withPlace(async (run) => {
    const path = join(run.place.dataDir, "bin");
    await Deno.mkdir(path);
    const program = join(path, "redis-server");
    const answer = "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64";
    await Deno.writeTextFile(program, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
    const withOld = { path: `${path}:${Deno.env.get("PATH")}` };
    await failsWith(
      run,
      withOld,
      /^Redis 6\.0\.16 \(.*\/bin\/redis-server\) is too old: 7\.0 or newer is needed; .*\.$/,
    );
    await Deno.writeTextFile(program, "#!/bin/sh\necho 'no such library' >&2; exit 127\n");
    await failsWith(run, withOld, /redis-server does not run \(no such library\): .*\.$/);
  });
});

Deno.test("startServers() says what is wrong with a given URL", async () => {
  await withPlace(async (run) => {
    const port = freePort();
    await failsWith(
      run,
      { redisUrl: `redis://127.0.0.1:${port}` },
      /^Cannot use the Redis of REDIS_URL, redis:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*\.$/,
    );
    await failsWith(
      run,
      { databaseUrl: `postgres://me:secret@127.0.0.1:${port}/name` },
      /^Cannot use the database of DATABASE_URL, postgres:\/\/me@127.*ECONNREFUSED.*\.$/,
    );
    await failsWith(run, { redisUrl: "localhost:6379" }, /^REDIS_URL must look like/);
  });
});

Deno.test("startServers() gives up when it is stopped during the set-up", async () => {
  await withPlace(async (run) => {
    const stop = new AbortController();
    stop.abort("SIGINT");
    const sentence = /^Stopped before everything was started\.$/;
    await failsWith(run, { signal: stop.signal }, sentence);
    const later = new AbortController();
    const say = (line: string) => {
      // One of the two is up, the other still starting.
      if (/ on 127\.0\.0\.1:/.test(line)) later.abort("SIGINT");
    };
    await failsWith(
      run,
      { signal: later.signal, say },
      /^(Stopped before|Cannot start .* was stopped)/,
    );
  });
});
