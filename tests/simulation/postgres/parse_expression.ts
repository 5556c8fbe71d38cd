/** Expressions by precedence climbing (Postgres manual, 4.1.6 Operator Precedence). */
import type { Expression, Select } from "./ast.ts";
import type { TokenReader } from "./token_reader.ts";

/** Reads a sub-select; given by the statement parser, which is built on this one. */
export type ReadSelect = (reader: TokenReader) => Select;

const COMPARISONS = ["=", "<>", "!=", "<", "<=", ">", ">="];
const MS_OF_UNIT: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

export class ExpressionParser {
  readonly #reader: TokenReader;
  readonly #readSelect: ReadSelect;

  constructor(reader: TokenReader, readSelect: ReadSelect) {
    this.#reader = reader;
    this.#readSelect = readSelect;
  }

  read(): Expression {
    let left = this.#and();
    while (this.#reader.take("or")) left = binary("or", left, this.#and());
    return left;
  }

  list(): Expression[] {
    const list = [this.read()];
    while (this.#reader.take(",")) list.push(this.read());
    return list;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#reader.take("and")) left = binary("and", left, this.#not());
    return left;
  }

  #not(): Expression {
    if (this.#reader.take("not")) return { kind: "not", operand: this.#not() };
    return this.#comparison();
  }

  #comparison(): Expression {
    const reader = this.#reader;
    const left = this.#sum();
    if (reader.take("is")) return this.#is(left);
    const isNegated = reader.isAt("not", "in") || reader.isAt("not", "between");
    if (isNegated) reader.next();
    if (reader.take("in")) return this.#in(left, isNegated);
    if (reader.take("between")) {
      const low = this.#sum();
      reader.expect("and");
      const inside = binary("and", binary(">=", left, low), binary("<=", left, this.#sum()));
      return isNegated ? { kind: "not", operand: inside } : inside;
    }
    if (reader.take("~")) return binary("~", left, this.#sum());
    if (reader.take("like")) return binary("like", left, this.#sum());
    const op = COMPARISONS.find((mark) => reader.isAt(mark));
    if (op === undefined) return left;
    reader.next();
    if (reader.take("any")) {
      reader.expect("(");
      const array: Expression = reader.isAt("select")
        ? { kind: "array_of", select: this.#readSelect(reader) }
        : this.read();
      reader.expect(")");
      return { kind: "any", op, left, array };
    }
    return binary(op === "!=" ? "<>" : op, left, this.#sum());
  }

  #is(left: Expression): Expression {
    const reader = this.#reader;
    const isNegated = reader.take("not");
    if (reader.take("null")) return { kind: "is_null", operand: left, isNegated };
    if (reader.take("distinct", "from")) {
      return { kind: "distinct", left, right: this.#sum(), isNegated };
    }
    const value = reader.take("true") ? true : reader.take("false") ? false : undefined;
    if (value === undefined) throw reader.unknown();
    const right: Expression = { kind: "literal", value };
    return { kind: "distinct", left, right, isNegated: !isNegated };
  }

  #in(left: Expression, isNegated: boolean): Expression {
    const reader = this.#reader;
    reader.expect("(");
    if (reader.isAt("select")) {
      const array: Expression = { kind: "array_of", select: this.#readSelect(reader) };
      reader.expect(")");
      const found: Expression = { kind: "any", op: "=", left, array };
      return isNegated ? { kind: "not", operand: found } : found;
    }
    const list = this.list();
    reader.expect(")");
    return { kind: "in", left, list, isNegated };
  }

  #sum(): Expression {
    let left = this.#product();
    for (let op = this.#op(["+", "-", "||", "->>", "->"]); op !== undefined;) {
      left = binary(op, left, this.#product());
      op = this.#op(["+", "-", "||", "->>", "->"]);
    }
    return left;
  }

  #product(): Expression {
    let left = this.#unary();
    for (let op = this.#op(["*", "/", "%"]); op !== undefined; op = this.#op(["*", "/", "%"])) {
      left = binary(op, left, this.#unary());
    }
    return left;
  }

  #op(ops: readonly string[]): string | undefined {
    const op = ops.find((mark) => this.#reader.isAt(mark));
    if (op !== undefined) this.#reader.next();
    return op;
  }

  #unary(): Expression {
    if (this.#reader.take("-")) return { kind: "negate", operand: this.#unary() };
    let operand = this.#primary();
    for (;;) {
      if (this.#reader.take("::")) {
        operand = { kind: "cast", operand, type: this.#type() };
      } else if (this.#reader.take("at", "time", "zone")) {
        // The double's times have no zone: all are UTC.
        if (this.#reader.next().value !== "UTC") throw this.#reader.unknown();
      } else return operand;
    }
  }

  #type(): string {
    let type = this.#reader.name();
    if (type === "double") {
      this.#reader.expect("precision");
      type = "float8";
    }
    if (this.#reader.take("[", "]")) type += "[]";
    return type;
  }

  #primary(): Expression {
    const reader = this.#reader;
    const token = reader.next();
    if (token.kind === "text") return { kind: "literal", value: token.value };
    if (token.kind === "number") return { kind: "literal", value: Number(token.value) };
    if (token.kind === "parameter") return { kind: "parameter", index: Number(token.value) - 1 };
    if (token.kind === "mark" && token.value === "(") {
      if (reader.isAt("select")) {
        const select = this.#readSelect(reader);
        reader.expect(")");
        return { kind: "scalar", select };
      }
      const inner = this.read();
      reader.expect(")");
      return inner;
    }
    if (token.kind === "name") return this.#column(token.value);
    if (token.kind !== "word") throw reader.unknown(token);
    return this.#word(token.value);
  }

  #word(word: string): Expression {
    const reader = this.#reader;
    switch (word) {
      case "null":
        return { kind: "literal", value: null };
      case "true":
      case "false":
        return { kind: "literal", value: word === "true" };
      case "interval":
        return { kind: "literal", value: intervalMs(reader), type: "interval" };
      case "case":
        return this.#case();
      case "exists": {
        reader.expect("(");
        const select = this.#readSelect(reader);
        reader.expect(")");
        return { kind: "exists", select };
      }
      case "array":
        return this.#array();
      case "extract": {
        reader.expect("(", "epoch", "from");
        const operand = this.read();
        reader.expect(")");
        return { kind: "call", name: "extract_epoch", args: [operand], isStar: false };
      }
    }
    return reader.take("(") ? this.#call(word) : this.#column(word);
  }

  #column(name: string): Expression {
    if (!this.#reader.take(".")) return { kind: "column", name };
    return { kind: "column", table: name, name: this.#reader.name() };
  }

  #call(name: string): Expression {
    const reader = this.#reader;
    if (reader.take("*")) {
      reader.expect(")");
      return { kind: "call", name, args: [], isStar: true };
    }
    const args = reader.isAt(")") ? [] : this.list();
    reader.expect(")");
    return { kind: "call", name, args, isStar: false };
  }

  #array(): Expression {
    const reader = this.#reader;
    if (reader.take("(")) {
      const select = this.#readSelect(reader);
      reader.expect(")");
      return { kind: "array_of", select };
    }
    reader.expect("[");
    const items = reader.isAt("]") ? [] : this.list();
    reader.expect("]");
    return { kind: "array", items };
  }

  #case(): Expression {
    const reader = this.#reader;
    const operand = reader.isAt("when") ? undefined : this.read();
    const whens: { when: Expression; then: Expression }[] = [];
    while (reader.take("when")) {
      const when = this.read();
      reader.expect("then");
      whens.push({ when, then: this.read() });
    }
    const otherwise = reader.take("else") ? this.read() : undefined;
    reader.expect("end");
    return {
      kind: "case",
      whens,
      ...(operand === undefined ? {} : { operand }),
      ...(otherwise === undefined ? {} : { otherwise }),
    };
  }
}

function binary(op: string, left: Expression, right: Expression): Expression {
  return { kind: "binary", op, left, right };
}

function intervalMs(reader: TokenReader): number {
  const text = reader.next().value;
  const match = /^(\d+) ?([a-z]+?)s?$/.exec(text) ?? /^(\d+)(s)$/.exec(text);
  const unitMs = MS_OF_UNIT[match?.[2] ?? ""];
  if (match === null || unitMs === undefined) throw reader.unknown();
  return Number(match[1]) * unitMs;
}
