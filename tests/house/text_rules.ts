/** What must not stand in a file. Each rule is a sentence and a pattern over one line. Pure. */
import { isCode } from "./source_tree.ts";

interface TextRule {
  readonly sentence: string;
  appliesTo(path: string): boolean;
  readonly pattern: RegExp;
  /** Comments are prose, and may use the word. */
  readonly inComments?: false;
}

const MAX_LINES = 400;
/** Files that a task writes: nobody reads them from top to bottom. */
const GENERATED = ["shared/client/api_types.ts"];
/** The two files in which a service process meets its surroundings. */
const PROCESS_FILE = /^(services\/[^/]+\/main|shared\/service\/run_service)\.ts$/;

function isHouseCode(path: string): boolean {
  return isCode(path) && /^(services|shared|deploy|tests)\//.test(path);
}

function isServiceCode(path: string): boolean {
  return isCode(path) && /^(services|shared)\//.test(path);
}

// No pattern matches its own line here: each has a bracket or a backslash where text would not.
export const TEXT_RULES: readonly TextRule[] = [
  {
    sentence: "only a service's main.ts (and the runner it calls) reads the environment",
    appliesTo: (path) => isServiceCode(path) && !PROCESS_FILE.test(path),
    pattern: /\b(Deno|process)\.env\b/,
  },
  {
    sentence: "only a service's main.ts (and the runner it calls) listens for signals",
    appliesTo: (path) => isServiceCode(path) && !PROCESS_FILE.test(path),
    pattern: /\baddSignalListener\b|\bprocess\.on\(/,
  },
  {
    sentence: "only a service's main.ts starts it",
    appliesTo: (path) => isServiceCode(path) && !PROCESS_FILE.test(path),
    pattern: /\brunService\(/,
  },
  {
    sentence: "a type is never any: unknown values are parsed",
    appliesTo: isHouseCode,
    pattern: /(?:[:<|&,({=]|\bas|\bextends|\bis)\s*any\b(?!\s*[(\w'"`])/,
    inComments: false,
  },
  {
    sentence: "checks are not switched off",
    appliesTo: isHouseCode,
    pattern: /@ts-(?:ignore|expect-error|nocheck)\b|\bdeno-(?:lint|fmt)-[i]gnore/,
  },
  {
    sentence: "nothing comes from JSR",
    appliesTo: (path) => isCode(path) || path.endsWith(".json"),
    pattern: /["']jsr:|["']@std\//,
  },
  {
    sentence: "no file names a package registry or a mirror: the client's own settings decide",
    appliesTo: () => true,
    pattern:
      /registry\.(?:npmjs|yarnpkg)\.|\b(?:npm\.)?jsr\.io\b|https?:\/\/[^\s/"']*(?:registry|mirror|artifactory|nexus)[^\s/"']*/i,
  },
  {
    sentence: "no file names a path of somebody's machine",
    appliesTo: () => true,
    pattern: /(?<![\w.~}-])\/(?:root|work|Users|home\/[a-z]\w*)\/(?!\*)|\b[A-Z]:\\\\?Users\\/,
  },
];

/** One line per place where a file breaks a rule. */
export function findForbiddenText(path: string, text: string): string[] {
  const rules = TEXT_RULES.filter((rule) => rule.appliesTo(path));
  const found = text.split("\n").flatMap((line, index) =>
    rules.filter((rule) => rule.pattern.test(rule.inComments === false ? codeOf(line) : line))
      .map((rule) => `${path}:${index + 1}: ${rule.sentence}`)
  );
  const lines = text.split("\n").length - 1;
  const isWritten = /^(services|shared|deploy)\//.test(path) && !GENERATED.includes(path);
  if (isCode(path) && isWritten && lines > MAX_LINES) {
    found.push(`${path}: a file has at most ${MAX_LINES} lines: it has ${lines}`);
  }
  return found;
}

/** A line without its comment, as far as one line can tell. */
function codeOf(line: string): string {
  return line.replace(/^\s*\/?\*.*$|\/\/.*$/, "");
}
