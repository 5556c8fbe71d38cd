import { readApiDocument } from "../../services/gateway/openapi/described_app.ts";
import type { OpenApiDocument } from "../../services/gateway/openapi/document.ts";

let document: Promise<OpenApiDocument> | undefined;

/** The gateway's OpenAPI document, made once: it is the same for every gateway of a process. */
export function apiDocument(): Promise<OpenApiDocument> {
  return document ??= readApiDocument();
}
