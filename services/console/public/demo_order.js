// @ts-check
/** @import { Point, WorldPoint } from "../track_types.ts" */
/** @import { MapLine } from "./street_map.js" */
import { project, unproject } from "./projection.js";

/**
 * Places an order as the demo's customer, through the same public API as everyone else: log in, look
 * up shops, order, follow the link. Nothing is stored; the session lives as long as the page.
 */

const MIN_DROPOFF_M = 500;
const MAX_DROPOFF_M = 1_800;
const MERCHANT_LIMIT = 6;
const MERCHANT_RADIUS_M = 5_000;
/** A dropoff may lie where nobody delivers: so many are tried. */
const DROPOFF_TRIES = 5;
const REQUEST_TIMEOUT_MS = 15_000;

/** @typedef {{ south: number, west: number, north: number, east: number }} Bounds */
/** @typedef {{ id: string, name: string, bounds: Bounds }} Region */
/** @typedef {{ regionId: string, customer: { email: string, password: string } }} Demo */
/**
 * @typedef {{ id: string, name: string, category: string, location: Point, open: boolean,
 *   preparationMinutes: number }} Merchant
 */

/** What the API refused, in words fit to show. */
export class RequestRefused extends Error {
  /** @param {{ status: number, code: string, title: string }} problem as RFC 9457 names them */
  constructor({ status, code, title }) {
    super(title);
    this.status = status;
    this.code = code;
  }
}

/**
 * The demo's settings, or null where the server is no demo.
 * @returns {Promise<Demo | null>}
 */
export async function findDemo() {
  try {
    const demo = await request("/api/v1/demo");
    return demo?.enabled === true ? demo : null;
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) return null;
    throw error;
  }
}

/**
 * The region with this id, or the first one where none is asked for.
 * @param {string | null} regionId
 * @returns {Promise<Region | null>}
 */
export async function findRegion(regionId) {
  /** @type {{ items: Region[] }} */
  const { items } = await request("/api/v1/regions");
  return (regionId === null ? items[0] : items.find(({ id }) => id === regionId)) ?? null;
}

/**
 * Some open shops around the middle of a region.
 * @param {Region} region
 * @returns {Promise<Merchant[]>}
 */
export async function listMerchants({ bounds }) {
  const query = new URLSearchParams({
    lat: String((bounds.south + bounds.north) / 2),
    lon: String((bounds.west + bounds.east) / 2),
    radiusM: String(MERCHANT_RADIUS_M),
    limit: "20",
  });
  /** @type {{ items: Merchant[] }} */
  const { items } = await request(`/api/v1/merchants?${query}`);
  return items.filter(({ open }) => open).slice(0, MERCHANT_LIMIT);
}

/**
 * Orders the first thing on the menu to a random place, and answers where to watch it.
 * @param {Demo} demo
 * @param {{ merchant: Merchant, region: Region, lines: readonly MapLine[] }} options
 * @returns {Promise<string>} path and fragment of the tracking page
 */
export async function placeDemoOrder(demo, { merchant, region, lines }) {
  const { token } = await request("/api/v1/auth/login", { body: demo.customer });
  const path = `/api/v1/merchants/${encodeURIComponent(merchant.id)}/menu`;
  /** @type {{ items: { id: string, available: boolean }[] }} */
  const menu = await request(path, { token });
  const item = menu.items.find(({ available }) => available);
  if (item === undefined) {
    throw new RequestRefused({
      status: 409,
      code: "menu_item.unavailable",
      title: `${merchant.name} has nothing to sell now`,
    });
  }
  for (let attempt = 1;; attempt++) {
    const dropoff = pickDropoff(lines, { from: merchant.location, bounds: region.bounds });
    try {
      const order = await request("/api/v1/orders", {
        token,
        idempotencyKey: randomKey(),
        body: {
          kind: "marketplace",
          merchantId: merchant.id,
          items: [{ menuItemId: item.id, quantity: 1 }],
          dropoff,
        },
      });
      return `/t/${encodeURIComponent(order.id)}#${encodeURIComponent(order.tracking.token)}`;
    } catch (error) {
      const outside = error instanceof RequestRefused &&
        error.code === "order.outside_service_area";
      if (!outside || attempt >= DROPOFF_TRIES) throw error;
    }
  }
}

/**
 * A place on a street within reach of a shop, where people live: a corner of a small street inside
 * the region. Without a map, any place at that distance.
 * @param {readonly MapLine[]} lines
 * @param {{ from: Point, bounds: Bounds, random?: () => number }} options
 * @returns {Point}
 */
export function pickDropoff(lines, { from, bounds, random = Math.random }) {
  const centre = project(from);
  // Mercator metres are longer than real ones by 1 / cos(lat).
  const stretch = 1 / Math.cos(from.lat * Math.PI / 180);
  /** @type {WorldPoint[]} */
  const corners = [];
  for (const { mapClass, points } of lines) {
    if (mapClass !== "street") continue;
    for (const point of points) {
      const awayM = Math.hypot(point.x - centre.x, point.y - centre.y) / stretch;
      if (awayM < MIN_DROPOFF_M || awayM > MAX_DROPOFF_M) continue;
      if (isInside(bounds, unproject(point))) corners.push(point);
    }
  }
  const corner = corners[Math.floor(random() * corners.length)];
  if (corner !== undefined) return rounded(unproject(corner));
  const angle = random() * 2 * Math.PI;
  const reachM = (MIN_DROPOFF_M + random() * (MAX_DROPOFF_M - MIN_DROPOFF_M)) * stretch;
  return rounded(unproject({
    x: centre.x + Math.cos(angle) * reachM,
    y: centre.y + Math.sin(angle) * reachM,
  }));
}

/**
 * @param {Bounds} bounds
 * @param {Point} point
 */
function isInside({ south, west, north, east }, { lat, lon }) {
  return lat >= south && lat <= north && lon >= west && lon <= east;
}

/**
 * Six decimals are a tenth of a metre.
 * @param {Point} point
 */
function rounded({ lat, lon }) {
  return { lat: Number(lat.toFixed(6)), lon: Number(lon.toFixed(6)) };
}

/** `crypto.randomUUID` exists only on https and localhost; a demo may run on neither. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} path
 * @param {{ token?: string, idempotencyKey?: string, body?: unknown }} [options]
 */
export async function request(path, { token, idempotencyKey, body } = {}) {
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const value = await response.json().catch(() => null);
  if (response.ok) return value;
  const { code, title } = value ?? {};
  throw new RequestRefused({
    status: response.status,
    code: typeof code === "string" ? code : "unknown",
    title: typeof title === "string" ? title : `the server said ${response.status}`,
  });
}
