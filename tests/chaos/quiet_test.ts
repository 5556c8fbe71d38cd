import { runFault, RUNS_ALL } from "./run_fault.ts";

Deno.test({
  name: "no promise is broken where nothing goes wrong",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({ name: "none", inject: () => Promise.resolve({}) });
  },
});
