/** The parts of an OpenAPI 3.1 document that this API uses, as plain data. */

/** A JSON Schema, as plain data. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** Something written once under `components`. */
export interface Reference {
  readonly $ref: string;
}

export interface MediaType {
  schema: JsonSchema;
  examples?: Record<string, Reference>;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

export interface DocumentedResponse {
  readonly description: string;
  headers?: Record<string, Reference>;
  readonly content?: Record<string, MediaType>;
  /** Of a refusal: every code that it may have. */
  "x-problem-codes"?: readonly string[];
}

/** Where operations are answered. */
export interface Server {
  readonly url: string;
  readonly description: string;
  readonly variables?: Record<string, { readonly default: string; readonly description: string }>;
}

export interface Operation {
  operationId?: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  security?: Record<string, readonly string[]>[];
  /** Set where another service than the gateway answers. */
  readonly servers?: readonly Server[];
  readonly parameters?: (Parameter | Reference)[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Record<string, MediaType>;
  };
  readonly responses: Record<string, DocumentedResponse | Reference>;
  readonly "x-roles"?: readonly string[];
  readonly "x-scope"?: string;
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  servers?: Server[];
  tags?: { name: string; description: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, JsonSchema>;
    readonly securitySchemes: Record<string, JsonSchema>;
    parameters?: Record<string, Parameter>;
    responses?: Record<string, DocumentedResponse>;
    headers?: Record<string, { description: string; schema: JsonSchema }>;
    examples?: Record<string, { summary?: string; value: unknown }>;
  };
}

/** An operation with where it stands. `name` is as in `GET /api/v1/orders/{id}`. */
export interface PlacedOperation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Every operation, in the order of the document; methods in capitals. */
export function operationsOf(document: OpenApiDocument): PlacedOperation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([lower, operation]) => {
      const method = lower.toUpperCase();
      return { name: `${method} ${path}`, method, path, operation };
    })
  );
}

/** Who answers an operation. */
export function serviceOf({ servers }: Operation): string {
  return /^\{(\w+)Url\}$/.exec(servers?.[0]?.url ?? "")?.[1] ?? "gateway";
}

/** The operations that one service answers, with all shapes. */
export function documentOf(document: OpenApiDocument, service: string): OpenApiDocument {
  const paths = Object.entries(document.paths).map(([path, methods]) => {
    const own = Object.entries(methods).filter(([, one]) => serviceOf(one) === service);
    return [path, Object.fromEntries(own)] as const;
  });
  return { ...document, paths: Object.fromEntries(paths) };
}

/** The schema itself where it is only a reference. @throws Error when it leads nowhere. */
export function resolved(document: OpenApiDocument, schema: JsonSchema): JsonSchema {
  const ref = schema["$ref"];
  if (typeof ref !== "string") return schema;
  const found = document.components.schemas[ref.slice(SCHEMAS.length)];
  if (found === undefined) throw new Error(`Cannot resolve ${ref}: there is no such schema`);
  return resolved(document, found);
}

/** Where named schemas stand. */
export const SCHEMAS = "#/components/schemas/";

/** The name of a schema that is a reference; undefined for any other. */
export function schemaNameOf(schema: JsonSchema): string | undefined {
  const ref = schema["$ref"];
  return typeof ref === "string" && ref.startsWith(SCHEMAS) ? ref.slice(SCHEMAS.length) : undefined;
}

/** The parameters of an operation, references followed. */
export function parametersOf(document: OpenApiDocument, operation: Operation): Parameter[] {
  return (operation.parameters ?? []).map((parameter) => {
    if (!("$ref" in parameter)) return parameter;
    const name = parameter.$ref.slice(PARAMETERS.length);
    const found = document.components.parameters?.[name];
    if (found === undefined) throw new Error(`Cannot resolve ${parameter.$ref}: there is none`);
    return found;
  });
}

/** Where named parameters stand. */
export const PARAMETERS = "#/components/parameters/";

/** Where named answers stand. */
export const RESPONSES = "#/components/responses/";

/** The answers of an operation by status, references followed. */
export function responsesOf(
  document: OpenApiDocument,
  operation: Operation,
): Record<string, DocumentedResponse> {
  return Object.fromEntries(
    Object.entries(operation.responses).map(([status, response]) => {
      if (!("$ref" in response)) return [status, response];
      const found = document.components.responses?.[response.$ref.slice(RESPONSES.length)];
      if (found === undefined) throw new Error(`Cannot resolve ${response.$ref}: there is none`);
      return [status, found];
    }),
  );
}
