import type { Principal } from "shared/auth/principal.ts";
import type { Actor } from "shared/orders/transition_order.ts";
import type { Queryable } from "shared/sql/connect.ts";
import { merchantIdsOf } from "./stores/merchant_store.ts";

/** Who a session is, in the words of the order's rules. An admin acts as a dispatcher. */
export async function actorOf(sql: Queryable, principal: Principal): Promise<Actor> {
  const { role, accountId } = principal;
  switch (role) {
    case "merchant":
      return { role, accountId, merchantIds: await merchantIdsOf(sql, accountId) };
    case "admin":
      return { role: "dispatcher", accountId };
    case "customer":
    case "courier":
    case "dispatcher":
      return { role, accountId };
  }
}
