import type { Sql } from "shared/sql/connect.ts";
import { insertAccount, insertCourier, insertRegion } from "../../harness/fixtures.ts";
import type { City } from "./people.ts";

const MIN_DEEDS = 40;
const MAX_DEEDS = 100;

/** A city that is still to be written into the database. */
export interface SettledCity extends City {
  build(sql: Sql): Promise<void>;
}

/** A customer, a merchant and some couriers. */
export function settleCity(
  { random, ...rest }: Pick<City, "nextOrderId" | "onGranted"> & { random: () => number },
): SettledCity {
  const couriers = 1 + Math.floor(random() * 3);
  const courierIds = Array.from(
    { length: couriers },
    (_, index) => `c0000000-0000-7000-8000-00000000000${index}`,
  );
  const capacities = courierIds.map(() => 1 + Math.floor(random() * 2));
  const customerId = "a0000000-0000-7000-8000-000000000001";
  return {
    ...rest,
    customerId,
    merchantId: "b0000000-0000-7000-8000-000000000001",
    merchantAccountId: "a0000000-0000-7000-8000-000000000002",
    courierIds,
    deedsLeft: MIN_DEEDS + Math.floor(random() * (MAX_DEEDS - MIN_DEEDS)),
    build: async (sql) => {
      await insertRegion(sql);
      await insertAccount(sql, "customer", customerId);
      for (const [index, id] of courierIds.entries()) {
        await insertCourier(sql, { id, capacity: capacities[index] ?? 1 });
      }
    },
  };
}
