import assert from "node:assert/strict";
import { join } from "node:path";
import {
  canReach,
  chooseLocalPlace,
  findUser,
  mayEnter,
  serverUser,
  shortHash,
} from "./data_dir.ts";
import { SetupError } from "./setup_error.ts";

const STRANGER = { uid: 65_533, gid: 65_533 };

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "hexmile-place-" });
  try {
    await Deno.chmod(folder, 0o755);
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("findUser() reads the ids of a user and passes over broken lines", () => {
  const passwd = "root:x:0:0::/root:/bin/sh\nnobody:x::1:\nnobody:x:65534:65533::/:/x\n";
  assert.deepEqual(findUser(passwd, "nobody"), { uid: 65534, gid: 65533 });
  assert.equal(findUser(passwd, "postgres"), undefined);
});

Deno.test("serverUser() gives an ordinary user no other user", async () => {
  assert.equal(await serverUser(1000), undefined);
});

Deno.test("mayEnter() uses the x bit of the first class that matches", () => {
  const folder = (mode: number, uid: number, gid: number) => ({ mode, uid, gid });
  assert.equal(mayEnter(folder(0o755, 0, 0), STRANGER), true);
  assert.equal(mayEnter(folder(0o700, 0, 0), STRANGER), false);
  assert.equal(mayEnter(folder(0o710, 0, STRANGER.gid), STRANGER), true);
  assert.equal(mayEnter(folder(0o701, 0, STRANGER.gid), STRANGER), false);
  assert.equal(mayEnter(folder(0o077, STRANGER.uid, 0), STRANGER), false);
});

Deno.test("canReach() looks at every folder above, not only the last", async () => {
  await withFolder(async (folder) => {
    const inner = join(folder, "closed", "open");
    await Deno.mkdir(inner, { recursive: true });
    await Deno.chmod(inner, 0o755);
    await Deno.chmod(join(folder, "closed"), 0o755);
    assert.equal(await canReach(inner, STRANGER), true);
    await Deno.chmod(join(folder, "closed"), 0o700);
    assert.equal(await canReach(inner, STRANGER), false);
  });
});

Deno.test("chooseLocalPlace() stays in the project when the servers' user can go there", async () => {
  await withFolder(async (projectDir) => {
    const place = await chooseLocalPlace({ projectDir, user: STRANGER, name: "demo" });
    assert.equal(place.dataDir, join(projectDir, ".hexmile", "demo"));
    assert.equal(place.programsDir, join(projectDir, ".hexmile", "programs"));
    assert.equal(place.note, undefined);
    assert.equal(((await Deno.stat(place.dataDir)).mode ?? 0) & 0o777, 0o755);
  });
});

Deno.test("chooseLocalPlace() moves to /var/tmp when the project is closed, and says so", async () => {
  await withFolder(async (projectDir) => {
    await Deno.chmod(projectDir, 0o700);
    const expected = `/var/tmp/hexmile-${shortHash(projectDir)}`;
    try {
      const place = await chooseLocalPlace({ projectDir, user: STRANGER });
      assert.equal(place.baseDir, expected);
      assert.match(place.note ?? "", new RegExp(`${expected}.*cannot enter ${projectDir}`));
      // The second time the folder exists and is accepted as ours.
      await chooseLocalPlace({ projectDir, user: STRANGER });
      await Deno.chmod(expected, 0o777);
      await assert.rejects(chooseLocalPlace({ projectDir, user: STRANGER }), SetupError);
    } finally {
      await Deno.remove(expected, { recursive: true });
    }
  });
});

Deno.test("chooseLocalPlace() refuses a chosen data folder that cannot be reached", async () => {
  await withFolder(async (projectDir) => {
    const closed = join(projectDir, "closed");
    await Deno.mkdir(closed);
    await Deno.chmod(closed, 0o700);
    const dataDir = join(closed, "data");
    await assert.rejects(
      chooseLocalPlace({ projectDir, dataDir, user: STRANGER }),
      /^SetupError: The data folder .*closed\/data cannot be reached .* --data\.$/,
    );
  });
});
