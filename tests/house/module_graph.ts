/** What imports what, from `deno info --json`: code and type imports, static and dynamic. */
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { z } from "zod";

/** One import. Files of the repository are relative paths; anything else is its specifier. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

const resolved = z.object({ specifier: z.string().optional(), error: z.string().optional() });
const infoSchema = z.object({
  modules: z.array(z.object({
    specifier: z.string(),
    error: z.string().optional(),
    dependencies: z.array(z.object({
      specifier: z.string(),
      code: resolved.optional(),
      type: resolved.optional(),
    })).default([]),
  })),
});

/**
 * All imports of the given files and of what they import.
 *
 * @param files paths relative to `root`, whose deno.json resolves them.
 * @throws Error when a file does not parse or an import leads nowhere.
 */
export async function readImports(files: readonly string[], root: string): Promise<Import[]> {
  // One entry that imports all of them: `deno info` takes a single root.
  const entry = await Deno.makeTempFile({ prefix: "hexmile-imports-", suffix: ".ts" });
  try {
    const base = pathToFileURL(root.endsWith("/") ? root : `${root}/`);
    const lines = files.map((file) => `import ${JSON.stringify(new URL(file, base).href)};\n`);
    await Deno.writeTextFile(entry, lines.join(""));
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", join(root, "deno.json"), entry],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const decoder = new TextDecoder();
    if (!output.success) throw new Error(decoder.decode(output.stderr));
    return importsOf(JSON.parse(decoder.decode(output.stdout)), base.href);
  } finally {
    await Deno.remove(entry);
  }
}

/** Reads the answer of `deno info --json`; `baseUrl` is the repository's folder. */
export function importsOf(info: unknown, baseUrl: string): Import[] {
  const name = (specifier: string) =>
    specifier.startsWith(baseUrl) ? specifier.slice(baseUrl.length) : specifier;
  const imports: Import[] = [];
  for (const module of infoSchema.parse(info).modules) {
    if (module.error !== undefined) throw new Error(`${name(module.specifier)}: ${module.error}`);
    if (!module.specifier.startsWith(baseUrl)) continue;
    for (const dependency of module.dependencies) {
      const targets = [dependency.code, dependency.type].flatMap((target) =>
        target === undefined ? [] : [target.specifier ?? dependency.specifier]
      );
      for (const target of new Set(targets)) {
        imports.push({ from: name(module.specifier), to: name(target) });
      }
    }
  }
  return imports;
}
