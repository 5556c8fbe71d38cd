/**
 * A Redis for simulations: strings, hashes, sorted sets, streams with groups, and scripts.
 *
 * Contract (the suite in ../contract runs on this and on the real server): commands and scripts run
 * one after another, each as a whole. Nothing waits by itself: a blocking read that finds nothing
 * answers `BLOCKED`, and whoever runs the server asks again. A command that is not known here
 * throws `UnknownCommandError` instead of guessing.
 */
import { createHash } from "node:crypto";
import { runLua } from "./lua.ts";
import { streamCommand } from "./stream_commands.ts";
import type { Stream } from "./stream.ts";

export type Stored =
  | { readonly kind: "string"; value: string }
  | { readonly kind: "hash"; readonly fields: Map<string, string> }
  | { readonly kind: "zset"; readonly scores: Map<string, number> }
  | { readonly kind: "stream"; readonly stream: Stream };

/** An error that the server answers. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** A command that the double does not know. */
export class UnknownCommandError extends Error {
  override readonly name = "UnknownCommandError";

  constructor(what: string) {
    super(`the simulated Redis (tests/simulation/redis) does not know ${what}`);
  }
}

/** The answer of a blocking read that has to wait. */
export const BLOCKED = Symbol("blocked");

export type Listener = (command: string, args: readonly string[]) => void;

export class RedisServer {
  readonly #now: () => number;
  readonly #rewrite: (script: string) => string;
  readonly #listeners: Listener[] = [];
  #keys = new Map<string, Stored>();
  #scripts = new Map<string, string>();

  /**
   * @param now the server's clock, milliseconds since 1970
   * @param rewrite bends scripts before they run, to see whether that is noticed
   */
  constructor(now: () => number, rewrite: (script: string) => string = (script) => script) {
    this.#now = now;
    this.#rewrite = rewrite;
  }

  nowMs(): number {
    return this.#now();
  }

  /** Calls back before each command, also those inside scripts. */
  onCommand(listen: Listener): void {
    this.#listeners.push(listen);
  }

  /** Everything is gone, as after FLUSHALL or a restart without its file. */
  wipe(): void {
    this.#keys = new Map();
    this.#scripts = new Map();
  }

  /** A copy of all data: what a replica or the append-only file has. */
  backup(): Map<string, Stored> {
    return structuredClone(this.#keys);
  }

  /** Goes back to a copy, as after a failover or a crash that lost the last writes. */
  restore(backup: Map<string, Stored>): void {
    this.#keys = structuredClone(backup);
    this.#scripts = new Map();
  }

  get(key: string): Stored | undefined {
    return this.#keys.get(key);
  }

  set(key: string, value: Stored): void {
    this.#keys.set(key, value);
  }

  /** @throws ReplyError what the server answers, UnknownCommandError for what the double lacks. */
  execute(command: string, args: readonly string[]): unknown {
    const name = command.toLowerCase();
    for (const listen of this.#listeners) listen(name, args);
    if (name.startsWith("x")) return streamCommand(this, name, args);
    switch (name) {
      case "eval":
        this.#scripts.set(digestOf(args[0] ?? ""), args[0] ?? "");
        return this.#script(args[0] ?? "", args);
      case "evalsha": {
        const script = this.#scripts.get(args[0] ?? "");
        if (script === undefined) throw new ReplyError("NOSCRIPT No matching script.");
        return this.#script(script, args);
      }
      case "time":
        return [
          String(Math.floor(this.#now() / 1_000)),
          String(Math.floor(this.#now() % 1_000 * 1_000)),
        ];
      case "ping":
        return "PONG";
      case "flushall":
        this.wipe();
        return "OK";
      default:
        return this.#keyCommand(name, args);
    }
  }

  #script(script: string, [, count = "0", ...rest]: readonly string[]): unknown {
    const keys = rest.slice(0, Number(count));
    const args = rest.slice(Number(count));
    return runLua(
      this.#rewrite(script),
      keys,
      args,
      (command, inner) => this.execute(command, inner),
    );
  }

  #keyCommand(name: string, args: readonly string[]): unknown {
    const [key = "", ...rest] = args;
    switch (name) {
      case "get": {
        const stored = this.#keys.get(key);
        return stored?.kind === "string" ? stored.value : null;
      }
      case "set":
        this.#keys.set(key, { kind: "string", value: rest[0] ?? "" });
        return "OK";
      case "exists":
        return this.#keys.has(key) ? 1 : 0;
      case "del":
        return args.filter((each) => this.#keys.delete(each)).length;
      case "expire":
        // No simulation lasts as long as the shortest lifetime.
        return this.#keys.has(key) ? 1 : 0;
      case "geoadd":
      case "zadd":
      case "zrem":
      case "zmscore":
      case "zrangebyscore":
        return this.#sortedSet(name, key, rest);
      default:
        return this.#hash(name, key, rest);
    }
  }

  #hash(name: string, key: string, args: readonly string[]): unknown {
    const stored = this.#keys.get(key);
    if (stored !== undefined && stored.kind !== "hash") throw wrongType();
    const fields = stored?.fields ?? new Map<string, string>();
    switch (name) {
      case "hget":
        return fields.get(args[0] ?? "") ?? null;
      case "hmget":
        return args.map((field) => fields.get(field) ?? null);
      case "hgetall":
        return [...fields].flat();
      case "hset":
      case "hsetnx": {
        if (name === "hsetnx" && fields.has(args[0] ?? "")) return 0;
        let added = 0;
        for (let at = 0; at + 1 < args.length; at += 2) {
          if (!fields.has(args[at] ?? "")) added++;
          fields.set(args[at] ?? "", args[at + 1] ?? "");
        }
        this.#keys.set(key, { kind: "hash", fields });
        return added;
      }
      case "hscan":
        // All at once, as Redis may too.
        return ["0", [...fields].flat()];
      case "hdel": {
        const removed = args.filter((field) => fields.delete(field)).length;
        return removed;
      }
      default:
        throw new UnknownCommandError(`${name} ${args.join(" ").slice(0, 100)}`);
    }
  }

  #sortedSet(name: string, key: string, args: readonly string[]): unknown {
    const stored = this.#keys.get(key);
    if (stored !== undefined && stored.kind !== "zset") throw wrongType();
    const scores = stored?.scores ?? new Map<string, number>();
    if (name === "zrem") return args.filter((member) => scores.delete(member)).length;
    if (name === "zmscore") return args.map((member) => scores.get(member)?.toString() ?? null);
    if (name === "zrangebyscore") {
      const bound = args[1] === "+inf" ? Infinity : Number(args[1]);
      return [...scores].filter(([, score]) => score <= bound).sort(([, a], [, b]) => a - b)
        .map(([member]) => member);
    }
    // The place itself has no meaning here: only who is in the index.
    const isNew = args[0] === "NX";
    const [score = "0", member = ""] = name === "geoadd"
      ? ["0", args[2]]
      : args.slice(isNew ? 1 : 0);
    const isKnown = scores.has(member);
    if (!(isNew && isKnown)) scores.set(member, Number(score));
    this.#keys.set(key, { kind: "zset", scores });
    return isKnown ? 0 : 1;
  }
}

export function wrongType(): ReplyError {
  return new ReplyError("WRONGTYPE Operation against a key holding the wrong kind of value");
}

function digestOf(script: string): string {
  return createHash("sha1").update(script).digest("hex");
}
