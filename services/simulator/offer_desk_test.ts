import assert from "node:assert/strict";
import { OfferDesk } from "./offer_desk.ts";
import type { Random } from "./random.ts";
import { createSignInGate, Session } from "./session.ts";
import { eventually } from "./testing/eventually.ts";
import { FakeApi, refusal } from "./testing/fake_api.ts";
import { surroundingsAt } from "./testing/surroundings.ts";
import { createWorldClock } from "./world_clock.ts";

const HURRY = 100;
const COURIER = "courier-1";
const PLACE = { lat: 57.7, lon: 11.95 };
/** Both draws of a decision: the delay, and what is decided. */
const ACCEPT: Random = () => 0.5;
const REJECT: Random = () => 0.95;
const IGNORE: Random = () => 0.99;

async function atDesk(
  random: Random,
  test: (world: {
    api: FakeApi;
    desk: OfferDesk;
    offer: () => ReturnType<FakeApi["offer"]>;
    answers: () => string[];
    counted: (decision: string) => Promise<number>;
    answered: () => number;
    expireAll: () => void;
  }) => Promise<void>,
): Promise<void> {
  const clock = createWorldClock(HURRY);
  let aheadMs = 0;
  const shifted = { ...clock, nowMs: () => clock.nowMs() + aheadMs };
  const api = new FakeApi(shifted);
  const { around, end } = surroundingsAt(api.url, { clock: shifted });
  const own = { ...around, random };
  const session = new Session(own, { email: COURIER, password: "p" }, createSignInGate());
  let answered = 0;
  const desk = new OfferDesk({ around: own, session, onAnswered: () => answered++ });
  try {
    await test({
      api,
      desk,
      offer: () => api.offer(api.addOrder({ pickup: PLACE, dropoff: PLACE }), COURIER),
      answers: () =>
        api.pathsOf(COURIER, "POST").map((path) => path.replace(/.*\/offers\/[^/]+\//, "")),
      counted: async (decision) => {
        const { values } = await own.metrics.offers.get();
        return values.find((entry) => entry.labels.decision === decision)?.value ?? 0;
      },
      answered: () => answered,
      expireAll: () => aheadMs = 60_000,
    });
  } finally {
    end();
    await api.stop();
  }
}

function seen({ id, orderId, expiresAtMs }: ReturnType<FakeApi["offer"]>) {
  return { id, orderId, expiresAt: expiresAtMs };
}

Deno.test("OfferDesk answers an offer once, however often and whichever way it is seen", async () => {
  await atDesk(ACCEPT, async ({ api, desk, offer, answers, counted, answered }) => {
    const made = offer();
    for (const via of ["channel", "poll", "channel"] as const) desk.consider([seen(made)], via);
    await api.until("the accept", () => made.status === "accepted");
    desk.consider([seen(made)], "poll");
    const next = offer();
    desk.consider([seen(next)], "channel");
    await eventually("both counted", async () => await counted("accepted") === 2);
    assert.deepEqual(answers(), ["accept", "accept"]);
    assert.equal(answered(), 2);
  });
});

Deno.test("OfferDesk rejects some offers and leaves some to expire", async () => {
  await atDesk(REJECT, async ({ desk, offer, answers, counted, answered }) => {
    desk.consider([seen(offer())], "channel");
    await eventually("a rejection", async () => await counted("rejected") === 1);
    assert.deepEqual([answers(), answered()], [["reject"], 0]);
  });
  await atDesk(IGNORE, async ({ desk, offer, answers, counted }) => {
    desk.consider([seen(offer())], "channel");
    await eventually("the choice to ignore", async () => await counted("ignored") === 1);
    assert.deepEqual(answers(), []);
  });
});

Deno.test("OfferDesk lets go of an offer that was closed while it thought", async () => {
  await atDesk(ACCEPT, async ({ desk, offer, answers, counted }) => {
    const made = offer();
    desk.consider([seen(made)], "channel");
    desk.close(made.id);
    await eventually("a lost offer", async () => await counted("lost") === 1);
    assert.deepEqual(answers(), []);
  });
});

Deno.test("OfferDesk takes a refused accept as lost and does not repeat it", async () => {
  await atDesk(ACCEPT, async ({ desk, offer, answers, counted, answered }) => {
    const made = offer();
    made.status = "closed";
    desk.consider([seen(made)], "channel");
    await eventually("a lost offer", async () => await counted("lost") === 1);
    assert.deepEqual([answers(), answered()], [["accept"], 1]);
  });
});

Deno.test("OfferDesk repeats an answer of unknown outcome, but not beyond the offer's time", async () => {
  await atDesk(ACCEPT, async ({ api, desk, offer, answers, counted, expireAll }) => {
    let failures = 2;
    api.intercept = ({ path }) =>
      path.endsWith("/accept") && failures-- > 0 ? refusal("service.unavailable") : undefined;
    const made = offer();
    desk.consider([seen(made)], "channel");
    await eventually("the third attempt", async () => await counted("accepted") === 1);
    assert.deepEqual(answers(), ["accept", "accept", "accept"]);
    failures = Infinity;
    desk.consider([seen(offer())], "channel");
    await api.until("another attempt", () => answers().length >= 4);
    expireAll();
    await eventually("an end of attempts", async () => await counted("lost") === 1);
  });
});
