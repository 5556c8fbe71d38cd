import assert from "node:assert/strict";
import { join } from "node:path";
import { describeExit, KeptProcess, type ProcessEvent, type ProcessSpec } from "./kept_process.ts";
import { identityOf, isRunning } from "./process_identity.ts";
import { pause } from "./waiting.ts";

const BOUND_MS = 10_000;

/** A shell script that runs until it is stopped and is ready at once. */
function shell(script: string, changes: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    name: "child",
    kind: "service",
    command: "/bin/sh",
    args: ["-c", script],
    stopSignal: "SIGTERM",
    stopTimeoutMs: BOUND_MS,
    hastenSignal: "SIGKILL",
    readyTimeoutMs: BOUND_MS,
    isReady: () => Promise.resolve(true),
    ...changes,
  };
}

class Watch {
  readonly events: ProcessEvent[] = [];
  readonly lines: string[] = [];
  readonly hooks = {
    onEvent: (event: ProcessEvent) => void this.events.push(event),
    onLine: (_name: string, line: string) => void this.lines.push(line),
  };

  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + BOUND_MS;
    while (!condition()) {
      assert.ok(performance.now() < deadline, `not within ${BOUND_MS} ms`);
      await pause(5);
    }
  }

  types(): string[] {
    return this.events.map((event) => event.type);
  }
}

Deno.test("KeptProcess.start() waits until the child is ready, stop() ends it", async () => {
  const watch = new Watch();
  const ready = () => Promise.resolve(watch.lines.includes("up"));
  const child = new KeptProcess(shell("echo up; exec sleep 30", { isReady: ready }), watch.hooks);
  await child.start();
  assert.equal(child.isReady, true);
  const { pid } = child;
  assert.ok(pid !== undefined);
  const identity = identityOf(pid);
  assert.ok(identity !== undefined);
  await child.stop();
  assert.equal(child.pid, undefined);
  assert.equal(child.isReady, false);
  assert.equal(isRunning(identity), false);
  assert.deepEqual(watch.types(), ["started", "ready", "exit"]);
  const exit = watch.events[2];
  assert.deepEqual(exit, {
    type: "exit",
    name: "child",
    pid,
    code: 143,
    signal: "SIGTERM",
    expected: true,
  });
});

Deno.test("KeptProcess.start() tells the last lines of a child that ends early", async () => {
  const child = new KeptProcess(shell("echo first; echo 'port is taken' >&2; exit 3", {
    isReady: () => Promise.resolve(false),
  }));
  await assert.rejects(child.start(), (error: Error) => {
    assert.match(
      error.message,
      /^Cannot start child: it ended before it was ready \(exit code 3\)/,
    );
    assert.match(error.message, /port is taken/);
    return true;
  });
  assert.equal(child.pid, undefined);
  await child.stop();
});

Deno.test("KeptProcess.start() ends a child that is not ready in time and tells why", async () => {
  const watch = new Watch();
  const child = new KeptProcess(
    shell("exec sleep 30", {
      readyTimeoutMs: 60,
      isReady: () => Promise.reject(new Error("answers 503")),
    }),
    watch.hooks,
  );
  await assert.rejects(child.start(), /was not ready within 0 s \(answers 503\)/);
  assert.deepEqual(watch.types(), ["started", "exit"]);
  await child.stop();
});

Deno.test("KeptProcess.start() rejects for a program that cannot be executed", async () => {
  const child = new KeptProcess(shell("", { command: "/nonexistent/program" }));
  await assert.rejects(child.start(), /Cannot start child: it cannot be executed/);
  await child.stop();
});

Deno.test("KeptProcess starts a crashed child again with another process id", async () => {
  const watch = new Watch();
  const child = new KeptProcess(shell("exec sleep 30"), watch.hooks);
  await child.start();
  const firstPid = child.pid;
  assert.equal(child.kill("SIGKILL"), true);
  await watch.until(() => watch.types().filter((type) => type === "ready").length === 2);
  assert.notEqual(child.pid, firstPid);
  await child.stop();
  assert.deepEqual(watch.types(), [
    "started",
    "ready",
    "exit",
    "restart",
    "started",
    "ready",
    "exit",
  ]);
  assert.deepEqual(watch.events[3], { type: "restart", name: "child", delayMs: 250 });
  assert.equal(child.kill("SIGTERM"), false);
});

Deno.test("KeptProcess.stop() during the back-off starts nothing any more", async () => {
  const watch = new Watch();
  const child = new KeptProcess(shell("exec sleep 30"), watch.hooks);
  await child.start();
  child.kill("SIGKILL");
  await watch.until(() => watch.types().includes("restart"));
  await child.stop();
  assert.deepEqual(watch.types(), ["started", "ready", "exit", "restart"]);
});

Deno.test("KeptProcess.stop() during the first start makes start() reject", async () => {
  const child = new KeptProcess(shell("exec sleep 30", { isReady: () => Promise.resolve(false) }));
  const starting = child.start();
  const stopping = child.stop();
  await assert.rejects(starting, /was stopped before it was ready/);
  await stopping;
  assert.equal(child.pid, undefined);
});

Deno.test("KeptProcess.stop() kills a child that does not stop by its deadline", async () => {
  const watch = new Watch();
  const child = new KeptProcess(
    shell("trap '' TERM; echo up; while :; do sleep 1; done", {
      stopTimeoutMs: 50,
      isReady: () => Promise.resolve(watch.lines.includes("up")),
    }),
    watch.hooks,
  );
  await child.start();
  await child.stop();
  const exit = watch.events.at(-1);
  assert.ok(exit?.type === "exit");
  assert.equal(exit.signal, "SIGKILL");
});

Deno.test("KeptProcess.hasten() cuts a long stop short, and does nothing before it", async () => {
  const watch = new Watch();
  const child = new KeptProcess(
    shell("trap '' TERM; echo up; while :; do sleep 1; done", {
      isReady: () => Promise.resolve(watch.lines.includes("up")),
    }),
    watch.hooks,
  );
  await child.start();
  child.hasten();
  assert.notEqual(child.pid, undefined);
  const stopping = child.stop();
  child.hasten();
  await stopping;
  assert.deepEqual(watch.types(), ["started", "ready", "exit"]);
});

Deno.test("KeptProcess survives a listener that throws", async () => {
  const lines: string[] = [];
  const child = new KeptProcess(shell("exec sleep 30"), {
    onEvent: () => {
      throw new Error("listener");
    },
    onLine: (_name, line) => void lines.push(line),
  });
  await child.start();
  await child.stop();
  assert.deepEqual(lines, [
    "listener failed: listener",
    "listener failed: listener",
    "listener failed: listener",
  ]);
});

Deno.test("KeptProcess gives the child its input, folder and environment", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    const watch = new Watch();
    const child = new KeptProcess(
      shell('read line; echo "$line $COLOUR"; pwd; exec sleep 30', {
        input: "hello\n",
        env: { COLOUR: "green" },
        cwd: folder,
        isReady: () => Promise.resolve(watch.lines.length === 2),
      }),
      watch.hooks,
    );
    await child.start();
    await child.stop();
    assert.deepEqual(watch.lines, ["hello green", join(folder)]);
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("describeExit() prefers the signal", () => {
  assert.equal(describeExit({ code: 137, signal: "SIGKILL" }), "signal SIGKILL");
  assert.equal(describeExit({ code: 2, signal: null }), "exit code 2");
});
