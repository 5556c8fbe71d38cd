/** An ingest process that is asked to stop while phones go on sending. */
import assert from "node:assert/strict";
import { createTicket } from "shared/auth/tickets.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import { POSITIONS_PATH } from "shared/live_api/ingest_routes.ts";
import { freePort } from "../../deploy/local/ports.ts";
import { northOfPickup } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";
import { ServerProcess } from "../load/harness/server_process.ts";

const PHONES = 20;
/** A phone may record 120 fixes at once, so this goes on for some seconds longer than the stop. */
const INTERVAL_MS = 40;
const BOUND_MS = 10_000;

/** A phone that sends its place again and again until it is cut off. */
class SendingPhone {
  readonly courierId: string;
  readonly closed = Promise.withResolvers<CloseEvent>();
  /** Of the newest acknowledged fix. */
  acknowledgedAtMs = 0;
  readonly #recordedAtMs: number[] = [];

  constructor(port: number, courierId: string, ticket: string) {
    this.courierId = courierId;
    const socket = new WebSocket(`ws://127.0.0.1:${port}${POSITIONS_PATH}?ticket=${ticket}`);
    let sending: ReturnType<typeof setInterval> | undefined;
    socket.onopen = () => sending = setInterval(() => this.#send(socket), INTERVAL_MS);
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onerror = () => {};
    socket.onclose = (event) => {
      clearInterval(sending);
      this.closed.resolve(event);
    };
  }

  #send(socket: WebSocket): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    const seq = this.#recordedAtMs.push(Date.now()) - 1;
    const { lat, lon } = northOfPickup(seq / 10);
    socket.send(JSON.stringify(["f", seq, [this.#recordedAtMs[seq], lat, lon]]));
  }

  #hear(text: string): void {
    const [kind, seq, codes] = JSON.parse(text) as [string, number, string[]];
    if (kind !== "a" || codes[0] !== "accepted") return;
    this.acknowledgedAtMs = Math.max(this.acknowledgedAtMs, this.#recordedAtMs[seq] ?? 0);
  }
}

async function startIngest(stores: TestStores, port: number): Promise<ServerProcess> {
  return await ServerProcess.start("ingest", port, {
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    REDIS_KEY_PREFIX: stores.prefix,
    LOG_LEVEL: "error",
  });
}

async function startPhone(
  { sql, redis, keys }: TestStores,
  port: number,
): Promise<SendingPhone> {
  const courierId = await insertCourier(sql);
  const grant = { kind: "courier_positions", courierId, credentialId: courierId } as const;
  return new SendingPhone(port, courierId, await createTicket(redis, keys, grant));
}

Deno.test("ingest that stops closes its sockets (1001), and Postgres has the last fix it acknowledged of each", async () => {
  await withStores(async (stores) => {
    const { sql } = stores;
    await insertRegion(sql);
    const port = freePort();
    const ingest = await startIngest(stores, port);
    try {
      const phones = await Promise.all(
        Array.from({ length: PHONES }, () => startPhone(stores, port)),
      );
      await eventually(
        "each phone was heard",
        () => phones.every(({ acknowledgedAtMs }) => acknowledgedAtMs > 0),
      );
      await ingest.stop();
      const ends = await withTimeout(
        "phones are cut off",
        BOUND_MS,
        Promise.all(phones.map(({ closed }) => closed.promise)),
      );
      const rows = await sql<{ id: string; recordedAt: Date }[]>`
        select courier_id as id, recorded_at from courier_last_positions`;
      const keptMs = new Map(rows.map(({ id, recordedAt }) => [id, recordedAt.getTime()]));
      const lacking = phones.filter(({ courierId, acknowledgedAtMs }) =>
        (keptMs.get(courierId) ?? 0) < acknowledgedAtMs
      );
      assert.equal(lacking.length, 0, `Postgres lacks the last fix of ${lacking.length} couriers`);
      assert.deepEqual(new Set(ends.map(({ code }) => code)), new Set([1001]));
    } finally {
      await ingest.stop();
    }
  });
});
