/**
 * SQL as tagged templates: values become parameters, never text. Statements nest, so a condition
 * can be put together from parts.
 */

/** What runs a compiled statement. */
export interface Runner {
  run(query: CompiledQuery): Promise<QueryResult>;
  /** Runs several in one packet; where it is missing they run one after the other. */
  runAll?(queries: readonly CompiledQuery[]): Promise<readonly QueryResult[]>;
}

export interface CompiledQuery {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Name of a prepared statement, where the text is always the same. */
  readonly name: string | undefined;
}

export interface QueryResult {
  readonly rows: readonly object[];
  readonly count: number;
}

/** Rows of a statement, and how many it read or changed. */
export type RowsOf<Rows extends readonly object[]> = Rows & { readonly count: number };

/** A name that is put into the text, quoted. */
export class Identifier {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Rows for an insert: `insert into orders ${sql(rows)}`. All rows have the columns of the first. */
export class InsertRows {
  readonly rows: readonly Readonly<Record<string, unknown>>[];

  constructor(rows: readonly Readonly<Record<string, unknown>>[]) {
    if (rows.length === 0) throw new RangeError("Cannot insert: rows must be at least 1: it is 0");
    this.rows = rows;
  }
}

/** A value that goes as JSON; without this an array would go as a Postgres array. */
export class JsonParameter {
  readonly text: string;

  constructor(value: unknown) {
    this.text = JSON.stringify(value) ?? "null";
  }
}

/**
 * A statement, run when it is awaited for the first time; inside another template it is a part of
 * that one and is never run by itself.
 */
export class Statement<Rows extends readonly object[]> implements Promise<RowsOf<Rows>> {
  readonly [Symbol.toStringTag] = "Statement";
  readonly strings: readonly string[];
  readonly parts: readonly unknown[];
  readonly #runner: Runner;
  #started: Promise<RowsOf<Rows>> | undefined;

  constructor(runner: Runner, strings: readonly string[], parts: readonly unknown[]) {
    this.#runner = runner;
    this.strings = strings;
    this.parts = parts;
  }

  then<Result = RowsOf<Rows>, Failure = never>(
    onResult?: ((rows: RowsOf<Rows>) => Result | PromiseLike<Result>) | null,
    onError?: ((error: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    return this.#start().then(onResult, onError);
  }

  catch<Failure = never>(
    onError?: ((error: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<RowsOf<Rows> | Failure> {
    return this.#start().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<RowsOf<Rows>> {
    return this.#start().finally(onEnd);
  }

  #start(): Promise<RowsOf<Rows>> {
    this.#started ??= this.#runner.run(compile(this)).then(({ rows, count }) =>
      // The caller names the shape of the rows it selects; nothing checks it at run time.
      Object.assign(rows as unknown as Rows, { count })
    );
    return this.#started;
  }
}

/** A statement that may be left out. */
type Optional = Statement<readonly object[]> | undefined;
/** The rows of each of several statements. */
export type RowsOfAll<Asked extends readonly Optional[]> = {
  readonly [Index in keyof Asked]: NonNullable<Asked[Index]> extends Statement<infer Rows> ? Rows
    : never;
};

/** Runs statements in one packet where the runner can; one that is left out has no rows. */
export async function runTogether<const Asked extends readonly Optional[]>(
  runner: Runner,
  asked: Asked,
): Promise<RowsOfAll<Asked>> {
  const queries = asked.flatMap((statement) => statement === undefined ? [] : [compile(statement)]);
  const results = await runAll(runner, queries);
  let next = 0;
  // As with one statement: the caller names the shape of the rows it selects.
  return asked.map((statement) =>
    statement === undefined ? [] : results[next++]?.rows ?? []
  ) as unknown as RowsOfAll<Asked>;
}

async function runAll(
  runner: Runner,
  queries: readonly CompiledQuery[],
): Promise<readonly QueryResult[]> {
  if (queries.length === 0) return [];
  if (runner.runAll !== undefined) return await runner.runAll(queries);
  const results: QueryResult[] = [];
  for (const query of queries) results.push(await runner.run(query));
  return results;
}

/** Names of statements whose text never changes: one per place in the source. */
const names = new WeakMap<readonly string[], string>();
/**
 * Names of statements that are put together from parts, by their text: to plan the reading of an
 * order anew costs Postgres more than to run it.
 */
const composedNames = new Map<string, string>();
/** There are some dozens; beyond this a text is taken to be different each time and not named. */
const MAX_COMPOSED_NAMES = 300;
let nameCount = 0;

/** Turns a statement into text with numbered parameters. */
export function compile(statement: Statement<readonly object[]>): CompiledQuery {
  const values: unknown[] = [];
  const state = { values, isNameable: true, isComposed: false };
  const text = append(statement, state);
  return { text, values, name: nameFor(statement, text, state) };
}

interface CompileState {
  readonly values: unknown[];
  /** Whether the text is one of few: no names and no rows of varying number are in it. */
  isNameable: boolean;
  /** Whether it has a part that is a statement, so that its place does not tell its text. */
  isComposed: boolean;
}

function nameFor(
  { strings }: Statement<readonly object[]>,
  text: string,
  { isNameable, isComposed }: CompileState,
): string | undefined {
  if (!isNameable) return undefined;
  return isComposed ? composedNameOf(text) : nameOf(strings);
}

function composedNameOf(text: string): string | undefined {
  const known = composedNames.get(text);
  if (known !== undefined || composedNames.size >= MAX_COMPOSED_NAMES) return known;
  const name = `hexmile_${++nameCount}`;
  composedNames.set(text, name);
  return name;
}

function append(statement: Statement<readonly object[]>, state: CompileState): string {
  let text = statement.strings[0] ?? "";
  statement.parts.forEach((part, index) => {
    text += textOf(part, state) + (statement.strings[index + 1] ?? "");
  });
  return text;
}

function textOf(part: unknown, state: CompileState): string {
  if (part instanceof JsonParameter) return parameter(part.text, state);
  if (part instanceof Statement) {
    state.isComposed = true;
    return append(part, state);
  }
  if (part instanceof Identifier) {
    state.isNameable = false;
    return quote(part.name);
  }
  if (part instanceof InsertRows) {
    state.isNameable = false;
    return insertText(part, state);
  }
  return parameter(part, state);
}

function parameter(value: unknown, state: CompileState): string {
  state.values.push(value);
  return `$${state.values.length}`;
}

function insertText({ rows }: InsertRows, state: CompileState): string {
  const columns = Object.keys(rows[0] ?? {});
  const tuples = rows.map((row) =>
    `(${columns.map((column) => textOf(row[column], state)).join(",")})`
  );
  return `(${columns.map(quote).join(",")}) values ${tuples.join(",")}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function nameOf(strings: readonly string[]): string {
  let name = names.get(strings);
  if (name === undefined) {
    name = `hexmile_${++nameCount}`;
    names.set(strings, name);
  }
  return name;
}
