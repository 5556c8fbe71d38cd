import type { City } from "shared/city/city.ts";
import { createSession } from "shared/auth/sessions.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { DemoOptions } from "./options.ts";
import { homeAt } from "./homes.ts";
import { demoEmail } from "./seed.ts";
import { urlOf } from "./services.ts";

/** Far enough to watch, near enough to arrive in a minute or two. */
const TRIP_M = 1_800;

/** Two lines to paste: one places an order, the other follows it. */
export async function firstOrderHelp(
  { options, city, sql }: { options: DemoOptions; city: City; sql: Sql },
): Promise<string[]> {
  const email = demoEmail("customer", 1, city.region.id);
  const [customer] = await sql<{ id: string }[]>`select id from accounts where email = ${email}`;
  const [item] = await sql<{ id: string; merchantId: string; lat: number; lon: number }[]>`
    select i.id, i.merchant_id, m.lat, m.lon from menu_items i join merchants m on m.id = i.merchant_id
    where m.region = ${city.region.id} order by i.id limit 1`;
  if (customer === undefined || item === undefined) return [];
  const home = homeAt(city, item, TRIP_M);
  const { token } = await createSession(sql, customer.id);
  const body = JSON.stringify({
    kind: "marketplace",
    merchantId: item.merchantId,
    items: [{ menuItemId: item.id, quantity: 1 }],
    dropoff: { lat: home.lat, lon: home.lon },
  });
  const file = '"${TMPDIR:-/tmp}/hexmile-order.json"';
  const place =
    `curl -s ${urlOf(options, "gateway")}/api/v1/orders -H 'authorization: Bearer ${token}' ` +
    `-H 'content-type: application/json' -H "idempotency-key: $(date +%s)" -d '${body}' | tee ${file}`;
  const follow =
    `curl -sN -H "x-tracking-token: $(sed 's/.*"token":"\\([^"]*\\)".*/\\1/' ${file})" ` +
    `"${
      urlOf(options, "tracker")
    }/api/v1/orders/$(sed 's/^{"id":"\\([^"]*\\)".*/\\1/' ${file})/track"`;
  return ["  place an order:", `  ${place}`, "  follow it:", `  ${follow}`];
}
