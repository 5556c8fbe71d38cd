/** The whole loop as users start it: real processes, real servers, one order to the door. */
import assert from "node:assert/strict";
import { join } from "node:path";

const PORTS_IN_A_ROW = 6;
/** Below the range from which systems take ports for outgoing connections. */
const FIRST_PORT = 12_000;
const LAST_PORT = 30_000;
const MAX_TRIES = 100;

/** The first of six ports in a row that are free now. */
function freeBasePort(): number {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const base = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const ports = Array.from({ length: PORTS_IN_A_ROW }, (_, index) => base + index);
    if (ports.every(isFree)) return base;
  }
  throw new Error("no six free ports in a row");
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

async function demoOnce(
  name: string,
  ...args: string[]
): Promise<{ code: number; output: string }> {
  const dataDir = Deno.env.get("TEST_DATA_DIR");
  assert.ok(dataDir, "TEST_DATA_DIR must be set: run deno task test:e2e");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "deploy/local/demo/demo.ts",
      "--once",
      "--city=data/gridtown",
      `--port=${freeBasePort()}`,
      `--data=${join(dataDir, name)}`,
      ...args,
    ],
    // The demo starts servers of its own, as on a fresh machine.
    env: { DATABASE_URL: "", REDIS_URL: "" },
    stdin: "null",
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, output };
}

Deno.test("demo --once carries one order from the HTTP request to the door", async () => {
  const { code, output } = await demoOnce("plain", "--speed=6");
  assert.equal(code, 0, output);
  assert.match(output, /ok {3}the order was delivered/);
  assert.match(output, /ok {3}the history draws every fix to within 10 m/);
  assert.doesNotMatch(output, /FAIL/);
});

Deno.test("demo --once --kill each delivers although everything is killed in turn", async () => {
  const { code, output } = await demoOnce("kill-each", "--speed=6", "--kill=each");
  assert.equal(code, 0, output);
  for (const name of ["gateway", "ingest", "tracker", "matcher", "keeper", "simulator"]) {
    assert.match(output, new RegExp(`${name} ended by itself \\(signal SIGKILL\\)`));
  }
  assert.match(output, /redis ended by itself/);
  assert.match(output, /postgres ended by itself/);
  assert.match(output, /Redis is rebuilt after/);
});
