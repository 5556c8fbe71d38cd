/**
 * The reference as one page of plain HTML, made of the document: it needs no script, so the strictest
 * content policy holds, nothing comes from elsewhere, and it reads well on a phone. Pure.
 */
import {
  type DocumentedResponse,
  type JsonSchema,
  type MediaType,
  type OpenApiDocument,
  type Operation,
  operationsOf,
  type Parameter,
  parametersOf,
  type PlacedOperation,
  responsesOf,
  schemaNameOf,
  serviceOf,
} from "./document.ts";
import { descriptionOf, escaped, paragraphs, typeHtml } from "./schema_html.ts";

/** The whole page. `stylePath` is where its one style sheet is. */
export function referencePage(document: OpenApiDocument, stylePath: string): string {
  const { info, tags = [] } = document;
  const byTag = tags.map(({ name, description }) => ({
    name,
    description,
    operations: operationsOf(document).filter(({ operation }) => operation.tags?.includes(name)),
  }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(info.title)} API reference</title>
<link rel="icon" href="/favicon.ico">
<link rel="stylesheet" href="${escaped(stylePath)}">
</head>
<body>
<nav aria-label="Contents">
<a class="brand" href="#top">${escaped(info.title)} API</a>
<details class="contents"><summary>Contents</summary>
<ul>
${
    byTag.map(({ name, operations }) =>
      `<li><a href="#tag-${name}">${name}</a><ul>${operations.map(contentsLine).join("")}</ul></li>`
    ).join("\n")
  }
<li><a href="#schemas">shapes</a></li>
</ul>
</details>
</nav>
<main id="top">
<h1>${escaped(info.title)} API reference</h1>
${paragraphs(info.description)}
<p>The same as a document for programs: <a href="/api/v1/openapi.json">OpenAPI 3.1</a>.</p>
${
    byTag.map(({ name, description, operations }) =>
      `<section><h2 id="tag-${name}">${name}</h2>${paragraphs(description)}\n${
        operations.map((placed) => operationHtml(document, placed)).join("\n")
      }</section>`
    ).join("\n")
  }
<section><h2 id="schemas">shapes</h2>
${
    Object.entries(document.components.schemas).toSorted(([a], [b]) => a < b ? -1 : 1)
      .map(([name, schema]) => schemaHtml(name, schema)).join("\n")
  }
</section>
</main>
</body>
</html>
`;
}

function contentsLine({ method, path, operation }: PlacedOperation): string {
  const href = `#${operation.operationId}`;
  const title = escaped(operation.summary ?? path);
  return `<li><a href="${href}"><b class="${method.toLowerCase()}">${method}</b> ${title}</a></li>`;
}

function operationHtml(document: OpenApiDocument, placed: PlacedOperation): string {
  const { method, path, operation } = placed;
  const head = `<b class="${method.toLowerCase()}">${method}</b> <code>${escaped(path)}</code> ` +
    `<span>${escaped(operation.summary ?? "")}</span>`;
  return `<details class="operation"><summary>${head}</summary>
<div class="body"><p class="anchor" id="${operation.operationId}"><a href="#${operation.operationId}">${operation.operationId}</a>
${accessText(operation)}</p>
${paragraphs(operation.description ?? "")}
${parametersHtml(parametersOf(document, operation))}
${requestHtml(document, operation)}
${answersHtml(document, operation)}
</div></details>`;
}

function accessText(operation: Operation): string {
  const roles = operation["x-roles"];
  const scope = operation["x-scope"];
  if (roles === undefined) return "Needs no credential.";
  const service = serviceOf(operation);
  const where = service === "gateway" ? "" : ` Answered by the ${service} service.`;
  const schemes = (operation.security ?? []).flatMap((entry) => Object.keys(entry));
  if (!schemes.includes("session")) {
    return `For ${roles.join(", ")}. Takes only the key of a device.${where}`;
  }
  const keys = scope === "none"
    ? "no API key and no access token: a session"
    : scope === "any"
    ? "any API key"
    : `an API key with <code>${escaped(scope ?? "")}</code>`;
  const byLink = schemes.includes("trackingLink") ? " Also with the order's tracking link." : "";
  const byTicket = schemes.includes("ticket") ? " Also with a ticket." : "";
  return `For ${roles.join(", ")}. Takes ${keys}.${byLink}${byTicket}${where}`;
}

function parametersHtml(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map((parameter) =>
    `<tr><td><code>${escaped(parameter.name)}</code>${needed(parameter.required)}</td>` +
    `<td>${parameter.in}</td><td>${typeHtml(parameter.schema)}</td>` +
    `<td>${escaped(parameter.description ?? "")}</td></tr>`
  );
  return `<h4>Parameters</h4>${table(["name", "in", "type", "meaning"], rows)}`;
}

function requestHtml(document: OpenApiDocument, { requestBody }: Operation): string {
  if (requestBody === undefined) return "";
  const optional = requestBody.required === true ? "" : " <small>may be left out</small>";
  return `<h4>Body${optional}</h4>${mediaHtml(document, requestBody.content)}`;
}

function answersHtml(document: OpenApiDocument, operation: Operation): string {
  const responses = Object.entries(responsesOf(document, operation));
  const good = responses.filter(([status]) => Number(status) < 400).map(([status, response]) =>
    `<h4>${status} <small>${escaped(response.description)}</small></h4>${
      mediaHtml(document, response.content ?? {})
    }`
  );
  const refusals = responses.filter(([status]) => Number(status) >= 400)
    .flatMap(([status, response]) => refusalRows(document, status, response));
  return `${good.join("")}<h4>Refusals</h4>${table(["status", "code", "meaning"], refusals)}`;
}

function refusalRows(
  document: OpenApiDocument,
  status: string,
  response: DocumentedResponse,
): string[] {
  return (response["x-problem-codes"] ?? []).map((code) => {
    const title = document.components.examples?.[code]?.summary ?? "";
    return `<tr><td>${status}</td><td><code>${code}</code></td><td>${escaped(title)}</td></tr>`;
  });
}

function mediaHtml(document: OpenApiDocument, content: Record<string, MediaType>): string {
  return Object.entries(content).map(([type, { schema, examples = {} }]) => {
    const shown = Object.entries(examples).map(([form, { $ref }]) => {
      const value = document.components.examples?.[$ref.replace("#/components/examples/", "")];
      const title = form === "usual" ? "Example" : `Example: ${form}`;
      const text = escaped(JSON.stringify(value?.value, null, 2));
      return `<details class="example"><summary>${title}</summary><pre>${text}</pre></details>`;
    });
    return `<p>${typeHtml(schema)} <small>${escaped(type)}</small></p>${shown.join("")}`;
  }).join("");
}

function schemaHtml(name: string, schema: JsonSchema): string {
  const id = `schema-${name}`;
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const required: unknown = schema["required"];
  const isNeeded = (member: string) => Array.isArray(required) && required.includes(member);
  const rows = Object.entries(properties).map(([member, inner]) =>
    `<tr><td><code>${escaped(member)}</code>${needed(isNeeded(member))}</td>` +
    `<td>${typeHtml(inner)}</td><td>${descriptionOf(inner)}</td></tr>`
  );
  const inside = rows.length > 0
    ? table(["member", "type", "bounds"], rows)
    : `<p>${formsHtml(schema)}</p>`;
  return `<details class="schema"><summary><code>${name}</code></summary>` +
    `<div class="body"><p class="anchor" id="${id}"><a href="#${id}">${name}</a></p>${inside}</div></details>`;
}

/** Each form of a union on a line of its own. */
function formsHtml(schema: JsonSchema): string {
  const forms: unknown = schema["oneOf"] ?? schema["anyOf"] ?? schema["allOf"];
  if (!Array.isArray(forms) || schemaNameOf(schema) !== undefined) return typeHtml(schema);
  return `<ul>${forms.map((form: JsonSchema) => `<li>${typeHtml(form)}</li>`).join("")}</ul>`;
}

function needed(isNeeded: boolean | undefined): string {
  return isNeeded === true ? ' <small class="needed">required</small>' : "";
}

function table(head: readonly string[], rows: readonly string[]): string {
  const cells = head.map((name) => `<th scope="col">${name}</th>`).join("");
  return `<div class="scroll"><table><thead><tr>${cells}</tr></thead><tbody>${
    rows.join("")
  }</tbody></table></div>`;
}
