/** `docs/api_access.md`: who may do what, made of the document. Pure. */
import { ROLES } from "shared/auth/principal.ts";
import { type OpenApiDocument, operationsOf } from "./document.ts";

const HEAD = `# Who may do what

Made by \`deno task openapi\` from the routes: do not edit. A test asks every operation as every role,
with every scope and every kind of credential: a role without a mark is answered 403
(\`auth.forbidden\`), a key without the scope 403 (\`auth.scope_missing\`), nobody at all 401
(\`auth.required\`). What is allowed here but is somebody else's answers 404.

A scope narrows API keys; \`any\` is every key, \`session\` none: a person has to be signed in. Whoever
has an order's tracking link may do what is marked \`link\` for that order. What is under
\`/api/v1/devices\` takes only keys, as the app of a device has one.
`;

/** The text of the page, formatted as \`deno fmt\` has it. */
export function accessPage(document: OpenApiDocument): string {
  const head = ["request", "scope", "everybody", ...ROLES, "link"];
  const rows = operationsOf(document).map(({ name, operation }) => {
    const roles = operation["x-roles"];
    const scope = operation["x-scope"];
    const hasLink = (operation.security ?? []).some((entry) => "trackingLink" in entry);
    return [
      `\`${name}\``,
      scope === undefined ? "" : scope === "none" ? "session" : scope,
      roles === undefined ? "x" : "",
      ...ROLES.map((role) => roles?.includes(role) ? "x" : ""),
      hasLink ? "x" : "",
    ];
  });
  return `${HEAD}\n${table(head, rows)}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) =>
    Math.max(3, ...[head, ...rows].map((row) => row[at]?.length ?? 0))
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
