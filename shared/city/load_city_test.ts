import assert from "node:assert/strict";
import { CityError, loadCity } from "shared/city/load_city.ts";
import { courierStarts } from "shared/city/start_points.ts";

/** Writes a copy of Gridtown changed by `change` and gives its folder to `use`. */
async function withCity(
  change: (file: Record<string, unknown>) => unknown,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const file: unknown = JSON.parse(await Deno.readTextFile("data/gridtown/city.json"));
    assert.ok(typeof file === "object" && file !== null);
    await Deno.writeTextFile(`${folder}/city.json`, JSON.stringify(change({ ...file })));
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

Deno.test("loadCity() reads Gridtown", async () => {
  const city = await loadCity("data/gridtown/");
  assert.equal(city.region.id, "gridtown");
  assert.deepEqual(city.region.bounds, {
    south: 51.9995,
    west: 2.9992,
    north: 52.0125,
    east: 3.0202,
  });
  assert.equal(city.network.nodeCount, 144);
  assert.equal(city.network.edgeCount, 2 * 12 * 11 + 1);
  assert.equal(city.merchants.length, 2);
  assert.deepEqual(city.fleet.vehicles, ["bicycle", "bicycle", "motorcycle", "car", "van", "foot"]);
  assert.equal(courierStarts(city).length, 6);
});

Deno.test("loadCity() names the missing file of an unknown city", async () => {
  await assert.rejects(loadCity("data/atlantis"), {
    name: "CityError",
    path: "data/atlantis/city.json",
    message: "Cannot load city data/atlantis/city.json: no such file",
  });
});

Deno.test("loadCity() names every broken field of city.json", async () => {
  const broken = (file: Record<string, unknown>) => ({
    ...file,
    customers: { count: -1, seed: 1 },
  });
  await withCity((file) => ({ ...broken(file), fleets: [] }), async (folder) => {
    await assert.rejects(loadCity(folder), (error) => {
      assert.ok(error instanceof CityError);
      assert.ok(error.message.startsWith(`Cannot load city ${folder}/city.json: `));
      assert.match(error.message, /customers\.count: /);
      assert.match(error.message, /fleets/);
      return true;
    });
  });
});

Deno.test("loadCity() refuses a merchant outside the served area, a time zone nobody knows", async () => {
  const region = (file: Record<string, unknown>) => {
    assert.ok(typeof file.region === "object" && file.region !== null);
    return file.region;
  };
  await withCity(
    (file) => ({ ...file, region: { ...region(file), timeZone: "Europe/Atlantis" } }),
    async (folder) => {
      await assert.rejects(loadCity(folder), /region\.timeZone: must be an IANA time zone/);
    },
  );
  const elsewhere = [{ lat: 1, lon: 1 }, { lat: 1, lon: 2 }, { lat: 2, lon: 2 }];
  await withCity(
    (file) => ({ ...file, region: { ...region(file), servedArea: elsewhere } }),
    async (folder) => {
      await assert.rejects(
        loadCity(folder),
        /merchants\.1\.location: must lie inside region\.servedArea/,
      );
    },
  );
});

Deno.test("loadCity() refuses JSON that is none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/city.json`, "{ region: ");
    await assert.rejects(loadCity(folder), /city\.json: not JSON: /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("loadCity() names a street file that is missing, no gzip, no streets, or elsewhere", async () => {
  const streets = (file: string) => (city: Record<string, unknown>) => ({
    ...city,
    streets: { kind: "file", file },
  });
  await withCity(streets("streets.json.gz"), async (folder) => {
    const path = `${folder}/streets.json.gz`;
    await assert.rejects(loadCity(folder), { name: "CityError", path, message: /no such file/ });
    await Deno.writeTextFile(path, "plain text");
    await assert.rejects(loadCity(folder), { path, message: /not a usable gzip file/ });
    await Deno.writeFile(path, await gzipped("{"));
    await assert.rejects(loadCity(folder), { path, message: /not JSON/ });
    await Deno.writeFile(path, await gzipped("{}"));
    await assert.rejects(loadCity(folder), { path, message: /: format: / });
  });
  for (const file of ["../streets.json.gz", "/etc/passwd", "a/b.gz", ".."]) {
    await withCity(streets(file), async (folder) => {
      await assert.rejects(loadCity(folder), /streets\.file: /);
    });
  }
});
