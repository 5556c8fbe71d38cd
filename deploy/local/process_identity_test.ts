import assert from "node:assert/strict";
import { endProcess, identityOf, isRunning, parseProcStat, worksIn } from "./process_identity.ts";

const ON_LINUX = { ignore: Deno.build.os !== "linux" };

Deno.test("parseProcStat() is not misled by a program name with spaces and parentheses", () => {
  const text = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 987654 1 2\n";
  assert.deepEqual(parseProcStat(text), { state: "S", startTicks: "987654" });
  assert.equal(parseProcStat("42 (x) S 1"), undefined);
});

Deno.test("identityOf() is stable for a process and absent for none", () => {
  const own = identityOf(Deno.pid);
  assert.ok(own !== undefined);
  assert.deepEqual(identityOf(Deno.pid), own);
  assert.equal(isRunning(own), true);
  assert.equal(isRunning({ ...own, startedAt: "another time" }), false);
  assert.equal(identityOf(2 ** 22 + 1), undefined);
});

Deno.test("endProcess() ends a process that ignores the polite signal", async () => {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
    stdout: "piped",
    detached: true,
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const identity = identityOf(child.pid);
  assert.ok(identity !== undefined);
  await endProcess(identity, "SIGTERM", 100);
  assert.equal((await child.status).signal, "SIGKILL");
  await reader.cancel();
});

Deno.test("endProcess() never signals a process that only has the same number", async () => {
  const child = new Deno.Command("/bin/sleep", { args: ["30"] }).spawn();
  await endProcess({ pid: child.pid, startedAt: "before" }, "SIGKILL", 100);
  child.kill("SIGTERM");
  assert.equal((await child.status).signal, "SIGTERM");
});

Deno.test("worksIn() knows the folder a process works in", ON_LINUX, async () => {
  assert.equal(worksIn(Deno.pid, await Deno.realPath(Deno.cwd())), true);
  assert.equal(worksIn(Deno.pid, "/proc"), false);
  assert.equal(worksIn(2 ** 22 + 1, "/"), false);
});
