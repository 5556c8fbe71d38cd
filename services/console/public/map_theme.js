// @ts-check
/// <reference lib="dom" />
/** @import { MapTheme } from "./street_painter.js" */
/** @import { MarkerTheme } from "./marker_painter.js" */

/**
 * Colours from the style sheet, so that light and dark are decided in one place.
 * @param {HTMLElement} element
 * @returns {{ font: string, streets: MapTheme, markers: MarkerTheme }}
 */
export function readMapTheme(element) {
  const style = getComputedStyle(element);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return {
    font: style.fontFamily,
    streets: {
      land: colour("--map-land"),
      casing: colour("--map-casing"),
      label: colour("--map-label"),
      streets: {
        motorway: colour("--map-motorway"),
        main: colour("--map-main"),
        street: colour("--map-street"),
        service: colour("--map-service"),
        path: colour("--map-path"),
      },
    },
    markers: {
      ink: colour("--marker-ink"),
      onInk: colour("--marker-on-ink"),
      home: colour("--marker-home"),
      onHome: colour("--marker-on-home"),
      courier: colour("--marker-courier"),
      onCourier: colour("--marker-on-courier"),
      rim: colour("--marker-rim"),
      shadow: colour("--marker-shadow"),
    },
  };
}
