/** As much of XML 1.0 as our own files use, read strictly: whatever else stands there is an error. */

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

interface OpenElement {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly children: XmlElement[];
  text: string;
}

const TOKEN = /<(\/?)([A-Za-z][\w:.-]*)((?: [\w:.-]+="[^"<&]*")*)(\/?)>|([^<]+)/gy;
const ATTRIBUTE = / ([\w:.-]+)="([^"]*)"/g;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

/** Reads a document. @throws Error where it is not well formed. */
export function parseXml(document: string): XmlElement {
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  if (!document.startsWith(head)) throw new Error("no XML declaration");
  const text = document.slice(head.length).trimEnd();
  const root: OpenElement = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (found === null) throw new Error(`not well formed: ${text.slice(at, at + 80)}`);
    take(open, found);
  }
  const [element, ...others] = root.children;
  if (open.length !== 1 || element === undefined || others.length > 0) {
    throw new Error("a document has one element, which ends");
  }
  return element;
}

function take(open: OpenElement[], [, slash, name, attributes, empty, words]: RegExpExecArray) {
  const parent = open.at(-1);
  if (parent === undefined) throw new Error("nothing is open");
  if (words !== undefined) {
    parent.text += unescapeXml(words);
    return;
  }
  if (slash === "/") {
    const ended = open.pop();
    if (ended === undefined || ended.name !== name) {
      throw new Error(`</${name}> ends ${ended?.name}`);
    }
    open.at(-1)?.children.push(ended);
    return;
  }
  const element: OpenElement = { name: name ?? "", attributes: {}, children: [], text: "" };
  for (const [, key = "", value = ""] of (attributes ?? "").matchAll(ATTRIBUTE)) {
    if (key in element.attributes) throw new Error(`${key} stands twice`);
    element.attributes[key] = value;
  }
  if (empty === "/") parent.children.push(element);
  else open.push(element);
}

function unescapeXml(text: string): string {
  return text.replaceAll(/&(\w*);?/g, (whole, name: string) => {
    const character = ENTITIES[name];
    if (character === undefined || !whole.endsWith(";")) throw new Error(`no entity: ${whole}`);
    return character;
  });
}
