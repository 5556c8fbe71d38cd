/** The docs say what the code is: links lead somewhere, and tables list what there is. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { PROBLEMS } from "shared/problem/problem.ts";
import { readTasks } from "../deploy/local/service_command.ts";
import { operationsOf, serviceOf } from "../services/gateway/openapi/document.ts";
import { apiDocument } from "./harness/api_document.ts";
import { anchorsOf, linksOf, tableOf } from "./house/markdown.ts";
import { listFiles, readText } from "./house/source_tree.ts";

/** Routes that OpenAPI leaves out: pages. */
const ROUTES_BESIDE_OPENAPI = [
  "GET /",
  "GET /assets/{name}",
  "GET /favicon.ico",
  "GET /t/{orderId}",
];
/** Longest page of a decision. */
const MAX_ADR_LINES = 60;

async function read(path: string): Promise<string> {
  const text = await readText(path);
  if (text === undefined) throw new Error(`${path} is not text`);
  return text;
}

async function pages(): Promise<string[]> {
  return (await listFiles()).filter((path) => path.endsWith(".md"));
}

Deno.test("every link of the docs leads to a file, and to a heading in it", async () => {
  const files = await listFiles();
  const exists = (path: string) =>
    files.includes(path) || files.some((file) => file.startsWith(`${path.replace(/\/$/, "")}/`));
  const broken: string[] = [];
  let count = 0;
  for (const page of await pages()) {
    for (const link of linksOf(await read(page))) {
      if (/^[a-z]+:/.test(link)) continue;
      count++;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : normalize(join(dirname(page), path));
      if (!exists(target)) broken.push(`${page}: ${link}`);
      else if (anchor !== undefined && !anchorsOf(await read(target)).includes(anchor)) {
        broken.push(`${page}: ${link} (no such heading)`);
      }
    }
  }
  ok(count > 20, `only ${count} links were looked at`);
  deepStrictEqual(broken, []);
});

Deno.test("every task that the docs name is in deno.json", async () => {
  const tasks = await readTasks();
  const missing: string[] = [];
  let count = 0;
  for (const page of [...await pages(), ".env.example"]) {
    const named = (await read(page)).matchAll(/\bdeno(?:@[\d.]+)? task ([a-z]+(?::[a-z0-9]+)*)/g);
    for (const [, task = ""] of named) {
      count++;
      if (!Object.hasOwn(tasks, task)) missing.push(`${page}: ${task}`);
    }
  }
  ok(count > 10, `only ${count} tasks were looked at`);
  deepStrictEqual(missing, []);
});

Deno.test("architecture.md lists every route, and no other", async () => {
  const listed = tableOf(await read("docs/architecture.md"), "request").map(([request]) => request);
  deepStrictEqual(listed.toSorted(), [...await openApiRoutes(), ...ROUTES_BESIDE_OPENAPI].sort());
});

async function openApiRoutes(): Promise<string[]> {
  return operationsOf(await apiDocument()).map(({ name }) => name);
}

Deno.test("architecture.md says of every route which service answers", async () => {
  const page = await read("docs/architecture.md");
  const listed = new Map(
    tableOf(page, "request").map(([request = "", service]) => [request, service]),
  );
  for (const { name, operation } of operationsOf(await apiDocument())) {
    strictEqual(listed.get(name), serviceOf(operation), name);
  }
});

Deno.test("architecture.md lists every topic of shared/ and every table", async () => {
  const page = await read("docs/architecture.md");
  const topics = (await listFiles("shared")).map((path) => path.split("/")[1]);
  const listed = tableOf(page, "topic").map(([topic]) => topic);
  deepStrictEqual(listed, [...new Set(topics)].sort());
  const tables = tableOf(page, "Postgres tables").map(([names]) => names).join(" ");
  for (const path of await listFiles("migrations")) {
    for (const [, table = ""] of (await read(path)).matchAll(/^create table (\w+)/gm)) {
      ok(new RegExp(`\\b${table}\\b`).test(tables), `${table} of ${path} is not listed`);
    }
  }
});

Deno.test("operating.md lists every metric of the services, and no other", async () => {
  const declared: string[] = [];
  for (const path of await listFiles()) {
    if (!/^(services\/(?!simulator)[^/]+|shared\/metrics)\/metrics\.ts$/.test(path)) continue;
    for (const [, name = ""] of (await read(path)).matchAll(/name: "([a-z_]+)"/g)) {
      declared.push(name);
    }
  }
  const listed = tableOf(await read("docs/operating.md"), "metric").map(([metric]) => metric);
  deepStrictEqual(listed.toSorted(), declared.toSorted());
});

Deno.test("api.md lists every problem with its status and title", async () => {
  const listed = tableOf(await read("docs/api.md"), "code");
  const declared = Object.entries(PROBLEMS).map(([code, { status, title }]) => [
    code,
    String(status),
    title,
  ]);
  deepStrictEqual(listed, declared);
});

Deno.test("every decision has its number, its sections and a line in the list", async () => {
  const files = (await listFiles("docs/adr")).filter((path) => !path.endsWith("README.md"));
  const list = linksOf(await read("docs/adr/README.md"));
  deepStrictEqual(list, files.map((path) => path.slice("docs/adr/".length)));
  for (const [index, path] of files.entries()) {
    const number = String(index + 1).padStart(4, "0");
    const page = await read(path);
    ok(path.startsWith(`docs/adr/${number}-`), `${path} must have the number ${number}`);
    ok(page.startsWith(`# ${number} `), `${path} must begin with its number`);
    ok(/^- Date: \d{4}-\d\d-\d\d$/m.test(page), `${path} has no date`);
    ok(/^- Status: (proposed|accepted|replaced)/m.test(page), `${path} has no status`);
    const sections = anchorsOf(page).slice(1);
    deepStrictEqual(sections, ["context", "decision", "cost"], path);
    ok(page.split("\n").length <= MAX_ADR_LINES, `${path} is longer than a page`);
  }
});

Deno.test("one version of Deno is named everywhere", async () => {
  const named: Record<string, string | undefined> = {
    ".ci/run": /^wanted=(.+)$/m.exec(await read(".ci/run"))?.[1],
    Dockerfile: /^FROM denoland\/deno:(.+)$/m.exec(await read("deploy/docker/Dockerfile"))?.[1],
  };
  const inReadme = [...(await read("README.md")).matchAll(/\bdeno@([\d.]+)/gi)].map(([, v]) => v);
  strictEqual(new Set([...Object.values(named), ...inReadme]).size, 1);
  ok(inReadme.length > 0);
});
