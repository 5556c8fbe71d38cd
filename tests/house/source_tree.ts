/** The files of the repository, as a fresh clone has them, without asking git. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of deno.json. */
export const PROJECT_DIR: string = fileURLToPath(new URL("../../", import.meta.url));

/** What git ignores (.gitignore), and git's own folder. */
const SKIPPED = new Set([".git", ".hexmile", "coverage", "node_modules", ".env"]);

/** Paths below `folder`, relative to `root`, with `/`, sorted. */
export async function listFiles(folder = ".", root: string = PROJECT_DIR): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(join(root, folder))) {
    if (SKIPPED.has(entry.name)) continue;
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await listFiles(path, root));
    else if (entry.isFile) files.push(path);
  }
  return files.sort();
}

/** The text of a file; undefined for a binary one. */
export async function readText(
  path: string,
  root: string = PROJECT_DIR,
): Promise<string | undefined> {
  const bytes = await Deno.readFile(join(root, path));
  return bytes.includes(0) ? undefined : new TextDecoder().decode(bytes);
}

/** Whether a path is code that Deno or a browser runs. */
export function isCode(path: string): boolean {
  return /\.(ts|tsx|js|mjs)$/.test(path);
}
