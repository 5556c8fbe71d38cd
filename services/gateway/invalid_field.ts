import { ProblemError } from "shared/problem/problem.ts";

/** A field that breaks a bound which its schema cannot know, as the schema's own refusals look. */
export function invalidField(field: string, bound: string, value: unknown): ProblemError {
  return new ProblemError("request.invalid", {
    detail: "Cannot use the request: fields must keep their bounds",
    errors: [{ field, bound, ...(value === undefined ? {} : { value }) }],
  });
}
