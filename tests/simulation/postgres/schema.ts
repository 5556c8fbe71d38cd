/** Tables as the migrations define them, so that the double has the product's own rules. */
import type { Expression } from "./ast.ts";
import { compileAlone } from "./compile.ts";
import { type Token, tokensOf } from "./lexer.ts";
import { expressionParser } from "./parse_statement.ts";
import { TokenReader } from "./token_reader.ts";
import type { Tuple } from "./values.ts";

export interface ColumnSchema {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  readonly isIdentity: boolean;
  readonly defaultTo?: Expression;
}

export interface UniqueRule {
  /** Of the constraint or the index. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly where?: (tuple: Tuple) => boolean;
}

export interface CheckRule {
  readonly name: string;
  /** False only where it is violated: null passes. */
  holds(tuple: Tuple): boolean;
}

export interface TableSchema {
  readonly name: string;
  readonly columns: Map<string, ColumnSchema>;
  readonly uniques: UniqueRule[];
  readonly checks: CheckRule[];
}

export interface Schema {
  readonly tables: ReadonlyMap<string, TableSchema>;
  /** Rows that the migrations insert, as statements. */
  readonly inserts: readonly string[];
}

/** Words at which a column's type is over. */
const AFTER_TYPE = new Set(
  ["not", "null", "default", "primary", "unique", "references", "check", "generated", "constraint"],
);

/**
 * Reads the named tables from DDL. Everything else in it (functions, partitions, other tables) has
 * no meaning for the simulation and is passed over.
 */
export function readSchema(ddl: string, names: readonly string[]): Schema {
  const tables = new Map<string, TableSchema>();
  const inserts: string[] = [];
  for (const { tokens, text } of statementsOf(ddl)) {
    const reader = new TokenReader(tokens, text);
    if (reader.take("create", "table")) {
      reader.take("if", "not", "exists");
      const name = reader.name();
      if (names.includes(name) && reader.isAt("(")) tables.set(name, readTable(reader, name));
    } else if (reader.take("create", "unique", "index")) {
      readUniqueIndex(reader, tables);
    } else if (reader.take("alter", "table")) {
      const table = tables.get(reader.name());
      if (table !== undefined) readAlter(reader, table);
    } else if (reader.take("drop", "index")) {
      reader.take("if", "exists");
      const index = reader.name();
      for (const table of tables.values()) dropRule(table, index);
    } else if (reader.take("insert", "into") && tables.has(reader.name())) {
      // Others move rows from one table to another: here there are none yet.
      if (tokens.some(({ kind, value }) => kind === "word" && value === "values")) {
        inserts.push(text);
      }
    }
  }
  const missing = names.filter((name) => !tables.has(name));
  if (missing.length > 0) throw new Error(`the migrations do not create ${missing.join(", ")}`);
  return { tables, inserts };
}

function statementsOf(ddl: string): { tokens: Token[]; text: string }[] {
  const statements: { tokens: Token[]; text: string }[] = [];
  // Tokens carry no places, so the text is put together again from them; strings get their quotes.
  let tokens: Token[] = [];
  for (const token of tokensOf(ddl)) {
    if (token.kind !== "end" && !(token.kind === "mark" && token.value === ";")) {
      tokens.push(token);
      continue;
    }
    if (tokens.length > 0) {
      const text = tokens.map(sourceOf).join(" ");
      statements.push({ tokens: [...tokens, { kind: "end", value: "" }], text });
    }
    tokens = [];
  }
  return statements;
}

function sourceOf({ kind, value }: Token): string {
  if (kind === "text") return `'${value.replaceAll("'", "''")}'`;
  if (kind === "name") return `"${value}"`;
  return kind === "parameter" ? `$${value}` : value;
}

function readTable(reader: TokenReader, name: string): TableSchema {
  const table: TableSchema = { name, columns: new Map(), uniques: [], checks: [] };
  reader.expect("(");
  do {
    if (!readTableRule(reader, table)) readColumn(reader, table);
  } while (reader.take(","));
  reader.expect(")");
  return table;
}

/** `unique (...)` and its like; false when a column comes next. */
function readTableRule(reader: TokenReader, table: TableSchema): boolean {
  const given = reader.take("constraint") ? reader.name() : undefined;
  if (reader.take("unique")) {
    const columns = reader.names();
    table.uniques.push({ name: given ?? keyName(table, columns), columns });
  } else if (reader.take("primary", "key")) {
    table.uniques.push({ name: given ?? `${table.name}_pkey`, columns: reader.names() });
  } else if (reader.isAt("check")) {
    readCheck(reader, table, given ?? `${table.name}_check`);
  } else if (reader.take("foreign", "key")) {
    reader.names();
    readReference(reader);
  } else return false;
  return true;
}

function readColumn(reader: TokenReader, table: TableSchema): void {
  const name = reader.name();
  let type = reader.name();
  while (!AFTER_TYPE.has(reader.peek().value) && reader.peek().kind === "word") {
    type += ` ${reader.name()}`;
  }
  if (reader.isAt("(")) reader.skipParentheses();
  if (reader.take("[", "]")) type += "[]";
  let isNullable = true;
  let isIdentity = false;
  let defaultTo: Expression | undefined;
  for (;;) {
    if (reader.take("not", "null")) isNullable = false;
    else if (reader.take("null")) continue;
    else if (reader.take("primary", "key")) {
      isNullable = false;
      table.uniques.push({ name: `${table.name}_pkey`, columns: [name] });
    } else if (reader.take("unique")) {
      table.uniques.push({ name: keyName(table, [name]), columns: [name] });
    } else if (reader.take("default")) defaultTo = expressionParser(reader).read();
    else if (reader.isAt("references")) readReference(reader);
    else if (reader.isAt("check")) readCheck(reader, table, `${table.name}_${name}_check`);
    else if (reader.take("generated", "always", "as", "identity")) {
      isIdentity = true;
      // Steps of another size: ids only have to grow.
      if (reader.isAt("(")) reader.skipParentheses();
    } else if (reader.take("generated", "by", "default", "as", "identity")) isIdentity = true;
    else if (reader.take("constraint")) reader.name();
    else break;
  }
  table.columns.set(name, {
    name,
    type,
    isNullable,
    isIdentity,
    ...(defaultTo === undefined ? {} : { defaultTo }),
  });
}

function readReference(reader: TokenReader): void {
  // Foreign keys are not kept: the simulation never deletes what is referred to.
  reader.expect("references");
  reader.name();
  if (reader.isAt("(")) reader.skipParentheses();
  while (reader.take("on")) {
    reader.name();
    if (!reader.take("set", "null")) reader.name();
  }
}

function readCheck(reader: TokenReader, table: TableSchema, name: string): void {
  reader.expect("check", "(");
  const expression = expressionParser(reader).read();
  reader.expect(")");
  // Compiled when first asked: a check may name columns that come after it.
  let check: ((tuple: Tuple) => unknown) | undefined;
  table.checks.push({
    name,
    holds: (tuple) => (check ??= compileAlone(expression, table))(tuple) !== false,
  });
}

function readUniqueIndex(reader: TokenReader, tables: Map<string, TableSchema>): void {
  reader.take("if", "not", "exists");
  const name = reader.isAt("on") ? "" : reader.name();
  reader.expect("on");
  const table = tables.get(reader.name());
  if (table === undefined) return;
  const columns = reader.names();
  if (!reader.take("where")) {
    table.uniques.push({ name, columns });
    return;
  }
  const condition = expressionParser(reader).read();
  let where: ((tuple: Tuple) => unknown) | undefined;
  table.uniques.push({
    name,
    columns,
    where: (tuple) => (where ??= compileAlone(condition, table))(tuple) === true,
  });
}

/** As Postgres names a rule that was given no name. */
function keyName(table: TableSchema, columns: readonly string[]): string {
  return `${table.name}_${columns.join("_")}_key`;
}

function dropRule(table: TableSchema, name: string): void {
  for (const rules of [table.uniques, table.checks]) {
    const at = rules.findIndex((rule) => rule.name === name);
    if (at !== -1) rules.splice(at, 1);
  }
}

function readAlter(reader: TokenReader, table: TableSchema): void {
  do {
    if (reader.take("add", "column")) {
      reader.take("if", "not", "exists");
      readColumn(reader, table);
    } else if (reader.take("drop", "column")) {
      reader.take("if", "exists");
      table.columns.delete(reader.name());
    } else if (reader.take("drop", "constraint")) {
      reader.take("if", "exists");
      dropRule(table, reader.name());
    } else if (reader.take("add")) {
      if (!readTableRule(reader, table)) readColumn(reader, table);
    } else if (reader.take("alter", "column")) readAlterColumn(reader, table);
    else return;
  } while (reader.take(","));
}

function readAlterColumn(reader: TokenReader, table: TableSchema): void {
  const column = table.columns.get(reader.name());
  if (column === undefined) throw reader.unknown();
  const { name } = column;
  if (reader.take("type")) {
    table.columns.set(name, { ...column, type: reader.name() });
    if (reader.take("using")) expressionParser(reader).read();
  } else if (reader.take("set", "not", "null")) {
    table.columns.set(name, { ...column, isNullable: false });
  } else if (reader.take("drop", "not", "null")) {
    table.columns.set(name, { ...column, isNullable: true });
  } else if (reader.take("set", "default")) {
    table.columns.set(name, { ...column, defaultTo: expressionParser(reader).read() });
  } else throw reader.unknown();
}
