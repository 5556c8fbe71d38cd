/** A gateway process that is killed between the commit of an order and its answer. */
import assert from "node:assert/strict";
import { createSession } from "shared/auth/sessions.ts";
import { isHttpReady } from "../../deploy/local/http_ready.ts";
import { freePort } from "../../deploy/local/ports.ts";
import { readTasks, serviceCommand } from "../../deploy/local/service_command.ts";
import { PROJECT_DIR } from "../../deploy/local/data_dir.ts";
import { FaultProxy } from "../chaos/fault_proxy.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertRegion } from "../harness/fixtures.ts";
import { parcelOrder } from "../harness/gateway_world.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const READY_TIMEOUT_MS = 30_000;
const MAX_ORDERS = 3;

let stores: TestStores;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  await insertRegion(stores.sql);
});
Deno.test.afterAll(() => stores.close());

/** A gateway as its task starts it, on the stores of this file. */
class GatewayProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #url: string;

  private constructor(child: Deno.ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  static async start(databaseUrl: string): Promise<GatewayProcess> {
    const port = freePort();
    const { command, args } = serviceCommand(await readTasks(), "gateway");
    const inherited = ["PATH", "HOME", "DENO_DIR"].flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    const child = new Deno.Command(command, {
      args,
      cwd: PROJECT_DIR,
      clearEnv: true,
      env: {
        ...Object.fromEntries(inherited),
        HOST: "127.0.0.1",
        PORT: String(port),
        DATABASE_URL: databaseUrl,
        REDIS_URL: stores.redisUrl,
        REDIS_KEY_PREFIX: stores.prefix,
        SECRET_KEY: "a secret of this test that opens nothing else",
        CITIES: "data/gridtown",
        LOG_LEVEL: "error",
        LIMIT_ORDERS_PER_HOUR: String(MAX_ORDERS),
      },
      stdin: "null",
    }).spawn();
    const gateway = new GatewayProcess(child, `http://127.0.0.1:${port}`);
    const isReady = () => isHttpReady(`${gateway.#url}/health/ready`).catch(() => false);
    await eventually("the gateway is ready", isReady, READY_TIMEOUT_MS);
    return gateway;
  }

  async place(token: string, key: string): Promise<Response> {
    return await fetch(`${this.#url}/api/v1/orders`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "idempotency-key": key,
      },
      body: JSON.stringify(parcelOrder({ note: key })),
    });
  }

  /** Ends it where it stands. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }
}

async function ordersOf(accountId: string): Promise<string[]> {
  const rows = await stores.sql<{ id: string }[]>`
    select id from orders where customer_id = ${accountId} order by id`;
  return rows.map(({ id }) => id);
}

/** Places an order whose commit is never answered, and kills the gateway then. */
async function placeUnheard(accountId: string, token: string, key: string): Promise<void> {
  const { sql, databaseUrl } = stores;
  const direct = new URL(databaseUrl);
  await using proxy = new FaultProxy({ hostname: direct.hostname, port: Number(direct.port) });
  const wired = new URL(databaseUrl);
  wired.hostname = "127.0.0.1";
  wired.port = String(proxy.port);
  await using gateway = await GatewayProcess.start(wired.href);
  const answer = Promise.withResolvers<Response | undefined>();
  await sql.begin(async (tx) => {
    // The last writes and the commit travel together; they wait for this lock.
    await tx`lock table timers in access exclusive mode`;
    gateway.place(token, key).then(answer.resolve, () => answer.resolve(undefined));
    await eventually("the order is being written", async () => {
      const [row] = await sql<{ waiting: number }[]>`select count(*)::int as waiting
        from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return row?.waiting === 1;
    });
    proxy.cut("toClient");
  });
  await eventually(
    "the order is committed",
    async () => (await ordersOf(accountId)).length === 1,
  );
  await gateway[Symbol.asyncDispose]();
  assert.equal(await answer.promise, undefined, "nobody was answered");
}

Deno.test("a gateway killed between commit and answer has placed the order: its key gets it, whatever the limit says by then", async () => {
  const accountId = await insertAccount(stores.sql, "customer");
  const { token } = await createSession(stores.sql, accountId);
  await placeUnheard(accountId, token, "unheard");
  const [orderId] = await ordersOf(accountId);
  await using gateway = await GatewayProcess.start(stores.databaseUrl);
  const status = async (key: string) => {
    const answer = await gateway.place(token, key);
    await answer.body?.cancel();
    return answer.status;
  };
  // The slot of the order that nobody heard of counts.
  for (let n = 1; n < MAX_ORDERS; n++) assert.equal(await status(`other ${n}`), 201);
  assert.equal(await status("one too many"), 429);
  for (let time = 0; time < 2; time++) {
    const again = await gateway.place(token, "unheard");
    assert.equal(again.status, 201);
    assert.equal(again.headers.get("idempotent-replayed"), "true");
    const { id, status, note, tracking } = await again.json();
    assert.deepEqual({ id, status, note }, { id: orderId, status: "placed", note: "unheard" });
    assert.match(tracking.token, /^[A-Za-z0-9_-]{43}$/);
  }
  assert.equal((await ordersOf(accountId)).length, MAX_ORDERS);
  assert.deepEqual(await brokenRules(stores.sql), []);
});
