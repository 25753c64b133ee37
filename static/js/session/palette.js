// @ts-check
/**
 * A colour for every label, the same on every page and in every session. Okabe and
 * Ito's palette, which people with any kind of colour vision can tell apart; the hot
 * dog has mustard to itself. `ink` is the text colour that reads on `fill`.
 *
 * @typedef {{fill: string, ink: string}} Paint
 */

const DARK = "#14110d";
const LIGHT = "#ffffff";

/** @type {Paint} */
export const HOT_DOG_PAINT = { fill: "#f0e442", ink: DARK };

/** @type {Paint[]} */
export const PAINTS = [
  { fill: "#56b4e9", ink: DARK },
  { fill: "#d55e00", ink: DARK },
  { fill: "#009e73", ink: DARK },
  { fill: "#cc79a7", ink: DARK },
  { fill: "#e69f00", ink: DARK },
  { fill: "#0072b2", ink: LIGHT },
];

/**
 * FNV-1a, 32 bit: short, stable, and spreads similar words well.
 *
 * @param {string} text
 */
function hash(text) {
  let value = 0x811c9dc5;
  for (const letter of text) {
    value = Math.imul(value ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  }
  return value >>> 0;
}

/**
 * @param {string} label
 * @returns {Paint}
 */
export function paintOf(label) {
  if (label === "hot dog") return HOT_DOG_PAINT;
  return PAINTS[hash(label) % PAINTS.length];
}
