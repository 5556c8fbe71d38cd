/** The product's Redis client on the simulated server: each command is a request to the scheduler. */
import type { Redis } from "shared/redis/connect.ts";
import { type RedisRequest, type RedisWire, WiredRedis } from "../redis/client.ts";
import { BLOCKED, type RedisServer, ReplyError } from "../redis/server.ts";
import { compareEntryIds } from "../redis/stream.ts";
import type { Life } from "./life.ts";
import type { Answer, Fate, Scheduler } from "./scheduler.ts";

/** As `shared/redis/connect.ts` bounds a command. A blocking read has no bound of its own. */
const COMMAND_PATIENCE_MS = 2_000;

export class RedisNetwork {
  readonly server: RedisServer;
  readonly scheduler: Scheduler;
  readonly #random: () => number;
  isDown = false;

  constructor(server: RedisServer, scheduler: Scheduler, random: () => number) {
    this.server = server;
    this.scheduler = scheduler;
    this.#random = random;
  }

  /** Opens a connection for one life of a process. */
  connect(life: Life): Redis {
    const wire: RedisWire = {
      send: (request) => this.#send(life, wire, request),
      cut: () => this.cutWire(wire),
    };
    return new WiredRedis(wire);
  }

  /** All connections end; the data stays, or is what `change` makes of it. */
  restart(downMs: number, change: (server: RedisServer) => void = () => {}): void {
    for (const request of this.scheduler.abandon(isRedis, () => this.#random() < 0.5)) {
      request.settle(closed());
    }
    change(this.server);
    this.isDown = downMs > 0;
    this.scheduler.at(downMs, () => this.isDown = false);
  }

  cutWire(wire: RedisWire): void {
    const isOnWire = ({ connection }: { connection: object }) => connection === wire;
    for (const request of this.scheduler.abandon(isOnWire, () => this.#random() < 0.5)) {
      request.settle(closed());
    }
  }

  #send(life: Life, wire: RedisWire, request: RedisRequest): void {
    const { name, args } = request;
    const blockAt = args.findIndex((arg) => arg.toUpperCase() === "BLOCK");
    const blockMs = name === "xreadgroup" && blockAt !== -1 ? Number(args[blockAt + 1]) : undefined;
    const untilMs = blockMs === undefined ? undefined : this.scheduler.nowMs + blockMs;
    this.scheduler.submit({
      life,
      connection: wire,
      patienceMs: blockMs === undefined ? COMMAND_PATIENCE_MS : Infinity,
      describe: () => `redis ${name} ${args.join(" ").replaceAll(/\s+/g, " ").slice(0, 140)}`,
      // Asking a blocked read again costs nothing and changes nothing.
      canRun: () => untilMs === undefined || this.isDown || this.#hasNews(args),
      ...(untilMs === undefined ? {} : { waitsUntilMs: untilMs }),
      run: (fate) => this.#run(request, fate, untilMs),
      settle: (answer) => {
        if (answer.isOk) request.resolve(answer.value);
        else request.reject(answer.error);
      },
      giveUp: () => ({ isOk: false, error: new Error("Command timed out") }),
    });
  }

  /** Whether a read of new entries would find one (or an error). */
  #hasNews(args: readonly string[]): boolean {
    const at = args.findIndex((arg) => arg.toUpperCase() === "STREAMS");
    const stored = this.server.get(args[at + 1] ?? "");
    const groupAt = args.findIndex((arg) => arg.toUpperCase() === "GROUP");
    if (stored?.kind !== "stream") return true;
    const group = stored.stream.groups.get(args[groupAt + 1] ?? "");
    const newest = stored.stream.entries.at(-1)?.id ?? "0-0";
    return group === undefined || compareEntryIds(newest, group.lastDeliveredId) > 0;
  }

  #run({ name, args }: RedisRequest, fate: Fate, untilMs: number | undefined): Answer | undefined {
    if (this.isDown || fate === "refused") return closed();
    try {
      const reply = this.server.execute(name, args);
      if (reply === BLOCKED) {
        if (untilMs !== undefined && this.scheduler.nowMs < untilMs) return undefined;
        return { isOk: true, value: null };
      }
      return fate === "reply_lost" ? closed() : { isOk: true, value: reply };
    } catch (error) {
      if (error instanceof ReplyError) return { isOk: false, error };
      this.scheduler.fail(error instanceof Error ? error.stack ?? error.message : String(error));
      return closed();
    }
  }
}

function closed(): { readonly isOk: false; readonly error: Error } {
  return { isOk: false, error: new Error("Connection is closed.") };
}

function isRedis({ connection }: { connection: object }): boolean {
  return "cut" in connection;
}
