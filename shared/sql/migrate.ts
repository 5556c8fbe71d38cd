/**
 * Forward-only migrations.
 *
 * Contract: files `NNN_name.sql` run in order, each in a transaction of its own together with its
 * row in `schema_migrations`. One advisory lock makes any number of starters take turns; who comes
 * second finds the work done. An applied file must not change (its SHA-256 is kept). A file whose
 * first line says `-- destructive` loses data and runs only when confirmed. One whose first line
 * says `-- additive` takes nothing away that the version before it uses: that version may go on
 * working beside the new one, start again, and come back (a rolling deployment, a rollback).
 */
import {
  connectSql,
  isSqlState,
  type Queryable,
  serverError,
  type Sql,
  SQLSTATE,
} from "./connect.ts";

/** "hexmile" in ASCII, as one number: the advisory lock of all migration runs of a database. */
const MIGRATION_LOCK = "29384965484014693";
/** A migration may rewrite a large table, and others wait for it. */
const MIGRATION_TIMEOUT_MS = 60 * 60_000;
const FILE_NAME = /^(\d{3})_[a-z0-9_]+\.sql$/;

/** A migration run that cannot go on, in one sentence. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

interface MigrationFile {
  readonly name: string;
  readonly number: number;
  readonly text: string;
  readonly checksum: string;
}

export interface MigrateOptions {
  readonly databaseUrl: string;
  /** Folder of the numbered files. */
  readonly folder: string;
  readonly log: (line: string) => void;
  /** Allows files marked destructive. */
  readonly confirmDestructive?: boolean;
}

/**
 * Brings a database to the newest schema.
 *
 * @returns the names of the files that this run applied.
 * @throws MigrationError when a file changed, is missing, or needs confirmation.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const files = await readMigrations(options.folder);
  const sql = connectSql(options.databaseUrl, {
    applicationName: "hexmile-migrate",
    max: 1,
    queryTimeoutMs: MIGRATION_TIMEOUT_MS,
  });
  try {
    // A session lock and not a transaction's: each file commits on its own.
    await sql`select pg_advisory_lock(${MIGRATION_LOCK}::bigint)`;
    try {
      return await applyAll(sql, files, options);
    } finally {
      await sql`select pg_advisory_unlock(${MIGRATION_LOCK}::bigint)`;
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function applyAll(
  sql: Sql,
  files: readonly MigrationFile[],
  options: MigrateOptions,
): Promise<string[]> {
  await sql`
    create table if not exists schema_migrations (
      number integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default clock_timestamp()
    )`;
  await sql`
    alter table schema_migrations
    add column if not exists is_additive boolean not null default false`;
  const pending = pendingFiles(files, await appliedMigrations(sql));
  for (const file of pending) {
    if (isMarked(file, "destructive") && options.confirmDestructive !== true) {
      throw new MigrationError(
        `Cannot apply ${file.name}: it is marked destructive: run again with --confirm`,
      );
    }
    await applyOne(sql, file);
    options.log(`applied ${file.name}`);
  }
  return pending.map((file) => file.name);
}

async function applyOne(sql: Sql, file: MigrationFile): Promise<void> {
  try {
    await sql.begin(async (tx) => {
      await tx.unsafe(file.text);
      await tx`
        insert into schema_migrations (number, name, checksum, is_additive)
        values (${file.number}, ${file.name}, ${file.checksum}, ${isMarked(file, "additive")})`;
    });
  } catch (error) {
    const reported = serverError(error);
    if (reported === undefined) throw error;
    throw new MigrationError(`Cannot apply ${file.name}: ${reported.message}`, { cause: error });
  }
}

interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
}

async function appliedMigrations(sql: Queryable): Promise<AppliedMigration[]> {
  return await sql<AppliedMigration[]>`
    select number, name, checksum from schema_migrations order by number`;
}

/** The files still to run. @throws MigrationError when the applied ones differ from the files. */
export function pendingFiles(
  files: readonly MigrationFile[],
  applied: readonly AppliedMigration[],
): MigrationFile[] {
  const byNumber = new Map(files.map((file) => [file.number, file]));
  for (const row of applied) {
    const file = byNumber.get(row.number);
    if (file === undefined) {
      throw new MigrationError(
        `Cannot migrate: the database has ${row.name}, which this version does not know: run the version that made it`,
      );
    }
    if (file.checksum !== row.checksum) {
      throw new MigrationError(
        `Cannot migrate: ${file.name} changed after it was applied: restore it and add a new file`,
      );
    }
  }
  const done = new Set(applied.map((row) => row.number));
  return files.filter((file) => !done.has(file.number));
}

function isMarked(file: MigrationFile, mark: "additive" | "destructive"): boolean {
  return file.text.trimStart().toLowerCase().startsWith(`-- ${mark}`);
}

/** Reads and checks the folder: unique numbers from 001 without a hole. */
export async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const files: MigrationFile[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.name.endsWith(".sql")) continue;
    const number = FILE_NAME.exec(entry.name)?.[1];
    if (number === undefined) {
      throw new MigrationError(`Cannot read ${entry.name}: its name must be NNN_name.sql`);
    }
    const text = await Deno.readTextFile(`${folder}/${entry.name}`);
    files.push({ name: entry.name, number: Number(number), text, checksum: await sha256(text) });
  }
  files.sort((a, b) => a.number - b.number);
  files.forEach((file, index) => {
    if (file.number !== index + 1) {
      throw new MigrationError(
        `Cannot read ${file.name}: its number must be ${
          index + 1
        }: numbers have no hole and no repeat`,
      );
    }
  });
  return files;
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Refuses to run on a schema this version does not know. A newer one is known as far as it only
 * adds to ours: the code was not tested on any other.
 *
 * @throws MigrationError in one sentence that says what to run.
 */
export async function requireSchema(sql: Sql, newestNumber: number): Promise<void> {
  let found = { number: 0, isKnown: true };
  try {
    // Through JSON, because a database that no present version has migrated lacks the column.
    const [row] = await sql<{ number: number | null; isKnown: boolean }[]>`
      select max(number) as number,
        coalesce(bool_and(coalesce((to_jsonb(m) ->> 'is_additive')::boolean, false))
          filter (where number > ${newestNumber}), true) as is_known
      from schema_migrations m`;
    found = { number: row?.number ?? 0, isKnown: row?.isKnown ?? true };
  } catch (error) {
    if (!isSqlState(error, SQLSTATE.undefinedTable)) throw error;
  }
  if (found.number >= newestNumber && found.isKnown) return;
  const action = found.number < newestNumber ? "run `deno task migrate`" : "run a newer version";
  throw new MigrationError(
    `Cannot use the database: its schema must be at ${newestNumber}: it is at ${found.number}: ${action}`,
  );
}
