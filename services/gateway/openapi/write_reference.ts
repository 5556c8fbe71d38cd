/**
 * `deno task openapi [--breaking]`: writes what is made of the routes: the document, the table of
 * who may do what, and the types of the client. It refuses a document that breaks clients of the one
 * that is there, unless `--breaking` says that this is meant.
 */
import { accessPage } from "./access_page.ts";
import { clientTypes } from "./client_types.ts";
import { findBreaks } from "./compatibility.ts";
import { readApiDocument } from "./described_app.ts";
import type { OpenApiDocument } from "./document.ts";

const ROOT = new URL("../../../", import.meta.url);
export const DOCUMENT_FILE: URL = new URL("docs/openapi.json", ROOT);

/** What the task writes: text by path in the repository. */
export function referenceFiles(document: OpenApiDocument): Readonly<Record<string, string>> {
  return {
    "docs/openapi.json": JSON.stringify(document, null, 2) + "\n",
    "docs/api_access.md": accessPage(document),
    "shared/client/api_types.ts": clientTypes(document),
  };
}

/** The document as it is in the repository; undefined before the first. */
export async function readWrittenDocument(): Promise<OpenApiDocument | undefined> {
  try {
    const document: OpenApiDocument = JSON.parse(await Deno.readTextFile(DOCUMENT_FILE));
    return document;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function write(isBreakMeant: boolean): Promise<number> {
  const document = await readApiDocument();
  const written = await readWrittenDocument();
  const breaks = written === undefined ? [] : findBreaks(written, document);
  if (breaks.length > 0) {
    console.error(`The API would break its clients:\n${breaks.join("\n")}`);
    if (!isBreakMeant) return 1;
  }
  for (const [path, text] of Object.entries(referenceFiles(document))) {
    await Deno.writeTextFile(new URL(path, ROOT), text);
    console.log(`wrote ${path}`);
  }
  return 0;
}

if (import.meta.main) Deno.exit(await write(Deno.args.includes("--breaking")));
