import assert from "node:assert/strict";
import { libraryGroups } from "./redis_packages.ts";

Deno.test("libraryGroups() keeps the libraries and their alternatives together", () => {
  const text = [
    "redis-tools",
    "  Depends: adduser",
    "  PreDepends: libc6",
    "  Depends: libjemalloc2:amd64",
    " |Depends: libsystemd0",
    "  Depends: libelogind0",
    " |Depends: debconf",
    "  Depends: libdebian-installer4",
    "  Suggests: libruby",
    "  Depends: <libvirtual>",
    "    libreal",
  ].join("\n");
  assert.deepEqual(libraryGroups(text), [
    ["libc6"],
    ["libjemalloc2"],
    ["libsystemd0", "libelogind0"],
    ["libdebian-installer4"],
  ]);
});
