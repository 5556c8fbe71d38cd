/** Cuts SQL text into tokens. */
import { UnknownSqlError } from "./sql_error.ts";

export type TokenKind = "word" | "name" | "text" | "number" | "parameter" | "mark" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** Words in lower case; names and texts without their quotes. */
  readonly value: string;
}

const PATTERNS: readonly (readonly [TokenKind | "skip", RegExp])[] = [
  ["skip", /\s+|--[^\n]*/y],
  ["text", /\$\$[\s\S]*?\$\$/y],
  ["text", /'(?:[^']|'')*'/y],
  ["name", /"(?:[^"]|"")*"/y],
  ["parameter", /\$\d+/y],
  ["number", /\d+(?:\.\d+)?/y],
  ["word", /[A-Za-z_][A-Za-z_0-9]*/y],
  ["mark", /::|->>|->|\|\||<>|!=|<=|>=|!~|[-+*/%=<>(),.;:~[\]]/y],
];

/** The tokens of a text, closed by one of kind "end". @throws UnknownSqlError */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const found = matchAt(text, at);
    if (found === undefined) throw new UnknownSqlError(`"${text.slice(at, at + 20)}"`, text);
    const [kind, value] = found;
    at += value.length;
    if (kind !== "skip") tokens.push({ kind, value: cleaned(kind, value) });
  }
  tokens.push({ kind: "end", value: "" });
  return tokens;
}

function matchAt(text: string, at: number): readonly [TokenKind | "skip", string] | undefined {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return [kind, match[0]];
  }
  return undefined;
}

function cleaned(kind: TokenKind, value: string): string {
  switch (kind) {
    case "word":
      return value.toLowerCase();
    case "name":
      return value.slice(1, -1).replaceAll('""', '"');
    case "text":
      return value.startsWith("$$") ? value.slice(2, -2) : value.slice(1, -1).replaceAll("''", "'");
    case "parameter":
      return value.slice(1);
    default:
      return value;
  }
}
