/** Cuts a Lua script into tokens (Lua 5.1 manual, 2.1), as far as the product's scripts need. */

export interface LuaToken {
  readonly kind: "name" | "number" | "text" | "mark" | "end";
  readonly value: string;
}

const PATTERNS: readonly (readonly [LuaToken["kind"] | "skip", RegExp])[] = [
  ["skip", /\s+|--[^\n]*/y],
  ["number", /\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/y],
  ["name", /[A-Za-z_][A-Za-z_0-9]*/y],
  ["text", /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/y],
  ["mark", /\.\.|==|~=|<=|>=|[-+*/%#=<>(){}[\],.;:]/y],
];
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", 0: "\0" };

/** Thrown for Lua that the double does not know. */
export class UnknownLuaError extends Error {
  override readonly name = "UnknownLuaError";

  constructor(what: string) {
    super(`the simulated Redis (tests/simulation/redis) does not know ${what} in Lua`);
  }
}

export function luaTokens(script: string): LuaToken[] {
  const tokens: LuaToken[] = [];
  for (let at = 0; at < script.length;) {
    const found = matchAt(script, at);
    if (found === undefined) throw new UnknownLuaError(`"${script.slice(at, at + 20)}"`);
    const [kind, value] = found;
    at += value.length;
    if (kind === "text") {
      const inner = value.slice(1, -1);
      tokens.push({
        kind,
        value: inner.replaceAll(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped),
      });
    } else if (kind !== "skip") tokens.push({ kind, value });
  }
  tokens.push({ kind: "end", value: "" });
  return tokens;
}

function matchAt(
  script: string,
  at: number,
): readonly [LuaToken["kind"] | "skip", string] | undefined {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const match = pattern.exec(script);
    if (match !== null) return [kind, match[0]];
  }
  return undefined;
}
