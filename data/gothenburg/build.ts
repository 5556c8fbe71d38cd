/**
 * Makes `streets.json.gz` from an Overpass export of Gothenburg's highways; see README.md for where
 * to get it. The input is checked by its hash, ways are put in an order that does not depend on it,
 * and the gzip header carries no time, so the same input gives the same streets.
 *
 *   deno run --allow-read --allow-write=data/gothenburg data/gothenburg/build.ts <large-network.json>
 */
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { readOsmWay } from "shared/streets/osm_tags.ts";
import type { StreetWay } from "shared/streets/street_way.ts";
import { encodeStreetsFile } from "shared/streets/streets_file.ts";

const INPUT_SHA256 = "e43f69b9b18a6b37d6a73fcb95631389be2ebae44cb3b74efc3b493d6033c1e4";
const ATTRIBUTION = "\u00a9 OpenStreetMap contributors";
const SOURCE = "OpenStreetMap, Overpass export of 2016-12-27T10:04:02Z, ODbL 1.0";
const OUTPUT = new URL("streets.json.gz", import.meta.url);

const position = z.tuple([z.number(), z.number()]);
const featureSchema = z.object({
  properties: z.record(z.string(), z.string()),
  geometry: z.discriminatedUnion("type", [
    z.object({ type: z.literal("LineString"), coordinates: z.array(position) }),
    z.object({ type: z.literal("Polygon"), coordinates: z.array(z.array(position)).min(1) }),
  ]),
});
type Feature = z.infer<typeof featureSchema>;

async function main(args: readonly string[]): Promise<number> {
  const [inputPath] = args;
  if (inputPath === undefined) {
    console.error("Cannot build streets: pass the path of large-network.json (see README.md)");
    return 2;
  }
  const bytes = await Deno.readFile(inputPath);
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  if (sha256 !== INPUT_SHA256) {
    console.error(
      `Cannot build streets: ${inputPath} must have SHA-256 ${INPUT_SHA256}: ${sha256}`,
    );
    return 2;
  }
  const { features } = z.object({ features: z.array(featureSchema) })
    .parse(JSON.parse(new TextDecoder().decode(bytes)));
  const ways = features.flatMap(toWay).sort(byPlace);
  const file = encodeStreetsFile({ attribution: ATTRIBUTION, source: SOURCE, ways });
  const packed = gzipSync(JSON.stringify(file), { level: 9 });
  await Deno.writeFile(OUTPUT, packed);
  const points = ways.reduce((total, way) => total + way.points.length, 0);
  console.log(`${ways.length} ways, ${points} points, ${packed.length} bytes`);
  return 0;
}

function toWay({ properties, geometry }: Feature): StreetWay[] {
  const polygon = geometry.type === "Polygon";
  const rules = readOsmWay(polygon ? { ...properties, area: "yes" } : properties);
  // The outline of an area stands for the ways across it.
  const line = geometry.type === "Polygon" ? geometry.coordinates[0] : geometry.coordinates;
  if (rules === null || line === undefined || line.length < 2) return [];
  return [{ ...rules, points: line.map(([lon, lat]) => ({ lat, lon })) }];
}

/**
 * Neighbours together (Z-order of the first point), which makes the differences small; then by all
 * other content, so that no two ways are left in the input's order.
 */
function byPlace(a: StreetWay, b: StreetWay): number {
  const order = zOrder(a) - zOrder(b);
  if (order !== 0) return order;
  const textA = JSON.stringify(a), textB = JSON.stringify(b);
  return textA < textB ? -1 : textA > textB ? 1 : 0;
}

function zOrder(way: StreetWay): number {
  const first = way.points[0];
  if (first === undefined) return 0;
  // 2^-10 degrees, about 100 m: finer cells do not compress better.
  const x = Math.floor((first.lon + 180) * 1024), y = Math.floor((first.lat + 90) * 1024);
  let order = 0;
  for (let bit = 19; bit >= 0; bit--) {
    order = order * 4 + ((y >> bit) & 1) * 2 + ((x >> bit) & 1);
  }
  return order;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
