/** Who changes an order. */
import type { OrderMode } from "./rows.ts";

interface Person {
  readonly accountId: string;
  /** Orders of the other mode do not exist for this person; any when absent. */
  readonly mode?: OrderMode | undefined;
}

/** Who moves the order, as far as the rules need to know. */
export type Actor =
  | Person & { readonly role: "customer" }
  /** `merchantIds` are the merchants of the account. */
  | Person & { readonly role: "merchant"; readonly merchantIds: readonly string[] }
  | Person & { readonly role: "courier" }
  | Person & { readonly role: "dispatcher" }
  /** A deadline of the product itself. */
  | { readonly role: "system" }
  /** Carries orders of test mode through every state. */
  | { readonly role: "robot" };

/** Who did something and in which words, as the order's history keeps it. */
export interface Deed {
  readonly role: Actor["role"];
  /** Undefined where no account did it. */
  readonly accountId?: string | undefined;
  readonly reason?: string | undefined;
}

/** The product itself, by a timer or a rule. */
export const SYSTEM: Deed = { role: "system" };

/** What an actor does, with its words. */
export function deedOf(actor: Actor, reason?: string): Deed {
  const isPerson = actor.role !== "system" && actor.role !== "robot";
  return { role: actor.role, accountId: isPerson ? actor.accountId : undefined, reason };
}
