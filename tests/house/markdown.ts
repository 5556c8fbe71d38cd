/** What the checks of the docs read of Markdown. Pure; enough for the way these pages are written. */

/** The text without fenced code, line by line, so that line numbers stay. */
export function proseOf(markdown: string): string {
  let isCode = false;
  return markdown.split("\n").map((line) => {
    if (/^\s*```/.test(line)) {
      isCode = !isCode;
      return "";
    }
    return isCode ? "" : line;
  }).join("\n");
}

/** Targets of links and images. */
export function linksOf(markdown: string): string[] {
  return [...proseOf(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

/** The anchors of the headings, as GitHub makes them. */
export function anchorsOf(markdown: string): string[] {
  return [...proseOf(markdown).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-")
  );
}

/**
 * Cells of the table whose header row begins with `header`, without the header; code marks are
 * dropped.
 *
 * @throws Error when there is no such table, so that a check cannot pass on nothing.
 */
export function tableOf(markdown: string, header: string): string[][] {
  const lines = proseOf(markdown).split("\n");
  const start = lines.findIndex((line) => cellsOf(line)[0] === header);
  if (start === -1) throw new Error(`no table begins with ${header}`);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(cellsOf(line));
  }
  return rows;
}

function cellsOf(line: string): string[] {
  if (!line.startsWith("|")) return [];
  return line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""));
}
