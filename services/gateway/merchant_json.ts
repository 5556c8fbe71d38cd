import type { z } from "@hono/zod-openapi";
import type {
  merchantDetailsSchema,
  merchantProfileSchema,
  merchantSchema,
} from "./catalogue_schemas.ts";
import type { FoundMerchant } from "./stores/merchant_search_store.ts";
import type { Merchant } from "./stores/merchant_store.ts";
import { tradingStatus } from "./trading_status.ts";

/** A merchant as lists show it. */
export function merchantJson(merchant: FoundMerchant, nowMs: number) {
  const { id, region, name, category, address, location, preparationMinutes } = merchant;
  const status = tradingStatus(merchant, nowMs);
  return {
    id,
    regionId: region,
    name,
    category,
    address,
    location,
    preparationMinutes,
    open: status.isOpen,
    opensAt: status.isOpen ? null : status.opensAt?.toISOString() ?? null,
    closesAt: status.isOpen ? status.closesAt?.toISOString() ?? null : null,
    ...(merchant.distanceM === undefined ? {} : { distanceM: Math.round(merchant.distanceM) }),
  } satisfies z.infer<typeof merchantSchema>;
}

/** A merchant as everybody sees it. */
export function merchantDetailsJson(merchant: FoundMerchant, nowMs: number) {
  const { description, timeZone, hours } = merchant;
  return {
    ...merchantJson(merchant, nowMs),
    description,
    timeZone,
    hours,
  } satisfies z.infer<typeof merchantDetailsSchema>;
}

/** A merchant as its owner sees it. */
export function merchantProfileJson(merchant: Merchant, nowMs: number) {
  const { accountId, takesOrders, pausedUntil, fleet, createdAt, updatedAt } = merchant;
  return {
    ...merchantDetailsJson(merchant, nowMs),
    accountId,
    takesOrders,
    pausedUntil: pausedUntil?.toISOString() ?? null,
    fleet,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  } satisfies z.infer<typeof merchantProfileSchema>;
}
