// @ts-check
/**
 * Where the label chips of the boxes go: inside the picture, clear of each other and
 * of what lies over the picture. Pure functions; knows no DOM.
 *
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Rect} Rect
 * @typedef {{box: Box, width: number, height: number, place?: number}} Chip `place`
 *   is where it sat last time, which is tried first so that labels don't hop about
 * @typedef {Rect & {place: number}} PlacedChip
 */

/**
 * @param {Rect} a
 * @param {Rect} b
 */
export function overlaps(a, b) {
  return (
    a.x < b.x + b.width && b.x < a.x + a.width &&
    a.y < b.y + b.height && b.y < a.y + a.height
  );
}

/**
 * The places a chip may take, in order of preference: at the corners of its box,
 * outside before inside and above before below, then along its left edge, but never
 * so far away that it seems to belong to something else.
 *
 * @param {Chip} chip
 * @param {Size} bounds
 * @returns {{x: number, y: number}[]}
 */
function places({ box: [x1, y1, x2, y2], width, height }, bounds) {
  const right = x2 - width;
  const spots = [
    { x: x1, y: y1 - height },
    { x: x1, y: y1 },
    { x: x1, y: y2 },
    { x: right, y: y1 - height },
    { x: right, y: y1 },
    { x: x1, y: y2 - height },
    { x: right, y: y2 },
    { x: right, y: y2 - height },
  ];
  for (let y = y1 + height; y <= y2 + height; y += height) spots.push({ x: x1, y });
  return spots.map(({ x, y }) => ({
    x: Math.max(0, Math.min(x, bounds.width - width)),
    y: Math.max(0, Math.min(y, bounds.height - height)),
  }));
}

/**
 * Lay chips out, the first ones first. One that fits nowhere gets null and isn't
 * drawn: no label is better than two that can't be read.
 *
 * @param {Chip[]} chips
 * @param {Size} bounds size of the picture
 * @param {Rect[]} obstacles
 * @returns {(PlacedChip | null)[]}
 */
export function placeChips(chips, bounds, obstacles = []) {
  const taken = [...obstacles];
  return chips.map((chip) => {
    const { width, height } = chip;
    if (width > bounds.width || height > bounds.height) return null;
    const spots = places(chip, bounds);
    const order = [...spots.keys()];
    if (chip.place !== undefined && chip.place in spots) order.unshift(chip.place);
    for (const place of order) {
      const rect = { ...spots[place], width, height };
      if (taken.some((other) => overlaps(rect, other))) continue;
      taken.push(rect);
      return { ...rect, place };
    }
    return null;
  });
}

/**
 * Shorten a text with an ellipsis until it fits.
 *
 * @param {string} text
 * @param {number} width
 * @param {(text: string) => number} measure
 */
export function shorten(text, width, measure) {
  if (measure(text) <= width) return text;
  const letters = [...text];
  let fits = 0;
  let fails = letters.length;
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (measure(`${letters.slice(0, middle).join("")}…`) <= width) fits = middle;
    else fails = middle;
  }
  return `${letters.slice(0, fits).join("").trimEnd()}…`;
}
