import type { z } from "zod";
import type { FieldProblem } from "./problem.ts";

type Issue = z.core.$ZodIssue;

/** Values of these fields are never echoed back: they are secrets, or a person's contact. */
const HIDDEN = /password|token|secret|ticket|phone|email/i;
const MAX_ERRORS = 20;
const MAX_VALUE_CHARACTERS = 80;

/**
 * Turns zod issues into the field, the bound and the value of each (at most 20).
 *
 * @param input the value that was parsed, to find what each field held.
 */
export function fieldProblems(issues: readonly Issue[], input: unknown): FieldProblem[] {
  return issues.slice(0, MAX_ERRORS).flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, MAX_ERRORS).map((key) => ({
        field: [...issue.path, key].join("."),
        bound: "is not a known field",
      }));
    }
    const field = issue.path.join(".") || "body";
    const value = valueAt(input, issue.path);
    const shown = value === undefined || HIDDEN.test(field) ? {} : { value: shownValue(value) };
    return [{ field, bound: boundOf(issue), ...shown }];
  });
}

function boundOf(issue: Issue): string {
  switch (issue.code) {
    case "too_small":
      return `must be ${issue.inclusive === false ? ">" : ">="} ${issue.minimum}${unit(issue)}`;
    case "too_big":
      return `must be ${issue.inclusive === false ? "<" : "<="} ${issue.maximum}${unit(issue)}`;
    case "invalid_type":
      return `must be ${issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}`;
    default:
      return issue.message;
  }
}

function unit(issue: { origin: string }): string {
  if (issue.origin === "string") return " characters";
  return issue.origin === "array" ? " entries" : "";
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

/** A value as a refusal may show it: short, and what JSON has no number for as text. */
export function shownValue(value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "string") return value.slice(0, MAX_VALUE_CHARACTERS);
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "[array]" : "[object]";
  }
  return value;
}
