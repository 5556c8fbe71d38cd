import type { Principal } from "shared/auth/principal.ts";
import type { Actor } from "shared/orders/actor.ts";
import type { Queryable } from "shared/sql/connect.ts";
import { merchantIdsOf } from "./stores/merchant_store.ts";

/** Who a session is, in the words of the order's rules. An admin acts as a dispatcher. */
export async function actorOf(sql: Queryable, principal: Principal): Promise<Actor> {
  const { role, accountId, mode } = principal;
  switch (role) {
    case "merchant":
      return { role, accountId, mode, merchantIds: await merchantIdsOf(sql, accountId) };
    case "admin":
      return { role: "dispatcher", accountId, mode };
    case "customer":
    case "courier":
    case "dispatcher":
      return { role, accountId, mode };
  }
}
