import { type AddressBlock, parseBlock } from "shared/addresses/client_address.ts";
import type { ConfigField, ConfigFields, ConfigRule } from "./config.ts";

/** 32 random hexadecimal characters are 128 bits. */
const MIN_SECRET_CHARACTERS = 32;

interface FieldOptions {
  readonly fallback?: string;
  readonly description: string;
  readonly secret?: boolean;
}

/** A secret of the installation; whoever knows it can forge what it protects. */
export function secretKey(options: FieldOptions): ConfigField<string> {
  return {
    ...options,
    secret: true,
    parse: (raw) =>
      raw.length >= MIN_SECRET_CHARACTERS
        ? { ok: true, value: raw }
        : { ok: false, bound: `must have at least ${MIN_SECRET_CHARACTERS} characters` },
  };
}

/** Any text. */
export function text(options: FieldOptions): ConfigField<string> {
  return { ...options, parse: (raw) => ({ ok: true, value: raw }) };
}

/** A whole number inside `[min, max]`. */
export function integer(
  options: FieldOptions & { min: number; max: number },
): ConfigField<number> {
  const { min, max, ...rest } = options;
  return {
    ...rest,
    parse: (raw) => {
      const value = Number(raw);
      if (/^-?\d+$/.test(raw.trim()) && value >= min && value <= max) return { ok: true, value };
      return { ok: false, bound: `must be a whole number from ${min} to ${max}` };
    },
  };
}

/** A finite number inside `[min, max]`. */
export function decimal(
  options: FieldOptions & { min: number; max: number },
): ConfigField<number> {
  const { min, max, ...rest } = options;
  return {
    ...rest,
    parse: (raw) => {
      const value = Number(raw);
      if (raw.trim() !== "" && value >= min && value <= max) return { ok: true, value };
      return { ok: false, bound: `must be a number from ${min} to ${max}` };
    },
  };
}

/** `true` or `false`. */
export function flag(options: FieldOptions): ConfigField<boolean> {
  return {
    ...options,
    parse: (raw) =>
      raw === "true" || raw === "false"
        ? { ok: true, value: raw === "true" }
        : { ok: false, bound: "must be true or false" },
  };
}

/** One of a closed set of words. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  options: FieldOptions,
): ConfigField<Word> {
  return {
    ...options,
    parse: (raw) => {
      const word = words.find((candidate) => candidate === raw);
      return word === undefined
        ? { ok: false, bound: `must be one of ${words.join(", ")}` }
        : { ok: true, value: word };
    },
  };
}

/** An absolute URL whose scheme is one of `schemes` (without the colon). */
export function url(
  schemes: readonly string[],
  options: FieldOptions,
): ConfigField<string> {
  const bound = `must be a URL that starts with ${schemes.map((s) => `${s}://`).join(" or ")}`;
  return {
    ...options,
    parse: (raw) => {
      if (!URL.canParse(raw)) return { ok: false, bound };
      const scheme = new URL(raw).protocol.slice(0, -1);
      return schemes.includes(scheme) ? { ok: true, value: raw } : { ok: false, bound };
    },
  };
}

/** Words separated by commas, without duplicates; empty text is an empty list. */
export function list(options: FieldOptions): ConfigField<readonly string[]> {
  return {
    ...options,
    parse: (raw) => {
      const words = raw.split(",").map((word) => word.trim()).filter((word) => word !== "");
      return { ok: true, value: [...new Set(words)] };
    },
  };
}

/**
 * Origins of other sites, separated by commas. `*` is refused: with it any page could use the
 * credentials that its visitor's browser holds.
 */
export function origins(options: FieldOptions): ConfigField<readonly string[]> {
  const bound = "must be origins like https://shop.example, separated by commas, and not *";
  const words = list(options);
  return {
    ...options,
    parse: (raw) => {
      const parsed = words.parse(raw);
      if (!parsed.ok) return parsed;
      return parsed.value.every(isOrigin) ? parsed : { ok: false, bound };
    },
  };
}

function isOrigin(text: string): boolean {
  if (text.includes("*") || !URL.canParse(text)) return false;
  const { protocol, origin } = new URL(text);
  return origin === text && (protocol === "https:" || protocol === "http:");
}

/** Address blocks, as `10.0.0.0/8, fd00::/8`. */
export function addressBlocks(options: FieldOptions): ConfigField<readonly AddressBlock[]> {
  const words = list(options);
  return {
    ...options,
    parse: (raw) => {
      const parsed = words.parse(raw);
      if (!parsed.ok) return parsed;
      const blocks = parsed.value.map(parseBlock);
      return blocks.every((block) => block !== undefined)
        ? { ok: true, value: blocks }
        : { ok: false, bound: "must be addresses or blocks like 10.0.0.0/8, separated by commas" };
    },
  };
}

/** Whose word about the client's address is believed. */
export const trustedProxies = addressBlocks({
  fallback: "",
  description:
    "proxies whose X-Forwarded-For is believed, as address blocks separated by commas; empty: none",
});

/** The name under which access tokens are signed and accepted. */
export const tokenIssuer = text({
  fallback: "hexmile",
  description: "issuer of access tokens; the same for every service of an installation",
});

/** What every service listens on and how it logs. */
export function serviceFields(port: number) {
  return {
    HOST: text({ fallback: "127.0.0.1", description: "address to listen on" }),
    PORT: integer({
      fallback: String(port),
      min: 0,
      max: 65535,
      description: "port to listen on; 0 takes a free one",
    }),
    LOG_LEVEL: oneOf(["debug", "info", "warn", "error"], {
      fallback: "info",
      description: "least level that is written",
    }),
    LOG_FORMAT: oneOf(["auto", "json", "pretty"], {
      fallback: "auto",
      description: "auto is pretty on a terminal and JSON lines elsewhere",
    }),
    INSTANCE_ID: text({
      fallback: "1",
      description: "name of this process among those of its service; stable over restarts",
    }),
    HEXMILE_DEMO: flag({
      fallback: "false",
      description: "true only in the demo and tests: allows SPEED other than 1",
    }),
    SPEED: decimal({
      fallback: "1",
      min: 0.1,
      max: 100,
      description: "how much faster simulated couriers and kitchens run (demo only)",
    }),
  } satisfies ConfigFields;
}

/** What every service that reaches Postgres and Redis needs. */
export const storeFields = {
  DATABASE_URL: url(["postgres", "postgresql"], {
    secret: true,
    description: "Postgres 15 or newer",
  }),
  REDIS_URL: url(["redis", "rediss"], {
    secret: true,
    description: "Redis 7.0 or newer, or Valkey",
  }),
  REDIS_KEY_PREFIX: text({
    fallback: "",
    description: "put before every Redis key, so that installations can share a server",
  }),
} satisfies ConfigFields;

/** A faster world outside the demo would quietly loosen the speed bound on real fixes. */
export const speedOnlyInDemo: ConfigRule<ReturnType<typeof serviceFields>> = (config) =>
  config.SPEED === 1 || config.HEXMILE_DEMO
    ? undefined
    : `SPEED must be 1 unless HEXMILE_DEMO is true: current value is ${config.SPEED}`;
