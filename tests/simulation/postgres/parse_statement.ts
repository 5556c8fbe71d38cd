/** Statements that read and write rows. */
import type {
  Assignment,
  Expression,
  FromItem,
  Insert,
  OnConflict,
  OrderTerm,
  Select,
  SelectItem,
  SqlStatement,
} from "./ast.ts";
import { tokensOf } from "./lexer.ts";
import { ExpressionParser } from "./parse_expression.ts";
import { TokenReader } from "./token_reader.ts";

/** Words that end an item of a list, and so are no alias. */
const CLAUSES = new Set(
  ["from", "where", "order", "limit", "for", "union", "on", "returning", "set", "values", "select"],
);

/** Parses one statement. @throws UnknownSqlError for what the double does not know. */
export function parseStatement(text: string): SqlStatement {
  const reader = new TokenReader(tokensOf(text), text);
  const statement = new StatementParser(reader).statement();
  reader.take(";");
  if (reader.peek().kind !== "end") throw reader.unknown();
  return statement;
}

/** Parses an expression alone: a default, a check, the condition of an index. */
export function expressionParser(reader: TokenReader): ExpressionParser {
  return new ExpressionParser(reader, (inner) => new StatementParser(inner).select());
}

class StatementParser {
  readonly #reader: TokenReader;
  readonly #expressions: ExpressionParser;

  constructor(reader: TokenReader) {
    this.#reader = reader;
    this.#expressions = expressionParser(reader);
  }

  statement(): SqlStatement {
    if (this.#reader.take("with")) return this.#with();
    if (this.#reader.isAt("select")) return this.select();
    if (this.#reader.take("insert", "into")) return this.#insert();
    if (this.#reader.take("update")) {
      const { table, alias } = this.#table();
      this.#reader.expect("set");
      const sets = this.#assignments();
      return { kind: "update", table, alias, sets, ...this.#where(), returning: this.#returning() };
    }
    if (this.#reader.take("delete", "from")) {
      return { kind: "delete", ...this.#table(), ...this.#where(), returning: this.#returning() };
    }
    throw this.#reader.unknown();
  }

  #with(): SqlStatement {
    const parts: { name: string; statement: SqlStatement }[] = [];
    do {
      const name = this.#reader.name();
      this.#reader.expect("as", "(");
      parts.push({ name, statement: this.statement() });
      this.#reader.expect(")");
    } while (this.#reader.take(","));
    return { kind: "with", parts, main: this.statement() };
  }

  select(): Select {
    const reader = this.#reader;
    reader.expect("select");
    let distinctOn: Expression[] | undefined;
    if (reader.take("distinct", "on", "(")) {
      distinctOn = this.#expressions.list();
      reader.expect(")");
    }
    const items = reader.isAt("from") ? [] : this.#items();
    const from = reader.take("from") ? this.#from() : undefined;
    const where = this.#where();
    const unionAll = reader.take("union", "all") ? this.select() : undefined;
    const orderBy = reader.take("order", "by") ? this.#orderBy() : [];
    const limit = reader.take("limit") ? this.#expressions.read() : undefined;
    const lock = this.#lock();
    return {
      kind: "select",
      items,
      orderBy,
      ...where,
      ...(distinctOn === undefined ? {} : { distinctOn }),
      ...(from === undefined ? {} : { from }),
      ...(unionAll === undefined ? {} : { unionAll }),
      ...(limit === undefined ? {} : { limit }),
      ...(lock === undefined ? {} : { lock }),
    };
  }

  #items(): SelectItem[] {
    const items = [this.#item()];
    while (this.#reader.take(",")) items.push(this.#item());
    return items;
  }

  #item(): SelectItem {
    const expression = this.#expressions.read();
    const alias = this.#alias();
    return alias === undefined ? { expression } : { expression, alias };
  }

  #alias(): string | undefined {
    if (this.#reader.take("as")) return this.#reader.name();
    const { kind, value } = this.#reader.peek();
    const isAlias = kind === "name" || kind === "word" && !CLAUSES.has(value);
    return isAlias ? this.#reader.name() : undefined;
  }

  #table(): { table: string; alias: string } {
    const table = this.#reader.name();
    return { table, alias: this.#alias() ?? table };
  }

  #from(): FromItem {
    const reader = this.#reader;
    if (!reader.isAt("unnest", "(")) {
      const item: FromItem = { kind: "table", ...this.#table() };
      if (reader.isAt(",") || reader.isAt("join") || reader.isAt("left")) throw reader.unknown();
      return item;
    }
    reader.expect("unnest", "(");
    const args = this.#expressions.list();
    reader.expect(")");
    const withOrdinality = reader.take("with", "ordinality");
    const alias = this.#alias();
    if (alias === undefined) throw reader.unknown();
    const columns = reader.isAt("(") ? reader.names() : [alias];
    return { kind: "unnest", args, alias, columns, withOrdinality };
  }

  #where(): { where?: Expression } {
    return this.#reader.take("where") ? { where: this.#expressions.read() } : {};
  }

  #orderBy(): OrderTerm[] {
    const terms: OrderTerm[] = [];
    do {
      const expression = this.#expressions.read();
      const isDescending = this.#reader.take("desc");
      if (!isDescending) this.#reader.take("asc");
      terms.push({ expression, isDescending });
    } while (this.#reader.take(","));
    return terms;
  }

  #lock(): Select["lock"] {
    const reader = this.#reader;
    if (!reader.take("for")) return undefined;
    const isUpdate = reader.take("update") || reader.take("no", "key", "update");
    if (!isUpdate) reader.expect("share");
    return { mode: isUpdate ? "update" : "share", skipLocked: reader.take("skip", "locked") };
  }

  #assignments(): Assignment[] {
    const sets: Assignment[] = [];
    do {
      const column = this.#reader.name();
      this.#reader.expect("=");
      sets.push({ column, value: this.#expressions.read() });
    } while (this.#reader.take(","));
    return sets;
  }

  #returning(): SelectItem[] {
    return this.#reader.take("returning") ? this.#items() : [];
  }

  #insert(): Insert {
    const reader = this.#reader;
    const table = reader.name();
    const columns = reader.names();
    const base = { kind: "insert", table, columns } as const;
    if (reader.isAt("select")) {
      const select = this.select();
      return { ...base, select, ...this.#onConflict(), returning: this.#returning() };
    }
    reader.expect("values");
    const values: Expression[][] = [];
    do {
      reader.expect("(");
      values.push(this.#expressions.list());
      reader.expect(")");
    } while (reader.take(","));
    return { ...base, values, ...this.#onConflict(), returning: this.#returning() };
  }

  #onConflict(): { onConflict?: OnConflict } {
    const reader = this.#reader;
    if (!reader.take("on", "conflict")) return {};
    const columns = reader.isAt("(") ? { columns: reader.names() } : {};
    reader.expect("do");
    if (reader.take("nothing")) return { onConflict: columns };
    reader.expect("update", "set");
    const sets = this.#assignments();
    return { onConflict: { ...columns, update: { sets, ...this.#where() } } };
  }
}
