import { openStatus } from "shared/hours/opening_hours.ts";
import type { Merchant } from "./stores/merchant_store.ts";

/** Why a merchant takes no orders now. */
export type ClosedBecause = "hours" | "paused" | "closed";

/** Whether a merchant takes orders at a moment; times are null where they are out of sight. */
export type TradingStatus =
  | { readonly isOpen: true; readonly closesAt: Date | null }
  | { readonly isOpen: false; readonly opensAt: Date | null; readonly because: ClosedBecause };

/** What the switch, the account, the pause and the hours say together. Pure. */
export function tradingStatus(
  merchant: Pick<Merchant, "takesOrders" | "isSuspended" | "pausedUntil" | "hours" | "timeZone">,
  atMs: number,
): TradingStatus {
  const { takesOrders, isSuspended, pausedUntil, hours, timeZone } = merchant;
  // Nobody knows when the switch is turned again, or the account let in.
  if (!takesOrders || isSuspended) return { isOpen: false, opensAt: null, because: "closed" };
  const pausedUntilMs = pausedUntil?.getTime() ?? -Infinity;
  if (atMs < pausedUntilMs) {
    const after = openStatus(hours, timeZone, pausedUntilMs);
    const opensAt = after.isOpen ? pausedUntil : dateOf(after.opensAtMs);
    return { isOpen: false, opensAt, because: "paused" };
  }
  const status = openStatus(hours, timeZone, atMs);
  return status.isOpen
    ? { isOpen: true, closesAt: dateOf(status.closesAtMs) }
    : { isOpen: false, opensAt: dateOf(status.opensAtMs), because: "hours" };
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
