import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "ack before commit",
  breaks: "an event is acknowledged before its effect",
  edits: [
    {
      file: "shared/streams/consumer.ts",
      find: "        if (work.item !== undefined) await this.#options.handle(work.item);",
      replace: `        const { redis, stream, group } = this.#options;
        await redis.xack(stream, group, work.entry.id);
        if (work.item !== undefined) await this.#options.handle(work.item);`,
    },
  ],
  detector: { phase: "chaos", file: "tests/chaos/effects_refused_test.ts" },
  says: /I7 .*frames of the track/,
};
