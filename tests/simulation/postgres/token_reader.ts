import type { Token } from "./lexer.ts";
import { UnknownSqlError } from "./sql_error.ts";

const END: Token = { kind: "end", value: "" };

/** Walks over tokens; the parsers are built on it. */
export class TokenReader {
  readonly text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[], text: string) {
    this.#tokens = tokens;
    this.text = text;
  }

  peek(ahead = 0): Token {
    return this.#tokens[this.#at + ahead] ?? END;
  }

  next(): Token {
    const token = this.peek();
    this.#at++;
    return token;
  }

  /** Whether these words or marks come next. */
  isAt(...values: readonly string[]): boolean {
    return values.every((value, index) => {
      const token = this.peek(index);
      return (token.kind === "word" || token.kind === "mark") && token.value === value;
    });
  }

  /** Takes these words or marks if all of them come next. */
  take(...values: readonly string[]): boolean {
    if (!this.isAt(...values)) return false;
    this.#at += values.length;
    return true;
  }

  expect(...values: readonly string[]): void {
    if (!this.take(...values)) throw this.unknown();
  }

  /** The next name, quoted or not. */
  name(): string {
    const token = this.next();
    if (token.kind !== "word" && token.kind !== "name") throw this.unknown(token);
    return token.value;
  }

  /** `(a, b, c)` */
  names(): string[] {
    this.expect("(");
    const names = [this.name()];
    while (this.take(",")) names.push(this.name());
    this.expect(")");
    return names;
  }

  /** Passes over `( ... )` with whatever is in it. */
  skipParentheses(): void {
    this.expect("(");
    for (let depth = 1; depth > 0;) {
      const token = this.next();
      if (token.kind === "end") throw this.unknown(token);
      if (token.kind === "mark" && token.value === "(") depth++;
      if (token.kind === "mark" && token.value === ")") depth--;
    }
  }

  unknown(token: Token = this.peek()): UnknownSqlError {
    return new UnknownSqlError(token.kind === "end" ? "the end" : `"${token.value}"`, this.text);
  }
}
