/**
 * Statements that travel together: one write to the socket, one answer.
 *
 * Contract: they run in the order given. After one that fails Postgres skips the rest of the packet
 * (extended query protocol, https://www.postgresql.org/docs/18/protocol-flow.html), so none runs
 * unless all before it succeeded: an insert behind a BEGIN that failed never commits by itself.
 */
import { Buffer } from "node:buffer";
// @ts-types="@types/pg"
import pg from "pg";
import type { CompiledQuery } from "./template.ts";

export interface PacketStatement extends CompiledQuery {
  /** Whether somebody reads its rows; asking for their shape costs a message each way. */
  readonly isRead: boolean;
}

export interface PacketResult {
  /** What Postgres says it did: `INSERT`, `COMMIT`, `ROLLBACK`. */
  readonly command: string;
  /** Names of columns in camelCase; none where the rows were not to be read. */
  readonly rows: object[];
  /** Rows read or changed. */
  readonly count: number;
}

type Done = (error: Error | null, results?: readonly PacketResult[]) => void;

/** pg's own record of what it has prepared on a connection, which its types leave out. */
type WireConnection = pg.Connection & {
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
  sendCopyFail(message: string): void;
};

interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

type Row = Record<string, unknown>;

/** Sends statements on a connection and gives their results. @throws the error of the first. */
export function sendPacket(
  client: pg.ClientBase,
  statements: readonly PacketStatement[],
): Promise<readonly PacketResult[]> {
  return new Promise((resolve, reject) => {
    const done: Done = (error, results) => {
      if (error === null) resolve(results ?? []);
      else reject(error);
    };
    client.query(new Packet(statements, done));
  });
}

/** What pg's client calls while it is the packet's turn. */
class Packet implements pg.Submittable {
  /** As pg knows a query that is its own. */
  readonly callback: Done;
  readonly #statements: readonly PacketStatement[];
  readonly #values: readonly (readonly (string | Buffer | null)[])[];
  readonly #results: PacketResult[] = [];
  #columns: readonly Column[] = [];
  #rows: object[] = [];
  #unreadable: Error | undefined;

  constructor(statements: readonly PacketStatement[], done: Done) {
    this.#statements = statements;
    // Before anything is sent: a value that cannot be written must not leave half a packet.
    this.#values = statements.map(({ values }) => values.map(wireValue));
    this.callback = done;
  }

  /** Of the statement being answered: the client keeps what was parsed under it. */
  get name(): string | undefined {
    return this.#statements[this.#results.length]?.name;
  }

  get text(): string | undefined {
    return this.#statements[this.#results.length]?.text;
  }

  submit(connection: pg.Connection): void {
    const { parsedStatements } = connection as WireConnection;
    const parsed = new Set<string>();
    connection.stream.cork();
    for (const [index, { text, name = "", isRead }] of this.#statements.entries()) {
      if (name === "" || parsedStatements[name] === undefined && !parsed.has(name)) {
        connection.parse({ text, name, types: [] }, true);
        parsed.add(name);
      }
      const values = [...this.#values[index] ?? []];
      connection.bind({ statement: name, values }, true);
      if (isRead) connection.describe({ type: "P" }, true);
      connection.execute({}, true);
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleRowDescription({ fields }: { readonly fields: readonly pg.FieldDef[] }): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({
      name: toCamelCase(name),
      parse: pg.types.getTypeParser(dataTypeID, "text"),
    }));
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#columns.length === 0 || this.#unreadable !== undefined) return;
    const row: Row = {};
    try {
      this.#columns.forEach(({ name, parse }, index) => {
        const text = fields[index] ?? null;
        row[name] = text === null ? null : parse(text);
      });
    } catch (error) {
      this.#unreadable = error instanceof Error ? error : new Error(String(error));
    }
    this.#rows.push(row);
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const words = text.split(" ");
    const count = Number(words.at(-1));
    this.#results.push({
      command: words[0] ?? "",
      rows: this.#rows,
      count: Number.isNaN(count) ? 0 : count,
    });
    this.#rows = [];
    this.#columns = [];
  }

  handleEmptyQuery(): void {
    this.#results.push({ command: "", rows: [], count: 0 });
  }

  handlePortalSuspended(): void {
    // Never: all rows are asked for.
  }

  handleCopyInResponse(connection: WireConnection): void {
    connection.sendCopyFail("copying is not done here");
  }

  handleCopyData(): void {
    // What is copied out is not read.
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    if (this.#unreadable === undefined) this.callback(null, this.#results);
    else this.callback(this.#unreadable);
  }
}

/** As many names as the source has columns and aliases. */
const camelCased = new Map<string, string>();

/** The name of a column as the code has it. */
export function toCamelCase(name: string): string {
  let camel = camelCased.get(name);
  if (camel === undefined) {
    camel = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    camelCased.set(name, camel);
  }
  return camel;
}

/** A parameter as it is sent: text, or bytes as they are. */
function wireValue(value: unknown): string | Buffer | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  if (Array.isArray(value)) return arrayLiteral(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const NEEDS_ESCAPE = /["\\]/;

/** An array as Postgres reads it (https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO). */
function arrayLiteral(items: readonly unknown[]): string {
  return `{${items.map(arrayItem).join(",")}}`;
}

function arrayItem(item: unknown): string {
  if (typeof item === "number") return String(item);
  if (Array.isArray(item)) return arrayLiteral(item);
  const wire = wireValue(item);
  if (wire === null) return "NULL";
  if (typeof wire !== "string") return `"\\\\x${wire.toString("hex")}"`;
  // Ids and names, nearly always: looking costs a fraction of replacing nothing.
  if (!NEEDS_ESCAPE.test(wire)) return `"${wire}"`;
  return `"${wire.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
