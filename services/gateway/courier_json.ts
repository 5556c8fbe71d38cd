import type { z } from "@hono/zod-openapi";
import { ProblemError } from "shared/problem/problem.ts";
import type { courierSchema } from "./courier_schemas.ts";
import type { GatewayDeps } from "./deps.ts";
import { findCourier } from "./stores/courier_store.ts";

/** The courier as the API answers it. @throws ProblemError when there is none. */
export async function requireCourierJson(
  deps: GatewayDeps,
  courierId: string,
): Promise<z.infer<typeof courierSchema>> {
  const courier = await findCourier(deps.sql, courierId);
  if (courier === undefined) throw new ProblemError("courier.not_found");
  const { region, shard: _shard, skills, ...rest } = courier;
  return { ...rest, skills: [...skills], regionId: region };
}
