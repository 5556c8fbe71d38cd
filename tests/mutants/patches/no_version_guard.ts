import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "version guard dropped",
  breaks: "an order is written whatever version it has",
  edits: [
    {
      file: "shared/orders/order_change.ts",
      find: `      where id = \${this.#order.id} and version = \${this.#order.version}
`,
      replace: `      where id = \${this.#order.id}
`,
    },
  ],
  detector: { phase: "integration", file: "tests/integration/orders_guard_test.ts" },
  says: /Missing expected rejection/,
};
