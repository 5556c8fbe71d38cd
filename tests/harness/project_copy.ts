/**
 * A copy of the project in a folder of its own, to change on purpose: a mutant, or another version.
 * Only files that Git tracks are copied, so that nothing of this machine comes along.
 */
import { dirname, join } from "node:path";
import { PROJECT_DIR } from "../../deploy/local/data_dir.ts";

/** One change of one file. `find` must stand in it exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A change that does not fit the file any more. */
export class PatchError extends Error {
  override readonly name = "PatchError";
}

/** A folder with the project in it. */
export class ProjectCopy implements AsyncDisposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Copies the working tree's tracked files into a new temporary folder. */
  static async make(): Promise<ProjectCopy> {
    const dir = await Deno.makeTempDir({ prefix: "hexmile-copy-" });
    // The servers run as a user without rights, who must be able to go through it.
    await Deno.chmod(dir, 0o755);
    const copy = new ProjectCopy(dir);
    try {
      const made = new Set<string>();
      for (const file of await trackedFiles()) {
        const to = join(dir, file);
        if (!made.has(dirname(to))) await Deno.mkdir(dirname(to), { recursive: true });
        made.add(dirname(to));
        await Deno.copyFile(join(PROJECT_DIR, file), to);
      }
      return copy;
    } catch (error) {
      await copy[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Applies all edits or none.
   *
   * @returns puts the files back as they were.
   * @throws PatchError naming the file in which a text does not stand exactly once.
   */
  async patch(edits: readonly Edit[]): Promise<() => Promise<void>> {
    const before = new Map<string, string>();
    const after = new Map<string, string>();
    for (const { file, find, replace } of edits) {
      const path = join(this.dir, file);
      const original = await Deno.readTextFile(path).catch(() => {
        throw new PatchError(`Cannot patch ${file}: it is not there`);
      });
      const text = after.get(path) ?? original;
      if (!before.has(path)) before.set(path, original);
      after.set(path, replaceOnce(file, text, find, replace));
    }
    for (const [path, text] of after) await Deno.writeTextFile(path, text);
    return async () => {
      for (const [path, text] of before) await Deno.writeTextFile(path, text);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** The text with its one occurrence of `find` replaced. @throws PatchError where it is not one. */
export function replaceOnce(file: string, text: string, find: string, replace: string): string {
  const parts = text.split(find);
  if (parts.length === 2 && find !== "") return parts.join(replace);
  throw new PatchError(
    `Cannot patch ${file}: a text must stand in it once: it stands there ${
      parts.length - 1
    } times: ${JSON.stringify(find.slice(0, 100))}`,
  );
}

async function trackedFiles(): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: PROJECT_DIR,
    stdin: "null",
  }).output();
  if (!success) {
    throw new Error(`cannot list the project's files: ${new TextDecoder().decode(stderr).trim()}`);
  }
  const files = new TextDecoder().decode(stdout).split("\0").filter((file) => file !== "");
  const present: string[] = [];
  for (const file of new Set(files)) {
    // A file deleted and not committed yet is still listed.
    const info = await Deno.lstat(join(PROJECT_DIR, file)).catch(() => undefined);
    if (info?.isFile === true) present.push(file);
  }
  return present;
}
