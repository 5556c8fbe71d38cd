import type { ProblemCode } from "shared/problem/problem.ts";

/** An expected "no": a code for programs, a sentence for people, members for both. */
export interface Refusal {
  readonly ok: false;
  readonly code: ProblemCode;
  readonly detail?: string;
  readonly members?: Readonly<Record<string, unknown>>;
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal;

export function refuse(
  code: ProblemCode,
  detail?: string,
  members?: Readonly<Record<string, unknown>>,
): Refusal {
  return {
    ok: false,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(members === undefined ? {} : { members }),
  };
}

export function succeed<T>(value: T): Outcome<T> {
  return { ok: true, value };
}
