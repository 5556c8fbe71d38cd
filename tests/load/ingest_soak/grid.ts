/** The grid that dispatch looks at: the one place that says which. */
import type { StreamedCourier } from "shared/availability/streamed_fixes.ts";
import { LiveCouriers } from "shared/nearest/live_couriers.ts";

const live = new LiveCouriers();

/** After this a search finds the couriers where they are now. */
export function applyToGrid(couriers: readonly StreamedCourier[]): void {
  live.apply(couriers);
}
