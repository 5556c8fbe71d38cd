/**
 * Loaded before a service's `main.ts` (`deno run --preload`): signals move its wall clock, as a bad
 * time server or somebody's hand does. The product knows nothing of it. Timers and
 * `performance.now()` keep running as they do on a real machine whose wall clock jumps.
 *
 * SIGUSR2 puts the clock five minutes ahead, SIGHUP five minutes back, SIGWINCH right again. Not
 * SIGUSR1: that one opens the debugger.
 */
const JUMP_MS = 5 * 60_000;
const RealDate = Date;
let aheadMs = 0;

globalThis.Date = new Proxy(RealDate, {
  construct(target, args, newTarget) {
    const time: unknown[] = args.length === 0 ? [target.now() + aheadMs] : args;
    return Reflect.construct(target, time, newTarget) as Date;
  },
  apply: (target) => new target(target.now() + aheadMs).toString(),
  get(target, name) {
    if (name === "now") return () => target.now() + aheadMs;
    return Reflect.get(target, name) as unknown;
  },
});

for (
  const [signal, jumpMs] of [["SIGUSR2", JUMP_MS], ["SIGHUP", -JUMP_MS], ["SIGWINCH", 0]] as const
) {
  Deno.addSignalListener(signal, () => {
    aheadMs = jumpMs;
    console.log(`the clock is moved by ${jumpMs} ms`);
  });
}
