/** `shared/client/api_types.ts`: the document as TypeScript. Pure. */
import {
  type JsonSchema,
  type OpenApiDocument,
  operationsOf,
  parametersOf,
  type PlacedOperation,
  responsesOf,
  schemaNameOf,
} from "./document.ts";

const HEAD = `/**
 * Made by \`deno task openapi\` from the routes: do not edit. The shapes of the public API,
 * and its operations by name.
 */
`;
const WIDTH = 100;

/** The text of the file, formatted as `deno fmt` has it. */
export function clientTypes(document: OpenApiDocument): string {
  const schemas = Object.entries(document.components.schemas)
    .toSorted(([a], [b]) => a < b ? -1 : 1)
    .map(([name, schema]) => namedType(name, schema));
  const operations = operationsOf(document).flatMap(operationLines(document));
  const requests = operationsOf(document).map(({ name, operation }) => {
    const [method = "", path = ""] = name.split(" ");
    const line = `  ${operation.operationId}: { method: "${method}", path: "${path}" },`;
    if (line.length <= WIDTH) return line;
    const members = [`    method: "${method}",`, `    path: "${path}",`];
    return [`  ${operation.operationId}: {`, ...members, "  },"].join("\n");
  });
  return [
    HEAD,
    ...schemas,
    "/** What each operation takes and gives; `answer` is undefined where there is no body. */",
    "export interface ApiOperations {",
    ...operations,
    "}",
    "",
    "/** Where each operation is. */",
    "export const API_REQUESTS = {",
    ...requests,
    "} as const satisfies Record<keyof ApiOperations, { method: string; path: string }>;",
    "",
  ].join("\n");
}

function namedType(name: string, schema: JsonSchema): string {
  if (schema["type"] === "object" && schema["properties"] !== undefined) {
    const members = memberLines(schema, "  ");
    return [`export interface ${name} {`, ...members, "}", ""].join("\n");
  }
  const branches = branchesOf(schema);
  if (branches.length > 1) {
    const lines = branches.map((branch) => `  | ${typeText(branch, "  ")}`);
    return `export type ${name} =\n${lines.join("\n")};\n`;
  }
  const { enum: values } = schema;
  if (Array.isArray(values)) {
    const line = `export type ${name} = ${values.map(literal).join(" | ")};`;
    if (line.length <= WIDTH) return `${line}\n`;
    return `export type ${name} =\n${values.map((value) => `  | ${literal(value)}`).join("\n")};\n`;
  }
  return `export type ${name} = ${typeText(schema, "")};\n`;
}

function branchesOf(schema: JsonSchema): JsonSchema[] {
  const branches = schema["anyOf"] ?? schema["oneOf"];
  return Array.isArray(branches) ? branches : [];
}

function memberLines(schema: JsonSchema, indent: string): string[] {
  const required: unknown = schema["required"];
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const lines = Object.entries(properties).map(([name, member]) => {
    const isNeeded = Array.isArray(required) && required.includes(name);
    const head = `${indent}readonly ${key(name)}${isNeeded ? "" : "?"}:`;
    const line = `${head} ${typeText(member, indent)};`;
    const { enum: values } = member;
    if (line.length <= WIDTH || !Array.isArray(values)) return line;
    return `${head}\n${values.map((value) => `${indent}  | ${literal(value)}`).join("\n")};`;
  });
  const others = schema["additionalProperties"];
  if (typeof others === "object" && others !== null) {
    lines.push(`${indent}readonly [name: string]: unknown;`);
  }
  return lines;
}

function typeText(schema: JsonSchema, indent: string): string {
  const name = schemaNameOf(schema);
  if (name !== undefined) return name;
  const branches = branchesOf(schema);
  if (branches.length > 0) {
    return branches.map((branch) => typeText(branch, indent)).join(" | ");
  }
  const parts = schema["allOf"];
  if (Array.isArray(parts)) {
    return parts.map((part: JsonSchema) => typeText(part, indent)).join(" & ");
  }
  if (Array.isArray(schema["enum"])) return schema["enum"].map(literal).join(" | ");
  if ("const" in schema) return literal(schema["const"]);
  const { type } = schema;
  if (Array.isArray(type)) {
    return type.map((one) => typeText({ ...schema, type: one }, indent)).join(" | ");
  }
  return plainText(schema, indent);
}

function plainText(schema: JsonSchema, indent: string): string {
  switch (schema["type"]) {
    case "string":
    case "boolean":
    case "null":
      return schema["type"];
    case "integer":
    case "number":
      return "number";
    case "array":
      return arrayText(schema, indent);
    case "object":
      return objectText(schema, indent);
    case undefined:
      return "unknown";
    default:
      throw new Error(`Cannot write a type: there is no ${JSON.stringify(schema)} in TypeScript`);
  }
}

function arrayText(schema: JsonSchema, indent: string): string {
  const item = typeText((schema["items"] ?? {}) as JsonSchema, indent);
  return / [|&] /.test(item.replaceAll(/\{[^]*\}/g, "")) ? `(${item})[]` : `${item}[]`;
}

function objectText(schema: JsonSchema, indent: string): string {
  if (schema["properties"] === undefined) {
    const others = schema["additionalProperties"];
    const value = typeof others === "object" && others !== null
      ? typeText(others as JsonSchema, indent)
      : "unknown";
    return `Readonly<Record<string, ${value}>>`;
  }
  const members = memberLines(schema, `${indent}  `);
  return ["{", ...members, `${indent}}`].join("\n");
}

function operationLines(document: OpenApiDocument) {
  return ({ operation }: PlacedOperation): string[] => {
    const parameters = parametersOf(document, operation);
    const media = Object.values(operation.requestBody?.content ?? {})[0];
    const members = [
      ...groupLines("path", parameters.filter((one) => one.in === "path")),
      ...groupLines("query", parameters.filter((one) => one.in === "query")),
      ...media === undefined ? [] : [
        `    readonly body${operation.requestBody?.required === true ? "" : "?"}: ${
          typeText(media.schema, "    ")
        };`,
      ],
      `    readonly answer: ${answerText(document, operation)};`,
    ];
    return [`  readonly ${operation.operationId}: {`, ...members, "  };"];
  };
}

function groupLines(
  group: string,
  parameters: readonly { readonly name: string; readonly required?: boolean; schema: JsonSchema }[],
): string[] {
  if (parameters.length === 0) return [];
  const isNeeded = parameters.some(({ required }) => required === true);
  const members = parameters.map(({ name, required, schema }) =>
    `      readonly ${key(name)}${required === true ? "" : "?"}: ${typeText(schema, "      ")}${
      required === true ? "" : " | undefined"
    };`
  );
  return [`    readonly ${group}${isNeeded ? "" : "?"}: {`, ...members, "    };"];
}

function answerText(document: OpenApiDocument, operation: PlacedOperation["operation"]): string {
  const texts = Object.entries(responsesOf(document, operation))
    // 101 opens a WebSocket: it is no answer.
    .filter(([status]) => Number(status) >= 200 && Number(status) < 300)
    .map(([, { content = {} }]) => {
      const media = content["application/json"];
      if (media === undefined) return Object.keys(content).length > 0 ? "string" : "undefined";
      return typeText(media.schema, "    ");
    });
  return texts.length === 0 ? "undefined" : [...new Set(texts)].join(" | ");
}

function key(name: string): string {
  return /^\w+$/.test(name) ? name : JSON.stringify(name);
}

function literal(value: unknown): string {
  return JSON.stringify(value);
}
