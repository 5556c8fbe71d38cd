/**
 * The yardstick of single fixes: Express with a JSON body, and three Redis commands for each
 * request, answered when Redis has them. No sessions, no limit, no checks but of the fields. Plain
 * JavaScript, because Node runs it as it is.
 */
import process from "node:process";
import express from "express";
import { Redis } from "ioredis";

const { redisUrl, prefix, port } = JSON.parse(process.argv[2]);
const redis = new Redis(redisUrl);
const app = express();
app.use(express.json());

app.get("/health/ready", (_request, response) => {
  response.json({ status: "ready" });
});

app.post("/locations", async (request, response) => {
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

app.listen(port, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
