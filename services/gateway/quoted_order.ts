import { ProblemError } from "shared/problem/problem.ts";
import { fieldProblems } from "shared/problem/zod_problem.ts";
import { type QuotedOrder, type WholeOrder, wholeOrderSchema } from "./order_schemas.ts";
import type { QuotedRequest } from "./stores/quote_store.ts";

/**
 * The order that a quote describes, with what only the order says. Pure.
 *
 * @throws ProblemError where it says what its kind does not have, as the weight of a meal.
 */
export function orderOfQuote(request: QuotedRequest, quoted: QuotedOrder): WholeOrder {
  const { addresses, ...asked } = request;
  const known = Object.entries(asked)
    .filter(([_, value]) => value !== null && !(Array.isArray(value) && value.length === 0))
    .map(([field, value]) => [field, withAddress(field, value, addresses)]);
  const whole = { ...quoted, ...Object.fromEntries(known) };
  const parsed = wholeOrderSchema.safeParse(whole);
  if (parsed.success) return parsed.data;
  throw new ProblemError("request.invalid", {
    detail: "Cannot use the request: fields must be of the kind that was quoted",
    errors: fieldProblems(parsed.error.issues, whole),
  });
}

/** Addresses are kept beside the places, because an order may spell them as it likes. */
function withAddress(field: string, value: unknown, addresses: unknown): unknown {
  if (field !== "pickup" && field !== "dropoff") return value;
  const known = addresses as { readonly [End in "pickup" | "dropoff"]?: string } | undefined;
  const address = known?.[field];
  return address === undefined ? value : { ...value as object, address };
}
