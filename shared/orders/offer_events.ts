import type { EventInput } from "shared/events/catalogue.ts";
import type { OfferRow, OfferStatus } from "./rows.ts";

/** The event of an offer that left `pending`. */
export function closeEvent(
  offer: OfferRow,
  orderVersion: number,
  status: OfferStatus,
  reason: string,
): EventInput | undefined {
  const data = {
    orderId: offer.orderId,
    orderVersion,
    offerId: offer.id,
    courierId: offer.courierId,
  };
  switch (status) {
    case "accepted":
      return { type: "offer.accepted", data };
    case "rejected":
      return { type: "offer.rejected", data: { ...data, reason } };
    case "expired":
      return { type: "offer.expired", data };
    case "withdrawn":
      return { type: "offer.withdrawn", data: { ...data, reason } };
    case "pending":
      return undefined;
  }
}
