/**
 * Real stores with one thing bent: what a lost reply, a failing statement or a full stream looks
 * like to the code, while everything else still happens on the real server.
 */
import { NOW } from "shared/availability/courier_state.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";

/** Runs before a statement; a throw fails the statement unsent, a promise holds it back. */
export type Interception = (text: string) => Promise<void> | void;

/**
 * The same pool, with statements on it looked at first. Statements inside `begin` are not.
 *
 * Only statements that are awaited directly may be held back: fragments have no text of their own
 * to wait for, so an interception is asked only for statements that `matches` says it wants.
 */
export function sqlWith(sql: Sql, matches: RegExp, intercept: Interception): Sql {
  return new Proxy(sql, {
    apply(target, self, args: unknown[]) {
      const text = textOf(args[0]);
      if (text === undefined || !matches.test(text)) return Reflect.apply(target, self, args);
      return Promise.resolve(intercept(text)).then(() => Reflect.apply(target, self, args));
    },
  });
}

/** The same pool, where the answers to some statements stay under way until `release` resolves. */
export function sqlWithLateAnswers(sql: Sql, matches: RegExp, release: () => Promise<void>): Sql {
  return new Proxy(sql, {
    apply(target, self, args: unknown[]) {
      const text = textOf(args[0]);
      if (text === undefined || !matches.test(text)) return Reflect.apply(target, self, args);
      const statement = Reflect.apply(target, self, args) as Promise<unknown>;
      const late = async () => {
        const answer = await statement;
        await release();
        return answer;
      };
      // Still a statement, for `together`.
      return Object.create(statement, {
        then: {
          value: (...handlers: Parameters<typeof statement.then>) => late().then(...handlers),
        },
      });
    },
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "together" || typeof value !== "function") return value;
      return async (asked: readonly ({ readonly strings: readonly string[] } | undefined)[]) => {
        const answers: unknown = await Reflect.apply(value, target, [asked]);
        const isMeant = asked.some((statement) =>
          statement !== undefined && matches.test(spelled(statement.strings))
        );
        if (isMeant) await release();
        return answers;
      };
    },
  });
}

function textOf(template: unknown): string | undefined {
  if (!Array.isArray(template) || !("raw" in template)) return undefined;
  return spelled(template);
}

function spelled(strings: readonly string[]): string {
  return strings.join("?").replaceAll(/\s+/g, " ").trim();
}

type Command = (...args: unknown[]) => Promise<unknown>;
/** A bent command: receives its arguments and the real command. */
export type Bend = (args: unknown[], real: Command) => Promise<unknown>;

/** The same connection with some commands bent, by their lower-case names. */
export function redisWith(redis: Redis, bends: Readonly<Record<string, Bend>>): Redis {
  return new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const real: Command = (...args) => Reflect.apply(value, target, args) as Promise<unknown>;
      const bend = typeof name === "string" ? bends[name] : undefined;
      return bend === undefined ? real : (...args: unknown[]) => bend(args, real);
    },
  });
}

/** Bends the two commands by which scripts run. */
export function scriptsWith(redis: Redis, bend: Bend): Redis {
  return redisWith(redis, { evalsha: bend, eval: bend });
}

/** The same connection, where scripts that ask Redis for the time are told another one. */
export function redisAt(redis: Redis, nowMs: () => number): Redis {
  return redisWith(redis, {
    evalsha: () => Promise.reject(new Error("NOSCRIPT the text is needed")),
    eval: ([lua, ...args], real) =>
      real(String(lua).replace(NOW, `\nlocal now = ${nowMs()}`), ...args),
  });
}
