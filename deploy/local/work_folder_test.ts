import assert from "node:assert/strict";
import { join } from "node:path";
import { finishWorkFolder, makeWorkFolder } from "./work_folder.ts";

Deno.test("makeWorkFolder() removes those of dead processes and keeps those of live ones", async () => {
  const programsDir = await Deno.makeTempDir();
  try {
    const dead = join(programsDir, `redis.new-${2 ** 22 + 1}`);
    const live = join(programsDir, `redis.new-${Deno.ppid}`);
    for (const folder of [dead, live, join(programsDir, "redis")]) await Deno.mkdir(folder);
    const folder = await makeWorkFolder(programsDir, "postgres");
    const names = [...Deno.readDirSync(programsDir)].map((entry) => entry.name).sort();
    assert.deepEqual(names, [`postgres.new-${Deno.pid}`, "redis", `redis.new-${Deno.ppid}`].sort());
    await finishWorkFolder(folder, join(programsDir, "postgres"));
    // The quicker run's folder stays.
    const second = await makeWorkFolder(programsDir, "postgres");
    await Deno.writeTextFile(join(second, "late"), "");
    await finishWorkFolder(second, join(programsDir, "postgres"));
    assert.deepEqual([...Deno.readDirSync(join(programsDir, "postgres"))], []);
  } finally {
    await Deno.remove(programsDir, { recursive: true });
  }
});

Deno.test("makeWorkFolder() leaves what this process prepares under another name", async () => {
  const dir = await Deno.makeTempDir({ prefix: "hexmile-work-" });
  try {
    const redis = await makeWorkFolder(dir, "redis");
    const postgres = await makeWorkFolder(dir, "postgres");
    assert.ok((await Deno.stat(redis)).isDirectory);
    assert.ok((await Deno.stat(postgres)).isDirectory);
    assert.equal(await makeWorkFolder(dir, "redis"), redis);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
