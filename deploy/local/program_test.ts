import assert from "node:assert/strict";
import { join } from "node:path";
import { findOnPath, lastLine, runProgram } from "./program.ts";
import { SetupError } from "./setup_error.ts";

Deno.test("runProgram() collects the output and the exit code", async () => {
  const result = await runProgram("/bin/sh", ["-c", "echo out; echo err >&2; exit 3"]);
  assert.deepEqual(result, { ok: false, code: 3, stdout: "out\n", stderr: "err\n" });
  assert.equal(lastLine(result), "err");
});

Deno.test("runProgram() answers for a program that does not exist", async () => {
  const result = await runProgram("/nonexistent/program", []);
  assert.equal(result.ok, false);
  assert.equal(result.code, -1);
});

Deno.test("runProgram() ends a program that exceeds its bound", async () => {
  const result = await runProgram("/bin/sleep", ["30"], { timeoutMs: 50 });
  assert.equal(result.ok, false);
  assert.equal(lastLine(result), "/bin/sleep did not end within 50 ms");
});

Deno.test("runProgram() throws when the set-up is stopped, before and during the run", async () => {
  const stop = new AbortController();
  const running = runProgram("/bin/sleep", ["30"], { signal: stop.signal });
  stop.abort();
  await assert.rejects(running, SetupError);
  await assert.rejects(runProgram("/bin/true", [], { signal: stop.signal }), SetupError);
});

Deno.test("findOnPath() prefers the first name and skips what cannot be executed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [first, second] = [join(folder, "a"), join(folder, "b")];
    await Deno.mkdir(first);
    await Deno.mkdir(second);
    await Deno.writeTextFile(join(first, "redis-server"), "", { mode: 0o644 });
    await Deno.writeTextFile(join(first, "valkey-server"), "", { mode: 0o755 });
    const path = `${first}::/nonexistent:${second}`;
    const names = ["redis-server", "valkey-server"];
    assert.equal(findOnPath(names, path), join(first, "valkey-server"));
    await Deno.writeTextFile(join(second, "redis-server"), "", { mode: 0o755 });
    assert.equal(findOnPath(names, path), join(second, "redis-server"));
    assert.equal(findOnPath(["other"], path), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
