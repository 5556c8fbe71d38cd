/** A folder in which a server program is prepared before it takes its final name in one step. */
import { join } from "node:path";
import { exists } from "./data_dir.ts";
import { identityOf } from "./process_identity.ts";

/**
 * Creates `<programsDir>/<name>.new-<pid>`, empty, and removes those of runs that were killed while
 * they prepared one. The caller removes or renames it. Several names may be prepared at once: what
 * this process has begun under another name is its own and stays.
 */
export async function makeWorkFolder(programsDir: string, name: string): Promise<string> {
  const folder = join(programsDir, `${name}.new-${Deno.pid}`);
  for await (const entry of Deno.readDir(programsDir)) {
    const pid = /\.new-(\d+)$/.exec(entry.name)?.[1];
    if (pid === undefined) continue;
    const path = join(programsDir, entry.name);
    // One of this very name is from an earlier process that had the same id.
    if (path !== folder && identityOf(Number(pid)) !== undefined) continue;
    await Deno.remove(path, { recursive: true });
  }
  await Deno.mkdir(folder);
  await Deno.chmod(folder, 0o755);
  return folder;
}

/**
 * Gives the prepared folder its final name, unless another run was quicker; then that one's stays
 * and the work folder is removed. Renaming is one step, so a reader never finds a half.
 */
export async function finishWorkFolder(folder: string, final: string): Promise<void> {
  if (await exists(final)) {
    await Deno.remove(folder, { recursive: true });
    return;
  }
  try {
    await Deno.rename(folder, final);
  } catch (error) {
    if (!await exists(final)) throw error;
    await Deno.remove(folder, { recursive: true });
  }
}
