import assert from "node:assert/strict";
import { join } from "node:path";
import { tailOf, withLog } from "./log_file.ts";

Deno.test("withLog() appends all output to the file, which tailOf() reads from its end", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "a log");
    assert.deepEqual(await tailOf(file), []);
    for (const script of ["seq 1 5000", "echo out; echo err >&2"]) {
      const { command, args } = withLog(file, "/bin/sh", ["-c", script]);
      assert.equal((await new Deno.Command(command, { args }).output()).success, true);
    }
    assert.deepEqual(await tailOf(file), ["4998", "4999", "5000", "out", "err"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
