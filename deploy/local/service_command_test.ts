import assert from "node:assert/strict";
import { parseTasks, serviceCommand, splitWords } from "./service_command.ts";

const TASKS = parseTasks({
  tasks: {
    gateway: "deno run --no-prompt --allow-net --allow-env=PORT,HOST --deny-ffi " +
      "services/gateway/main.ts --verbose",
    ingest: { description: "positions in", command: "deno run -N 'services/in gest/main.ts'" },
    open: "deno run --allow-net=db:5432 main.ts",
    ok: "deno fmt --check && deno lint",
    group: { description: "only dependencies", dependencies: ["ok"] },
    script: "deno run --allow-net",
  },
});

Deno.test("parseTasks() takes plain commands and described ones", () => {
  assert.deepEqual(Object.keys(TASKS), ["gateway", "ingest", "open", "ok", "script"]);
});

Deno.test("serviceCommand() runs the task's flags with the running Deno", () => {
  assert.deepEqual(serviceCommand(TASKS, "gateway", { execPath: "/x/deno" }), {
    command: "/x/deno",
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-env=PORT,HOST",
      "--deny-ffi",
      "services/gateway/main.ts",
      "--verbose",
    ],
  });
  assert.equal(serviceCommand(TASKS, "gateway").command, Deno.execPath());
});

Deno.test("serviceCommand() narrows only a bare network permission", () => {
  const netHosts = ["127.0.0.1:8080", "127.0.0.1:5432"];
  const scriptArgs = ["--check-config"];
  assert.deepEqual(serviceCommand(TASKS, "ingest", { netHosts, scriptArgs }).args, [
    "run",
    "--allow-net=127.0.0.1:8080,127.0.0.1:5432",
    "services/in gest/main.ts",
    "--check-config",
  ]);
  assert.deepEqual(serviceCommand(TASKS, "open", { netHosts }).args, [
    "run",
    "--allow-net=db:5432",
    "main.ts",
  ]);
});

Deno.test("serviceCommand() says what is wrong with a task it cannot run", () => {
  assert.throws(() => serviceCommand(TASKS, "nothing"), /deno\.json has no task nothing\.$/);
  assert.throws(() => serviceCommand(TASKS, "ok"), /task ok in deno\.json needs a shell \(&\)/);
  assert.throws(() => serviceCommand(TASKS, "script"), /task script in deno\.json names no script/);
  assert.throws(
    () => serviceCommand({ x: "node main.js" }, "x"),
    /task x in deno\.json must begin with deno run: it is node main\.js\.$/,
  );
});

Deno.test("splitWords() splits as the task shell does and refuses what only a shell can do", () => {
  assert.deepEqual(splitWords(` a  "b c"'d' --e="f g" '' '$x' `, "t"), [
    "a",
    "b cd",
    "--e=f g",
    "",
    "$x",
  ]);
  for (const task of ["a | b", "a; b", "a $B", 'a "$B"', "a `b`", "a \\b", "a > b", "a *.ts"]) {
    assert.throws(() => splitWords(task, "t"), /needs a shell/, task);
  }
  assert.throws(() => splitWords("a 'b", "t"), /open quote/);
});
