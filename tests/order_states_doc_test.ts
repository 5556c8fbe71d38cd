/** The guide's table of states is the table of the code. */
import { deepStrictEqual } from "node:assert/strict";
import {
  nextState,
  ORDER_ACTIONS,
  ORDER_KINDS,
  ORDER_STATES,
  type OrderAction,
} from "shared/orders/lifecycle.ts";
import { tableOf } from "./house/markdown.ts";
import { readText } from "./house/source_tree.ts";

/** What a step is called in a URL, where that is not the action's name. */
const STEP_OF: Partial<Record<OrderAction, string>> = {
  make_ready: "ready",
  pick_up: "picked-up",
  depart: "in-transit",
  deliver: "delivered",
  fail_attempt: "failed-attempt",
  start_return: "returning",
  complete_return: "returned",
};

/** The states of a cell; a kind in brackets behind a state narrows it. */
function statesOf(cell: string): { state: string; kind: string | undefined }[] {
  return [...cell.matchAll(/([a-z_]+)(?: \(([a-z]+)\))?/g)].map(([, state = "", kind]) => ({
    state,
    kind,
  }));
}

Deno.test("api.md's table of states says what the lifecycle allows, for both kinds", async () => {
  const page = await readText("docs/api.md") ?? "";
  const said = new Set<string>();
  for (const [step = "", from = "", to = ""] of tableOf(page, "step")) {
    const [target] = statesOf(to);
    for (const { state, kind } of statesOf(from)) {
      for (const one of ORDER_KINDS) {
        // The merchant's states do not occur in a parcel.
        const occurs = one === "marketplace" ||
          !["confirmed", "preparing", "ready_for_pickup"].includes(state);
        if ((kind === undefined || kind === one) && occurs) {
          said.add(`${one} ${state} ${step} ${target?.state}`);
        }
      }
    }
  }
  const allowed = ORDER_KINDS.flatMap((kind) =>
    ORDER_STATES.flatMap((state) =>
      ORDER_ACTIONS.flatMap((action) => {
        const to = nextState(kind, state, action);
        return to === "reject" ? [] : [`${kind} ${state} ${STEP_OF[action] ?? action} ${to}`];
      })
    )
  );
  deepStrictEqual([...said].sort(), allowed.sort());
});
