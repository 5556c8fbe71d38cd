import { eventually } from "../harness/eventually.ts";
import { runFault } from "./run_fault.ts";

const LOST_COMMITS = 4;
const LOST_ANSWERS = 3;
const LOSSES_TIMEOUT_MS = 30_000;

Deno.test("a reply lost after COMMIT, or on the way to the client, breaks no promise", async () => {
  await runFault({
    name: "lost-reply",
    links: ["gateway>postgres", "client>gateway"],
    orders: 9,
    meanIntervalMs: 700,
    inject: async (world) => {
      const store = world.link("gateway>postgres");
      const client = world.link("client>gateway");
      store.loseReplies({ text: "commit\0", times: LOST_COMMITS });
      await eventually(
        "commits went unanswered",
        () => store.repliesLost === LOST_COMMITS,
        LOSSES_TIMEOUT_MS,
      );
      client.loseReplies({ text: "POST /api/v1/orders HTTP", times: LOST_ANSWERS });
      await eventually(
        "orders went unanswered",
        () => client.repliesLost === LOST_ANSWERS,
        LOSSES_TIMEOUT_MS,
      );
      return {};
    },
  });
});
