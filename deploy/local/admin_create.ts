/**
 * `deno task admin:create <e-mail> [name]`: makes the first admin, or gives an admin a new
 * password. The password is read from standard input, so that it is in no history or process list;
 * when nothing comes, one is made and printed.
 */
import { audit } from "shared/audit/audit.ts";
import { PasswordHasher } from "shared/auth/password_hasher.ts";
import { endSessions } from "shared/auth/sessions.ts";
import { createToken } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { connectSql } from "shared/sql/connect.ts";
import { reasonOf } from "./setup_error.ts";

const MIN_PASSWORD = 10;
const MAX_PASSWORD = 256;
const GENERATED_CHARACTERS = 20;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  const [email, name = "Admin"] = Deno.args;
  const databaseUrl = Deno.env.get("DATABASE_URL");
  if (email === undefined || !/^[^@\s]+@[^@\s]+$/.test(email)) {
    console.error("Usage: echo password | deno task admin:create <e-mail> [name]");
    return EXIT_USAGE;
  }
  if (databaseUrl === undefined || databaseUrl === "") {
    console.error("Cannot create an admin: DATABASE_URL must be set: it is empty");
    return EXIT_USAGE;
  }
  const given = await readPassword();
  const password = given === "" ? createToken().slice(0, GENERATED_CHARACTERS) : given;
  if (password.length < MIN_PASSWORD || password.length > MAX_PASSWORD) {
    console.error(
      `Cannot create an admin: the password must have ${MIN_PASSWORD} to ${MAX_PASSWORD} characters: it has ${password.length}`,
    );
    return EXIT_USAGE;
  }
  try {
    await store(databaseUrl, email.toLowerCase(), name, password);
  } catch (error) {
    console.error(`Cannot create an admin: ${reasonOf(error)}`);
    return EXIT_FAILED;
  }
  console.log(`${email.toLowerCase()} is an admin`);
  if (given === "") console.log(`password: ${password}`);
  return 0;
}

async function readPassword(): Promise<string> {
  if (Deno.stdin.isTerminal()) {
    return prompt("Password (empty makes one):") ?? "";
  }
  const text = await new Response(Deno.stdin.readable).text();
  return text.split("\n")[0] ?? "";
}

async function store(databaseUrl: string, email: string, name: string, password: string) {
  const hasher = new PasswordHasher();
  const sql = connectSql(databaseUrl, { applicationName: "hexmile-admin", max: 1 });
  try {
    const hash = await hasher.hash(password);
    await sql.begin(async (tx) => {
      const [account] = await tx<{ id: string; isNew: boolean }[]>`
        insert into accounts (id, role, name, email, password_hash)
        values (${uuidv7()}, 'admin', ${name}, ${email}, ${hash})
        on conflict (email) do update set password_hash = excluded.password_hash
        where accounts.role = 'admin'
        returning id, xmax = 0 as is_new`;
      if (account === undefined) {
        throw new Error(`${email} belongs to an account that is not an admin`);
      }
      // Whoever knew the old password is out.
      await endSessions(tx, account.id);
      const subject = { kind: "account", id: account.id };
      const action = account.isNew ? "account.created" : "password.changed";
      await audit(tx, { action, subject, details: { role: "admin" } });
    });
  } finally {
    hasher.close();
    await sql.end({ timeout: 1 });
  }
}

Deno.exit(await main());
