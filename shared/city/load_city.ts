import { type CityFile, cityFileSchema } from "shared/city/city_file.ts";
import type { City } from "shared/city/city.ts";
import { boundsOf } from "shared/geo/area.ts";
import { gridStreets } from "shared/streets/grid_streets.ts";
import { buildStreetNetwork, type StreetNetwork } from "shared/streets/street_network.ts";
import { decodeStreetsFile } from "shared/streets/streets_file.ts";

/** Bound of an unpacked street file: a small gzip must not fill the memory. */
const MAX_STREETS_BYTES = 512 * 1024 * 1024;

/** A city folder that cannot be used. `message` is one sentence naming the path and the problem. */
export class CityError extends Error {
  override readonly name = "CityError";
  /** The file at fault. */
  readonly path: string;

  constructor(path: string, problem: string, cause?: unknown) {
    super(`Cannot load city ${path}: ${problem}`, { cause });
    this.path = path;
  }
}

/**
 * Reads `city.json` in `folder` and the street file it names, checks both and builds the street
 * network. Needs read permission for the folder only. Served area and merchants are checked against
 * each other, not against the streets: whether a place can be reached is the router's to say.
 *
 * @throws CityError for a folder that is unknown, unreadable or broken.
 */
export async function loadCity(folder: string): Promise<City> {
  const path = `${folder.replace(/\/+$/, "")}/city.json`;
  const file = parseCityFile(path, await readBytes(path));
  const network = await loadStreets(folder.replace(/\/+$/, ""), file.streets);
  const { servedArea } = file.region;
  return {
    region: { ...file.region, bounds: boundsOf(servedArea) },
    merchants: file.merchants,
    fleet: {
      seed: file.fleet.seed,
      vehicles: file.fleet.couriers.flatMap(({ vehicle, count }) =>
        new Array<typeof vehicle>(count).fill(vehicle)
      ),
    },
    customers: file.customers,
    attribution: network.attribution,
    network,
  };
}

function parseCityFile(path: string, bytes: Uint8Array<ArrayBuffer>): CityFile {
  const parsed = cityFileSchema.safeParse(parseJson(path, bytes));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) =>
    `${issue.path.join(".") || "file"}: ${issue.message}`
  );
  throw new CityError(path, problems.join("; "), parsed.error);
}

async function loadStreets(
  folder: string,
  streets: CityFile["streets"],
): Promise<StreetNetwork> {
  if (streets.kind === "grid") return buildStreetNetwork(gridStreets(streets), streets.attribution);
  const path = `${folder}/${streets.file}`;
  const packed = await readBytes(path);
  const value = parseJson(path, await gunzip(path, packed));
  try {
    const { ways, attribution } = decodeStreetsFile(value);
    return buildStreetNetwork(ways, attribution);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      throw new CityError(path, error.message, error);
    }
    throw error;
  }
}

async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new CityError(path, "no such file", error);
    throw new CityError(path, error instanceof Error ? error.message : String(error), error);
  }
}

async function gunzip(
  path: string,
  packed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let byteCount = 0;
  try {
    for await (const chunk of stream) {
      byteCount += chunk.byteLength;
      if (byteCount > MAX_STREETS_BYTES) {
        throw new RangeError(`must unpack to at most ${MAX_STREETS_BYTES} bytes`);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new CityError(path, `not a usable gzip file: ${problem}`, error);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function parseJson(path: string, bytes: Uint8Array<ArrayBuffer>): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new CityError(path, `not JSON: ${error.message}`, error);
    }
    throw error;
  }
}
