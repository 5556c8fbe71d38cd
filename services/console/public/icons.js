// @ts-check
/// <reference lib="dom" />

/** Line icons on a 24 x 24 grid, as SVG path data: one source for the panel and the map. */
export const ICONS = {
  home: "M4 11.3 12 4.6l8 6.7M6.4 9.6V19h11.2V9.6M10 19v-5h4v5",
  store: "M5.6 10.8V19h12.8v-8.2M4.3 9.2 6 5h12l1.7 4.2a2.6 2.6 0 0 1-5.1 0 2.6 2.6 0 0 1-5.2 0 " +
    "2.6 2.6 0 0 1-5.1 0zM10 19v-4.4h4V19",
  box: "M4.5 8 12 4l7.5 4v8L12 20l-7.5-4zM4.5 8l7.5 4 7.5-4M12 12v8",
  bicycle: "M5.8 12.2a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zM18.2 12.2a3.4 3.4 0 1 0 0 6.8 " +
    "3.4 3.4 0 0 0 0-6.8zM5.8 15.6 9 9.2h6.4l2.8 6.4M9 9.2l3.2 6.4 3.2-6.4M7.6 7.6h2.6" +
    "M15.4 9.2l-.7-2.6h2.2M5.8 15.6h6.4",
  motorcycle: "M5.8 14a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2zM18.4 14a2.6 2.6 0 1 0 0 5.2 " +
    "2.6 2.6 0 0 0 0-5.2zM8.4 16.6h5.2c.3-2.6 1.1-4 2.7-4.6L14.8 6h-2.4M16.3 12l2.1 2" +
    "M4.2 12.6c.4-1 1.2-1.6 2.4-1.6h4.2v5.6",
  car: "M4 16.8v-4.2L5.9 7.4h12.2l1.9 5.2v4.2zM4 12.6h16M6.2 16.8v1.8M17.8 16.8v1.8" +
    "M7 14.7h1.6M15.4 14.7H17",
  van: "M5.2 16.8H3.6V7h10.2v9.8H9M13.8 10h3.9l2.7 3.3v3.5h-1.6M13.8 16.8h1.2" +
    "M7.1 15a1.9 1.9 0 1 0 0 3.8 1.9 1.9 0 0 0 0-3.8zM16.9 15a1.9 1.9 0 1 0 0 3.8 " +
    "1.9 1.9 0 0 0 0-3.8z",
  foot: "M13.2 3.4a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zM12.4 9l-1.9 5 3 2.4.9 4.2" +
    "M10.5 14l-.9 3.2-2.4 3.4M12.4 9 9 10.8v3M12.4 9l2.4 2.8 2.8.7",
  check: "M5.5 12.6l4.3 4.3 8.7-9.4",
  cross: "M7 7l10 10M17 7 7 17",
};

/**
 * The icon of a vehicle; a box for one this page does not know.
 * @param {string} vehicle
 * @returns {keyof typeof ICONS}
 */
export function vehicleIcon(vehicle) {
  switch (vehicle) {
    case "bicycle":
    case "motorcycle":
    case "car":
    case "van":
    case "foot":
      return vehicle;
    default:
      return "box";
  }
}

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * An icon as an SVG element in the colour of the text around it, hidden from screen readers.
 * @param {keyof typeof ICONS} name
 */
export function iconElement(name) {
  const svg = document.createElementNS(SVG_NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG_NAMESPACE, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
