/**
 * The yardstick of single fixes: Express with a JSON body, and three Redis commands for each
 * request, answered when Redis has them; no checks but of the fields. With `checks` it also does
 * what such services do before that: a session from Redis by the token, and a limit per minute by
 * INCR and EXPIRE. Plain JavaScript, because Node runs it as it is.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import express from "express";
import { Redis } from "ioredis";

const { redisUrl, prefix, port, checks } = JSON.parse(process.argv[2]);
const redis = new Redis(redisUrl);
/** As ours: one fix a second, and a burst. */
const MAX_PER_MINUTE = 180;
const SEEDED_AT_ONCE = 1_000;

async function seedSessions() {
  const senders = JSON.parse(await readFile(checks.sendersFile, "utf8"));
  for (let start = 0; start < senders.length; start += SEEDED_AT_ONCE) {
    const pipeline = redis.pipeline();
    for (const { id, token } of senders.slice(start, start + SEEDED_AT_ONCE)) {
      pipeline.set(`${prefix}session:${token}`, JSON.stringify({ id, role: "courier" }));
    }
    await pipeline.exec();
  }
}

async function check(request, response, next) {
  const token = request.headers.authorization?.slice("Bearer ".length);
  const session = JSON.parse(await redis.get(`${prefix}session:${token}`));
  if (session?.role !== "courier") {
    response.status(401).json({ error: "unknown session" });
    return;
  }
  const key = `${prefix}limit:${session.id}:${Math.floor(Date.now() / 60_000)}`;
  const [count] = await Promise.all([redis.incr(key), redis.expire(key, 60)]);
  if (count > MAX_PER_MINUTE) response.status(429).json({ error: "too many positions" });
  else next();
}

const app = express();
app.use(express.json());

app.get("/health/ready", (_request, response) => {
  response.json({ status: "ready" });
});

app.post("/locations", ...(checks === undefined ? [] : [check]), async (request, response) => {
  const { driverId, lat, lon, accuracyM, headingDeg, speedMps, recordedAt } = request.body;
  if (typeof driverId !== "string" || typeof lat !== "number" || typeof lon !== "number") {
    response.status(400).json({ error: "driverId, lat and lon are required" });
    return;
  }
  // All three at once: they go in one write.
  await Promise.all([
    redis.geoadd(`${prefix}drivers:geo`, lon, lat, driverId),
    redis.hset(`${prefix}driver:${driverId}`, { accuracyM, headingDeg, speedMps, recordedAt }),
    redis.publish(`${prefix}location:${driverId}`, JSON.stringify({ lat, lon, recordedAt })),
  ]);
  response.json({ accepted: true });
});

if (checks !== undefined) await seedSessions();
app.listen(port, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
