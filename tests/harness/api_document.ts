import { readApiDocument } from "../../services/gateway/openapi/described_app.ts";
import { documentOf, type OpenApiDocument } from "../../services/gateway/openapi/document.ts";

let document: Promise<OpenApiDocument> | undefined;

/** The OpenAPI document, made once: it is the same for every gateway of a process. */
export function apiDocument(): Promise<OpenApiDocument> {
  return document ??= readApiDocument();
}

const parts = new Map<string, Promise<OpenApiDocument>>();

/** What the document says of the operations that one service answers. */
export function serviceDocument(service: string): Promise<OpenApiDocument> {
  let part = parts.get(service);
  if (part === undefined) {
    part = apiDocument().then((whole) => documentOf(whole, service));
    parts.set(service, part);
  }
  return part;
}
