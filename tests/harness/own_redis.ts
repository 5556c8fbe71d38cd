/** A Redis of one test's own, for what would disturb the other files on the shared one. */
import { join } from "node:path";
import { chooseLocalPlace } from "../../deploy/local/data_dir.ts";
import { startRedis } from "../../deploy/local/redis_server.ts";

let count = 0;

/** Starts one; it ends, and its folder goes, after the use. */
export async function withOwnRedis(use: (url: string) => Promise<void>): Promise<void> {
  count++;
  const name = `redis-${Deno.pid}-${count}`;
  // Below the run's folder, so that the runner can clean up after a kill.
  const parent = Deno.env.get("TEST_DATA_DIR");
  const place = await chooseLocalPlace(
    parent === undefined ? { name } : { dataDir: join(parent, name) },
  );
  const server = await startRedis({
    ...place,
    durable: false,
    path: Deno.env.get("PATH") ?? "",
    say: () => {},
    hooks: {},
  });
  try {
    await use(server.url);
  } finally {
    await server.process?.stop();
    await Deno.remove(place.dataDir, { recursive: true });
  }
}
