import assert from "node:assert/strict";
import { join } from "node:path";
import { identityOf } from "./process_identity.ts";
import { alreadyRunning, isInUse, readRunContent, RunRecord } from "./run_record.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function sleeper(): Deno.ChildProcess {
  return new Deno.Command("/bin/sleep", { args: ["60"], detached: true }).spawn();
}

const CHILD = { name: "gateway", kind: "service", stopSignal: "SIGTERM" } as const;

Deno.test("RunRecord keeps children while they run and leaves no file behind", async () => {
  await withFolder(async (folder) => {
    const child = sleeper();
    const record = await RunRecord.open(folder, () => {});
    const spec = { ...CHILD, env: { DATABASE_URL: "postgres://me:secret@host/name" } };
    record.add(spec, child.pid);
    assert.equal((await Deno.readTextFile(join(folder, "run.json"))).includes("secret"), false);
    record.setPorts({ gateway: 8080 });
    const content = await readRunContent(join(folder, "run.json"));
    assert.deepEqual(content, {
      supervisor: identityOf(Deno.pid),
      ports: { gateway: 8080 },
      children: [{ ...CHILD, ...identityOf(child.pid) }],
    });
    assert.equal(await isInUse(folder), true);
    record.remove("gateway");
    assert.deepEqual((await readRunContent(join(folder, "run.json")))?.children, []);
    record.close();
    assert.equal(await readRunContent(join(folder, "run.json")), undefined);
    assert.equal(await isInUse(folder), false);
    child.kill("SIGKILL");
    await child.status;
  });
});

Deno.test("RunRecord.open() refuses a folder that a live run has", async () => {
  await withFolder(async (folder) => {
    const record = await RunRecord.open(folder, () => {});
    record.setPorts({ gateway: 8080, redis: 6390 });
    await assert.rejects(
      RunRecord.open(folder, () => {}),
      (error: Error) => {
        assert.equal(
          error.message,
          `Hexmile is already running as process ${Deno.pid} (gateway on 8080, redis on 6390) ` +
            `with the data in ${folder}: stop it, or choose another --port and --data.`,
        );
        return true;
      },
    );
    record.close();
    (await RunRecord.open(folder, () => {})).close();
  });
});

Deno.test("RunRecord.open() ends what a killed run left, and only that", async () => {
  await withFolder(async (folder) => {
    const [left, bystander] = [sleeper(), sleeper()];
    const content = {
      supervisor: { pid: 1, startedAt: "of a run that is over" },
      ports: {},
      children: [
        { ...CHILD, ...identityOf(left.pid) },
        { ...CHILD, name: "tracker", pid: bystander.pid, startedAt: "of another process" },
      ],
    };
    await Deno.writeTextFile(join(folder, "run.json"), JSON.stringify(content));
    const lines: string[] = [];
    const record = await RunRecord.open(folder, (line) => lines.push(line));
    assert.equal((await left.status).signal, "SIGTERM");
    assert.deepEqual(lines, ["An earlier run was killed; ending what it left: gateway"]);
    assert.ok(identityOf(bystander.pid) !== undefined);
    bystander.kill("SIGKILL");
    await bystander.status;
    record.close();
  });
});

Deno.test("RunRecord.open() passes over a record that cannot be understood", async () => {
  await withFolder(async (folder) => {
    for (const text of ["", "{", '{"children":[{"pid":-1}]}']) {
      await Deno.writeTextFile(join(folder, "run.json"), text);
      (await RunRecord.open(folder, () => {})).close();
    }
  });
});

Deno.test("alreadyRunning() is a sentence also without a record", () => {
  assert.equal(
    alreadyRunning("/data", undefined),
    "Hexmile is already running with the data in /data: stop it, or choose another --port and --data.",
  );
});
