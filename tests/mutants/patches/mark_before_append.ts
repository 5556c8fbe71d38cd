import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "mark before append",
  breaks: "a row is marked as published before it is on the stream",
  edits: [
    {
      file: "shared/outbox/relay.ts",
      find: `    if (await this.#markAndRead(rows) === 0) {
      this.doubt();`,
      replace: `    if (rows.length === 0) {
      this.doubt();`,
    },
    {
      file: "shared/outbox/relay.ts",
      find: `    if (fresh.length > 0) {
      const outcome = await this.#append(fresh);`,
      replace: `    if (await this.#markAndRead(rows) === 0) {
      this.doubt();
      return "lost";
    }
    if (fresh.length > 0) {
      const outcome = await this.#append(fresh);`,
    },
  ],
  detector: { phase: "chaos", file: "tests/chaos/redis_full_test.ts" },
  says: /I6 .*(?:marked as published and not in the stream|had lost nothing)/,
};
