/** Tells "no such path" from "not with this method" (RFC 9110 §15.5.6). */

/** A route as the router lists it. */
export interface Route {
  readonly method: string;
  readonly path: string;
}

/** Which methods each path of the API knows. */
export class KnownPaths {
  readonly #paths: { readonly pattern: RegExp; readonly methods: readonly string[] }[];

  /** @param routes all of the router's, middleware included, which is left out. */
  constructor(routes: readonly Route[]) {
    const real = routes.filter(({ method, path }) => method !== "ALL" && !path.includes("*"));
    this.#paths = [...Map.groupBy(real, ({ path }) => path)].map(([path, group]) => ({
      pattern: patternOf(path),
      methods: group.map(({ method }) => method),
    }));
  }

  /** The methods of a path, for `Allow`; empty for a path that nobody answers. */
  methodsOf(path: string): string[] {
    const methods = this.#paths.filter(({ pattern }) => pattern.test(path))
      .flatMap((known) => known.methods);
    if (methods.includes("GET")) methods.push("HEAD");
    return [...new Set(methods)].sort();
  }
}

function patternOf(path: string): RegExp {
  const parts = path.split("/").map((part) =>
    part.startsWith(":") ? "[^/]+" : part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  return new RegExp(`^${parts.join("/")}$`);
}
