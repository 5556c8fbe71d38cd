import assert from "node:assert/strict";
import { KEPT_LINES, LastLines, LineSplitter, MAX_LINE_CHARS, readLines } from "./output_lines.ts";

Deno.test("LineSplitter gives whole lines whatever the pieces are", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const piece of ["a", "b\nc\r\n", "\n", "d"]) splitter.push(piece);
  assert.deepEqual(lines, ["ab", "c", ""]);
  splitter.end();
  assert.deepEqual(lines, ["ab", "c", "", "d"]);
});

Deno.test("LineSplitter cuts an endless line instead of keeping it", () => {
  const lengths: number[] = [];
  const splitter = new LineSplitter((line) => lengths.push(line.length));
  for (let piece = 0; piece < 5; piece++) splitter.push("x".repeat(MAX_LINE_CHARS / 2));
  splitter.end();
  assert.equal(lengths.reduce((sum, length) => sum + length, 0), MAX_LINE_CHARS * 2.5);
  assert.ok(Math.max(...lengths) <= MAX_LINE_CHARS);
});

Deno.test("LastLines keeps the newest lines only", () => {
  const lines = new LastLines();
  for (let number = 1; number <= KEPT_LINES + 5; number++) lines.add(String(number));
  assert.equal(lines.all().length, KEPT_LINES);
  assert.equal(lines.all()[0], "6");
});

Deno.test("readLines() decodes characters that are split between pieces", async () => {
  const bytes = new TextEncoder().encode("Göteborg\n");
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const lines: string[] = [];
  await readLines(stream, (line) => lines.push(line)).done;
  assert.deepEqual(lines, ["Göteborg"]);
});
