import assert from "node:assert/strict";
import { SetupError } from "../setup_error.ts";
import { parseDemoOptions } from "./options.ts";

Deno.test("parseDemoOptions() has defaults for everything", () => {
  assert.deepEqual(parseDemoOptions([]), {
    port: 8080,
    city: "data/gothenburg",
    speed: 10,
    data: undefined,
    once: false,
    kill: undefined,
    fresh: false,
    verbose: false,
    reload: false,
  });
});

Deno.test("parseDemoOptions() refuses with one sentence that has the bound and the value", () => {
  const refused: [string[], RegExp][] = [
    [["--port", "0"], /--port must be a whole number from 1 to 65530: it is 0\./],
    [["--port", "80a"], /--port must be a whole number/],
    [["--speed", "1000"], /--speed must be a number from 1 to 100: it is 1000\./],
    [["--once", "--kill", "nothing"], /--kill must be one of gateway, .*: it is nothing\./],
    [["--kill", "matcher"], /--kill needs --once/],
    [["--wat"], /wat.*see deno task demo --help/],
  ];
  for (const [args, message] of refused) {
    assert.throws(() => parseDemoOptions(args), (error: unknown) => {
      assert.ok(error instanceof SetupError);
      assert.match(error.message, message);
      return true;
    });
  }
});
