/**
 * Runs a peer in Node, where its users run it, with packages that Deno installs in the versions of
 * our own lock. Without Node on the machine Deno runs it, and the figures say so.
 */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROJECT_DIR } from "../../../deploy/local/data_dir.ts";

/** How a program is started. */
export interface Program {
  readonly runtime: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** Prepares a file of ours for Node and works with it; its folder is removed then. */
export async function withNodeProgram(
  file: URL,
  packages: readonly string[],
  work: (program: Program) => Promise<void>,
): Promise<void> {
  const version = await nodeVersion();
  if (version === undefined) {
    const runtime = `deno ${Deno.version.deno}`;
    const args = ["run", "-A", "--quiet", fileURLToPath(file)];
    return await work({ runtime, command: Deno.execPath(), args });
  }
  const folder = await Deno.makeTempDir({ prefix: "hexmile-peer-" });
  try {
    const path = join(folder, basename(fileURLToPath(file)));
    await Deno.copyFile(file, path);
    const dependencies = await versionsOf(packages);
    await Deno.writeTextFile(
      join(folder, "package.json"),
      JSON.stringify({ type: "module", dependencies }),
    );
    await install(folder);
    await work({ runtime: `node ${version}`, command: "node", args: [path] });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function nodeVersion(): Promise<string | undefined> {
  try {
    const { stdout, success } = await new Deno.Command("node", { args: ["--version"] }).output();
    return success ? new TextDecoder().decode(stdout).trim().replace(/^v/, "") : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The versions of our import map. */
async function versionsOf(packages: readonly string[]): Promise<Record<string, string>> {
  const text = await Deno.readTextFile(join(PROJECT_DIR, "deno.json"));
  const { imports } = JSON.parse(text) as { imports: Record<string, string> };
  return Object.fromEntries(packages.map((name) => {
    const version = imports[name]?.replace(`npm:${name}@`, "");
    if (version === undefined) throw new Error(`deno.json has no version of ${name}`);
    return [name, version];
  }));
}

async function install(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`cannot install the peer: ${new TextDecoder().decode(stderr)}`);
}
