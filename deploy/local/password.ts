/** The password of a private server, kept in the data folder for the next run. */
import { makeOpenFolder } from "./data_dir.ts";
import { isAbsent } from "./program.ts";
import { dirname } from "node:path";

const PASSWORD_BYTES = 24;
const PASSWORD_PATTERN = /^[0-9a-f]{48}$/;

/**
 * The password in `file`, made at random when there is none; only this user can read the file. It
 * is hexadecimal, so that it fits into URLs and configuration files as it is.
 */
export async function keptPassword(file: string): Promise<string> {
  try {
    const kept = (await Deno.readTextFile(file)).trim();
    if (PASSWORD_PATTERN.test(kept)) return kept;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  const bytes = crypto.getRandomValues(new Uint8Array(PASSWORD_BYTES));
  const password = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  await makeOpenFolder(dirname(file));
  await Deno.writeTextFile(file, password + "\n", { mode: 0o600 });
  return password;
}
