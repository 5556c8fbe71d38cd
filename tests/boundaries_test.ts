/** The house rules (docs/architecture.md), over every file of the repository. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { findForbiddenImports, findTopicCycle, topicOf } from "./house/import_rules.ts";
import { importsOf, readImports } from "./house/module_graph.ts";
import { isCode, listFiles, PROJECT_DIR, readText } from "./house/source_tree.ts";
import { findForbiddenText } from "./house/text_rules.ts";

/** This file, which has an example of everything forbidden. */
const EXAMPLES = "tests/boundaries_test.ts";
const CODE_FOLDERS = /^(services|shared|deploy|tests|data)\//;

async function allImports() {
  const files = (await listFiles()).filter((path) => isCode(path) && CODE_FOLDERS.test(path));
  return await readImports(files, PROJECT_DIR);
}

Deno.test("every import keeps the rules of the house", async () => {
  const imports = await allImports();
  // Guards the guard: a graph that was not read would break no rule.
  ok(imports.some(({ from, to }) => from === "services/gateway/main.ts" && topicOf(to) === "sql"));
  ok(imports.some(({ from, to }) => from === "services/gateway/deps.ts" && topicOf(to) === "auth"));
  deepStrictEqual(findForbiddenImports(imports), []);
});

Deno.test("the topics of shared/ have no cycle", async () => {
  deepStrictEqual(findTopicCycle(await allImports()), undefined);
});

Deno.test("no file has forbidden text or too many lines", async () => {
  const found: string[] = [];
  for (const path of await listFiles()) {
    if (path === EXAMPLES) continue;
    const text = await readText(path);
    if (text !== undefined) found.push(...findForbiddenText(path, text));
  }
  deepStrictEqual(found, []);
});

Deno.test("importsOf() reads code, type and remote imports of the repository's own files", () => {
  const info = {
    modules: [
      {
        specifier: "file:///h/services/a/app.ts",
        dependencies: [
          { specifier: "./x.ts", code: { specifier: "file:///h/services/a/x.ts" } },
          { specifier: "shared/y/y.ts", type: { specifier: "file:///h/shared/y/y.ts" } },
          { specifier: "zod", code: { specifier: "npm:zod@4.6.7" } },
        ],
      },
      { specifier: "node:path", kind: "node" },
    ],
  };
  deepStrictEqual(importsOf(info, "file:///h/"), [
    { from: "services/a/app.ts", to: "services/a/x.ts" },
    { from: "services/a/app.ts", to: "shared/y/y.ts" },
    { from: "services/a/app.ts", to: "npm:zod@4.6.7" },
  ]);
});

Deno.test("findForbiddenImports() reports each kind of forbidden import, and nothing else", () => {
  const from = (path: string, to: string) => findForbiddenImports([{ from: path, to }]).length;
  const cases: readonly [string, string, number][] = [
    ["services/a/app.ts", "services/b/rows.ts", 1],
    ["services/a/app.ts", "services/a/rows.ts", 0],
    ["services/a/app.ts", "shared/sql/connect.ts", 0],
    ["services/a/app.ts", "deploy/local/ports.ts", 1],
    ["services/a/app.ts", "tests/house/text_rules.ts", 1],
    ["services/a/app_test.ts", "services/a/main.ts", 1],
    ["shared/sql/connect.ts", "services/a/rows.ts", 1],
    ["shared/sql/connect.ts", "deploy/local/ports.ts", 1],
    ["shared/sql/connect.ts", "shared/log/log.ts", 0],
    ["deploy/env_example.ts", "services/a/config.ts", 0],
    ["deploy/env_example.ts", "services/a/app.ts", 1],
    ["tests/e2e/loop_test.ts", "services/a/app.ts", 0],
    ["services/a/app.ts", "npm:zod@4.6.7", 0],
    ["services/a/app.ts", "node:path", 0],
    ["services/a/app.ts", "jsr:@std/path@1", 1],
    ["services/a/app.ts", "https://example.com/mod.ts", 1],
  ];
  deepStrictEqual(cases.map(([path, to]) => [path, to, from(path, to)]), cases);
});

Deno.test("findTopicCycle() names the topics of a cycle, and leaves tests out", () => {
  const a = { from: "shared/a/a.ts", to: "shared/b/b.ts" };
  const b = { from: "shared/b/b.ts", to: "shared/c/c.ts" };
  const back = { from: "shared/c/c.ts", to: "shared/a/a.ts" };
  const test = { from: "shared/c/c_test.ts", to: "shared/a/a.ts" };
  deepStrictEqual(findTopicCycle([a, b]), undefined);
  deepStrictEqual(findTopicCycle([a, b, test]), undefined);
  deepStrictEqual(findTopicCycle([a, b, back]), ["a", "b", "c", "a"]);
});

Deno.test("findForbiddenText() reports each kind of forbidden text, and nothing else", () => {
  const cases: readonly [string, string, number][] = [
    ["services/a/app.ts", 'const x = Deno.env.get("X");', 1],
    ["services/a/main.ts", 'const x = Deno.env.get("X");', 0],
    ["deploy/local/demo.ts", 'const x = Deno.env.get("X");', 0],
    ["services/a/app.ts", "const { X } = process.env;", 1],
    ["services/a/app.ts", 'Deno.addSignalListener("SIGTERM", stop);', 1],
    ["services/a/app.ts", "await runService({", 1],
    ["shared/a/a.ts", "function f(x: any): void {}", 1],
    ["shared/a/a.ts", "const x = y as any;", 1],
    ["shared/a/a.ts", "const x: Record<string, any> = {};", 1],
    ["shared/a/a.ts", "const x: any[] = [];", 1],
    ["shared/a/a.ts", "/** A refusal is as good as any, an error is not. */", 0],
    ["shared/a/a.ts", "AbortSignal.any([a, b]); sql`x = any(${ids})`;", 0],
    ["shared/a/a.ts", "// of two, any of them", 0],
    ["shared/a/a.ts", "// @ts-ignore", 1],
    ["shared/a/a.ts", "// deno-lint-ignore no-explicit-any", 1],
    ["deno.json", '"@std/path": "jsr:@std/path"', 1],
    ["docs/adr/0003.md", "JSR (jsr:) is not used", 0],
    ["README.md", "see https://registry.example.com/x", 1],
    ["docs/x.md", "cd /home/ann/hexmile", 1],
    ["docs/x.md", "cd ~/home/hexmile && ls /var/tmp/hexmile-1", 0],
    ["services/a/app.ts", "x\n".repeat(401), 1],
    ["services/a/app.ts", "x\n".repeat(400), 0],
    ["tests/a_test.ts", "x\n".repeat(401), 0],
  ];
  deepStrictEqual(
    cases.map(([path, text]) => [path, text, findForbiddenText(path, text).length]),
    cases,
  );
});
