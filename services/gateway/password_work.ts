import { HasherBusyError } from "shared/auth/password_hasher.ts";
import { ProblemError } from "shared/problem/problem.ts";

/** Runs work of the password hasher; a full queue is a refusal and no error. */
export async function hashing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HasherBusyError) throw new ProblemError("auth.busy", { retryAfterS: 2 });
    throw error;
  }
}
