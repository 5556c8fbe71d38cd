/** The style sheet of the reference page: it stands here because the gateway serves it by itself. */
export const REFERENCE_STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#fdfdfb, #12181a);
  --ink: light-dark(#15211c, #e6ece8);
  --muted: light-dark(#56635c, #9fb0a7);
  --line: light-dark(#dfe4dd, #2b3639);
  --soft: light-dark(#f3f5f1, #1a2225);
  --accent: light-dark(#0b6b53, #5fd0ad);
  --get: light-dark(#0b6b53, #5fd0ad);
  --post: light-dark(#1d4f9c, #8ab4f8);
  --put: light-dark(#7a4b00, #e8b26a);
  --delete: light-dark(#a8281c, #f2948a);
}
* { box-sizing: border-box; }
html { scroll-padding-top: 6rem; }
body {
  margin: 0;
  background: var(--page);
  color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: break-word;
}
a { color: var(--accent); }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875em; }
nav {
  position: sticky;
  top: 0;
  z-index: 1;
  padding: 0.75rem 1rem;
  background: var(--page);
  border-bottom: 1px solid var(--line);
}
nav .brand { font-weight: 650; text-decoration: none; color: var(--ink); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav ul ul { padding-left: 0.75rem; font-size: 0.875rem; }
nav li li a { display: block; padding: 0.2rem 0; color: var(--muted); text-decoration: none; }
nav li li a:hover { color: var(--ink); }
nav .contents[open] > ul { max-height: 60vh; overflow: auto; }
main { max-width: 58rem; padding: 1rem; margin: 0 auto; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.02em; }
h2 { margin-top: 3rem; padding-bottom: 0.35rem; border-bottom: 1px solid var(--line); }
h2::first-letter { text-transform: uppercase; }
h4 { margin: 1.5rem 0 0.4rem; }
small { color: var(--muted); font-weight: 400; }
b { font: 600 0.75rem/1 ui-monospace, monospace; }
.get { color: var(--get); }
.post { color: var(--post); }
.put, .patch { color: var(--put); }
.delete { color: var(--delete); }
.needed { color: var(--put); }
.operation, .schema {
  margin: 0.5rem 0;
  border: 1px solid var(--line);
  border-radius: 0.6rem;
  background: var(--page);
}
.operation > summary, .schema > summary { padding: 0.7rem 0.9rem; cursor: pointer; }
.operation > summary > span { display: block; color: var(--muted); font-size: 0.9rem; }
.operation[open] > summary, .schema[open] > summary { border-bottom: 1px solid var(--line); }
.body { padding: 0.25rem 0.9rem 1rem; }
.anchor { color: var(--muted); font-size: 0.9rem; scroll-margin-top: 9rem; }
.anchor a { font-family: ui-monospace, monospace; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th { text-align: left; color: var(--muted); font-weight: 500; }
th, td { padding: 0.4rem 0.75rem 0.4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { min-width: 4rem; }
.members { margin: 0; padding-left: 1.1rem; }
.example { margin: 0.4rem 0; }
.example > summary { cursor: pointer; color: var(--accent); }
pre { margin: 0.4rem 0; padding: 0.8rem; overflow-x: auto; border-radius: 0.5rem; background: var(--soft); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 19rem minmax(0, 1fr); }
  html { scroll-padding-top: 1rem; }
  .anchor { scroll-margin-top: 6rem; }
  nav {
    align-self: start;
    height: 100vh;
    overflow: auto;
    border-right: 1px solid var(--line);
    border-bottom: 0;
  }
  /* There is room: the contents stay open, where the browser knows how. */
  nav .contents::details-content { display: block; content-visibility: visible; }
  nav .contents > ul, nav .contents[open] > ul { max-height: none; }
  .operation > summary > span { display: inline; margin-left: 0.6rem; }
}
`;
