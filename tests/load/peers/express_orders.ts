/**
 * The yardstick: the same order on Express and pg, as such a service is commonly written: look the
 * session up, validate, look the key up, read merchant and menu, price, then one insert after the
 * other in a transaction. It does the same checks, writes the same rows and waits for the same
 * disk. It has no rate limits, no log lines and no metrics, which is less than the product does.
 */
// @ts-types="@types/express"
import express from "express";
// @ts-types="@types/pg"
import pg from "pg";
import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import { distanceM } from "shared/geo/distance.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { readSettings, stopped, tell } from "../harness/child.ts";

interface PeerSettings {
  readonly databaseUrl: string;
  readonly port: number;
}

/** As the gateway's pool. */
const CONNECTIONS = 10;

const wantedSchema = z.strictObject({
  kind: z.literal("marketplace"),
  merchantId: z.uuid(),
  items: z.array(z.strictObject({
    menuItemId: z.uuid(),
    quantity: z.int().min(1).max(99),
  })).min(1).max(50),
  dropoff: z.strictObject({
    lat: z.number().min(-85).max(85),
    lon: z.number().min(-180).max(180),
    address: z.string().max(200).optional(),
  }),
  tipMinor: z.int().min(0).max(100_000_000).optional(),
  note: z.string().max(500).optional(),
});
type Wanted = z.infer<typeof wantedSchema>;

interface MerchantRow {
  readonly region: string;
  readonly open: boolean;
  readonly address: string;
  readonly lat: number;
  readonly lon: number;
  readonly preparation_minutes: number;
}
interface ItemRow {
  readonly id: string;
  readonly name: string;
  readonly price_minor: number;
  readonly available: boolean;
}

class Refused extends Error {
  constructor(readonly status: number, readonly code: string) {
    super(code);
  }
}

const { databaseUrl, port } = readSettings<PeerSettings>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS });
const app = express();
app.disable("x-powered-by");
app.use(express.json({ limit: "64kb" }));

async function accountOf(header: string | undefined): Promise<string> {
  const token = /^Bearer (.+)$/.exec(header ?? "")?.[1] ?? "";
  const hash = createHash("sha256").update(token).digest();
  const { rows } = await pool.query<{ account_id: string }>(
    `select a.id as account_id from sessions s join accounts a on a.id = s.account_id
     where s.token_hash = $1 and s.expires_at > clock_timestamp()`,
    [hash],
  );
  if (rows[0] === undefined) throw new Refused(401, "auth.required");
  return rows[0].account_id;
}

async function readGoods(wanted: Wanted) {
  const merchants = await pool.query<MerchantRow>(
    `select region, open, address, lat, lon, preparation_minutes from merchants where id = $1`,
    [wanted.merchantId],
  );
  const merchant = merchants.rows[0];
  if (merchant === undefined) throw new Refused(404, "merchant.not_found");
  if (!merchant.open) throw new Refused(409, "merchant.closed");
  const menu = await pool.query<ItemRow>(
    `select id, name, price_minor, available from menu_items where merchant_id = $1`,
    [wanted.merchantId],
  );
  const byId = new Map(menu.rows.map((row) => [row.id, row]));
  const items = wanted.items.map(({ menuItemId, quantity }) => {
    const row = byId.get(menuItemId);
    if (row === undefined) throw new Refused(422, "menu_item.not_found");
    if (!row.available) throw new Refused(409, "menu_item.unavailable");
    return { menuItemId, quantity, name: row.name, priceMinor: row.price_minor };
  });
  return { merchant, items };
}

type Goods = Awaited<ReturnType<typeof readGoods>>;

function orderOf(accountId: string, wanted: Wanted, { merchant, items }: Goods) {
  const pickup = { lat: merchant.lat, lon: merchant.lon };
  // The bench's region is a square; the product asks its polygon.
  const { lat, lon } = wanted.dropoff;
  if (lat < 57.6 || lat > 57.8 || lon < 11.8 || lon > 12) throw new Refused(422, "order.outside");
  const meters = Math.round(distanceM(pickup, wanted.dropoff));
  const itemsMinor = items.reduce((sum, item) => sum + item.priceMinor * item.quantity, 0);
  const deliveryMinor = Math.round(299 + 50 * meters / 1_000);
  const tipMinor = wanted.tipMinor ?? 0;
  const token = randomBytes(32).toString("base64url");
  return {
    id: uuidv7(),
    accountId,
    region: merchant.region,
    merchantId: wanted.merchantId,
    items,
    note: wanted.note ?? null,
    pickup: { ...pickup, address: merchant.address },
    dropoff: wanted.dropoff,
    meters,
    preparationMinutes: merchant.preparation_minutes,
    price: {
      items: itemsMinor,
      delivery: deliveryMinor,
      tip: tipMinor,
      total: itemsMinor + deliveryMinor + tipMinor,
    },
    estimatedDeliveryAt: new Date(Date.now() + 30 * 60_000),
    token,
    tokenHash: createHash("sha256").update(token).digest(),
  };
}

type Order = ReturnType<typeof orderOf>;

async function insertOrder(client: pg.PoolClient, order: Order): Promise<void> {
  const { id, region, pickup, dropoff, price } = order;
  await client.query(
    `insert into orders (id, region, shard, kind, status, version, customer_id, merchant_id, items,
       note, pickup_lat, pickup_lon, pickup_address, dropoff_lat, dropoff_lon, dropoff_address,
       distance_m, preparation_minutes, items_minor, delivery_minor, tip_minor, currency,
       estimated_delivery_at, tracking_token_hash, state_times)
     values ($1, $2, 0, 'marketplace', 'placed', 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
       $14, $15, $16, $17, 'SEK', $18, $19, jsonb_build_object('placed', clock_timestamp()))`,
    [
      id,
      region,
      order.accountId,
      order.merchantId,
      JSON.stringify(order.items),
      order.note,
      pickup.lat,
      pickup.lon,
      pickup.address,
      dropoff.lat,
      dropoff.lon,
      dropoff.address ?? null,
      order.meters,
      order.preparationMinutes,
      price.items,
      price.delivery,
      price.tip,
      order.estimatedDeliveryAt,
      order.tokenHash,
    ],
  );
  for (const [kind, minutes] of [["order.attention", 15], ["order.expire", 120]]) {
    await client.query(
      `insert into timers (kind, key, version, due_at)
       values ($1, $2, 1, clock_timestamp() + $3 * interval '1 minute')`,
      [kind, id, minutes],
    );
  }
  const event = {
    orderId: id,
    orderVersion: 1,
    kind: "marketplace",
    customerId: order.accountId,
    merchantId: order.merchantId,
  };
  await insertEvent(client, order, event);
}

async function insertEvent(client: pg.PoolClient, order: Order, data: object) {
  const { id, region, accountId } = order;
  const eventId = uuidv7();
  await client.query(
    `insert into outbox (region, shard, key, aggregate_version, events) values ($1, 0, $2, 1, $3)`,
    [region, id, JSON.stringify({ id: eventId, type: "order.placed", version: 1, data })],
  );
  await client.query(
    `insert into order_history (order_id, order_version, event_index, event_id, type, occurred_at,
       actor_role, actor_id, data)
     values ($1, 1, 0, $2, 'order.placed', clock_timestamp(), 'customer', $3, $4)`,
    [id, eventId, accountId, JSON.stringify(data)],
  );
}

async function findStored(account: string, key: string, hash: Uint8Array) {
  const { rows } = await pool.query<{ status: number; body: unknown; request_hash: Uint8Array }>(
    `select status, body, request_hash from idempotency where account_id = $1 and key = $2`,
    [account, key],
  );
  if (rows[0] !== undefined && Buffer.compare(rows[0].request_hash, hash) !== 0) {
    throw new Refused(422, "idempotency.key_reused");
  }
  return rows[0];
}

async function place(accountId: string, key: string, body: unknown) {
  const wanted = wantedSchema.safeParse(body);
  if (!wanted.success) throw new Refused(422, "request.invalid");
  const hash = createHash("sha256").update(JSON.stringify(wanted.data)).digest();
  const stored = await findStored(accountId, key, hash);
  if (stored !== undefined) return { status: stored.status, body: stored.body };
  const order = orderOf(accountId, wanted.data, await readGoods(wanted.data));
  const { token, tokenHash: _hash, accountId: _account, meters, ...shown } = order;
  const answer = { ...shown, status: "placed", distanceM: meters, tracking: { token } };
  const client = await pool.connect();
  try {
    await client.query("begin");
    await insertOrder(client, order);
    await client.query(
      `insert into idempotency (account_id, key, request_hash, status, body)
       values ($1, $2, $3, 201, $4)`,
      [accountId, key, hash, JSON.stringify(answer)],
    );
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
  return { status: 201, body: answer };
}

app.post("/api/v1/orders", async (request, response) => {
  try {
    const accountId = await accountOf(request.get("authorization"));
    const key = request.get("idempotency-key") ?? uuidv7();
    const { status, body } = await place(accountId, key, request.body);
    response.status(status).json(body);
  } catch (error) {
    const { status, code } = error instanceof Refused ? error : { status: 500, code: "internal" };
    if (status === 500) console.log(`peer: ${error}`);
    response.status(status).type("application/problem+json").send(JSON.stringify({ status, code }));
  }
});

app.listen(port, "127.0.0.1", () => tell("ready"));
await stopped();
await pool.end();
Deno.exit(0);
