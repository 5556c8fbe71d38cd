/**
 * Parts of a URL as a server makes it. It begins with what the client said was the host, which need
 * not be one: the URL parser throws then, and takes longer.
 */

/** The path of an absolute URL. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}

/** The query of an absolute URL; empty where it has none. */
export function queryOf(url: string): URLSearchParams {
  const start = url.indexOf("?");
  return new URLSearchParams(start < 0 ? "" : url.slice(start + 1));
}
