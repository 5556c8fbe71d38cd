// @ts-check
/// <reference lib="dom" />
/** @import { Demo, Merchant, Region } from "./demo_order.js" */
/** @import { MapLine, StreetMap } from "./street_map.js" */
import { findDemo, findRegion, listMerchants, placeDemoOrder, request } from "./demo_order.js";
import { RequestRefused } from "./demo_order.js";
import { readMapTheme } from "./map_theme.js";
import { project } from "./projection.js";
import { paintStreets } from "./street_painter.js";
import { buildStreetMap, decodeDrawableMap } from "./street_map.js";

/** The landing page: places an order where the server is a demo, else says how to. */

const BACKDROP_ZOOM = 13.6;

/** @type {readonly MapLine[]} */
let lines = [];

start().catch((error) => {
  console.warn("Home:", error instanceof Error ? error.message : error);
  byId("waiting").textContent = "Hexmile cannot be reached right now. Reload to try again.";
});

async function start() {
  const demo = await findDemo();
  const region = await findRegion(demo?.regionId ?? null);
  if (region !== null) {
    drawBackdrop(region).catch((error) => {
      // Only decoration: the page works without it.
      console.warn("Home: no street map:", error instanceof Error ? error.message : error);
    });
  }
  const merchants = demo === null || region === null ? [] : await listMerchants(region);
  byId("waiting").hidden = true;
  if (demo === null || region === null || merchants.length === 0) return showCommands(region);
  showForm(demo, region, merchants);
}

/**
 * @param {Demo} demo
 * @param {Region} region
 * @param {readonly Merchant[]} merchants
 */
function showForm(demo, region, merchants) {
  byId("intro").textContent =
    `A running demo in ${region.name}. Shops and couriers are simulated, the streets are real: ` +
    "place an order and watch it come.";
  byId("merchants").replaceChildren(...merchants.map(merchantRow));
  const form = /** @type {HTMLFormElement} */ (byId("order"));
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form).get("merchant");
    const merchant = merchants.find(({ id }) => id === chosen);
    if (merchant !== undefined) submit(demo, { merchant, region });
  });
}

/**
 * @param {Demo} demo
 * @param {{ merchant: Merchant, region: Region }} options
 */
async function submit(demo, { merchant, region }) {
  const button = /** @type {HTMLButtonElement} */ (byId("place"));
  const note = byId("order-note");
  button.disabled = true;
  note.dataset.tone = "plain";
  note.textContent = `Ordering from ${merchant.name}\u2026`;
  try {
    location.assign(await placeDemoOrder(demo, { merchant, region, lines }));
  } catch (error) {
    console.warn("Home: no order:", error instanceof Error ? error.message : error);
    note.dataset.tone = "bad";
    note.textContent = error instanceof RequestRefused
      ? `The order was not taken: ${error.message}.`
      : "Hexmile cannot be reached right now. Please try again.";
  } finally {
    button.disabled = false;
  }
}

/**
 * @param {Merchant} merchant
 * @param {number} index
 */
function merchantRow({ id, name, category, preparationMinutes }, index) {
  const row = document.createElement("label");
  row.className = "merchant";
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "merchant";
  input.value = id;
  input.checked = index === 0;
  const title = document.createElement("span");
  title.className = "merchant-name";
  title.textContent = name;
  const note = document.createElement("span");
  note.className = "quiet";
  note.textContent = `${category} \u00b7 ${preparationMinutes} min`;
  row.append(input, title, note);
  return row;
}

/** @param {Region | null} region */
function showCommands(region) {
  const { south = 57.7, west = 11.95, north = 57.7, east = 11.99 } = region?.bounds ?? {};
  const place = (/** @type {number} */ share) =>
    `{"lat":${(south + (north - south) * 0.5).toFixed(5)},` +
    `"lon":${(west + (east - west) * share).toFixed(5)}}`;
  const json = "-H 'content-type: application/json'";
  byId("commands-text").textContent = [
    `API=${location.origin}/api/v1`,
    `TOKEN=$(curl -s $API/auth/register ${json} \\`,
    `  -d '{"email":"me@example.org","password":"a long passphrase",` +
    `"name":"Me","role":"customer"}' \\`,
    `  | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`,
    `curl -s $API/orders ${json} \\`,
    `  -H "authorization: Bearer $TOKEN" \\`,
    `  -H "idempotency-key: $(date +%s)" \\`,
    `  -d '{"kind":"parcel","pickup":${place(0.45)},"dropoff":${place(0.55)}}'`,
  ].join("\n");
  byId("commands").hidden = false;
}

/** @param {Region} region */
async function drawBackdrop({ id, bounds }) {
  const map = decodeDrawableMap(await request(`/api/v1/map/${encodeURIComponent(id)}`));
  lines = map.lines;
  // Names would compete with the card.
  const streets = { ...buildStreetMap(map), named: [] };
  const centre = project({
    lat: (bounds.south + bounds.north) / 2,
    lon: (bounds.west + bounds.east) / 2,
  });
  const draw = () => paintBackdrop(streets, centre);
  draw();
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  byId("attribution").hidden = false;
}

/**
 * @param {StreetMap} streets
 * @param {{ x: number, y: number }} center
 */
function paintBackdrop(streets, center) {
  const canvas = /** @type {HTMLCanvasElement} */ (byId("backdrop"));
  const context = canvas.getContext("2d");
  if (context === null) return;
  const ratio = Math.min(2, devicePixelRatio);
  const { clientWidth: widthPx, clientHeight: heightPx } = canvas;
  canvas.width = Math.round(widthPx * ratio);
  canvas.height = Math.round(heightPx * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const { streets: theme, font } = readMapTheme(document.body);
  paintStreets(context, {
    streets,
    view: { center, zoom: BACKDROP_ZOOM, widthPx, heightPx },
    theme,
    font,
  });
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element #${id}`);
  return element;
}
