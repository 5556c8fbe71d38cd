/** The mutants of `deno task mutants` must fit the product as it is: who changes one changes both. */
import assert from "node:assert/strict";
import { PROJECT_DIR } from "../deploy/local/data_dir.ts";
import { NEWER_EDITS } from "./chaos/newer_version.ts";
import { PatchError, replaceOnce } from "./harness/project_copy.ts";
import { MUTANTS } from "./mutants/catalogue.ts";

const CHAOS_SHARE = 0.5;

Deno.test("every mutant's patch applies to the product as it is", async () => {
  for (const [patch, { edits }] of Object.entries(MUTANTS)) {
    assert.ok(edits.length > 0, patch);
    for (const { file, find, replace } of edits) {
      const text = await Deno.readTextFile(`${PROJECT_DIR}/${file}`);
      assert.notEqual(replaceOnce(file, text, find, replace), text, patch);
    }
  }
});

Deno.test("the edits that make a newer version apply to the product as it is", async () => {
  const texts = new Map<string, string>();
  for (const { file, find, replace } of NEWER_EDITS) {
    const text = texts.get(file) ?? await Deno.readTextFile(`${PROJECT_DIR}/${file}`);
    texts.set(file, replaceOnce(file, text, find, replace));
  }
});

Deno.test("every patch of a mutant is in the catalogue, and half of them are the checker's", async () => {
  const files = [];
  for await (const { name } of Deno.readDir(`${PROJECT_DIR}/tests/mutants/patches`)) {
    files.push(name);
  }
  assert.deepEqual(Object.keys(MUTANTS).sort(), files.sort());
  const chaos = Object.values(MUTANTS).filter(({ detector }) => detector.phase === "chaos");
  assert.ok(chaos.length >= CHAOS_SHARE * files.length);
});

Deno.test("replaceOnce() refuses a text that is not there, or there twice", () => {
  assert.equal(replaceOnce("f", "a b c", "b", "$&"), "a $& c");
  assert.throws(() => replaceOnce("f", "a b c", "d", "e"), PatchError);
  assert.throws(() => replaceOnce("f", "a b b", "b", "e"), PatchError);
  assert.throws(() => replaceOnce("f", "a", "", "e"), PatchError);
});
