// @ts-check
/**
 * What dragging and arrow keys do to a box, and which one is under a finger. Pure
 * functions in pixels of the picture; they know no DOM and no labels.
 *
 * A grip is the part of a box that is held: -1 its left or upper edge, 1 its right or
 * lower one, 0 neither; both 0 is the whole box.
 *
 * @typedef {[number, number, number, number]} Box left, top, right, bottom
 * @typedef {{x: number, y: number}} Point
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: -1 | 0 | 1, y: -1 | 0 | 1}} Grip
 */

/** A smaller box is a slip of the hand. */
export const MIN_SIDE = 4;

/** @type {Grip[]} corners first, which lie on two edges */
export const GRIPS = [
  { x: -1, y: -1 }, { x: 1, y: -1 }, { x: 1, y: 1 }, { x: -1, y: 1 },
  { x: 0, y: -1 }, { x: 1, y: 0 }, { x: 0, y: 1 }, { x: -1, y: 0 },
];
/** @type {Grip} */
export const WHOLE = { x: 0, y: 0 };

const clamp = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
  Math.min(Math.max(value, low), high);

/**
 * The box between two points, cut off at the picture's edges.
 *
 * @param {Point} a
 * @param {Point} b
 * @param {Size} size
 * @returns {Box}
 */
export function between(a, b, { width, height }) {
  return [
    clamp(Math.min(a.x, b.x), 0, width),
    clamp(Math.min(a.y, b.y), 0, height),
    clamp(Math.max(a.x, b.x), 0, width),
    clamp(Math.max(a.y, b.y), 0, height),
  ];
}

/** @param {Box} box */
export const isLargeEnough = ([left, top, right, bottom]) =>
  right - left >= MIN_SIDE && bottom - top >= MIN_SIDE;

/**
 * Drag a box by a grip: the whole of it keeps its size and stays inside the picture; an
 * edge stays inside too, and never passes the one opposite.
 *
 * @param {Box} box
 * @param {Grip} grip
 * @param {Point} by
 * @param {Size} size
 * @returns {Box}
 */
export function dragged([left, top, right, bottom], grip, by, { width, height }) {
  if (grip.x === 0 && grip.y === 0) {
    const x = clamp(by.x, -left, width - right);
    const y = clamp(by.y, -top, height - bottom);
    return [left + x, top + y, right + x, bottom + y];
  }
  return [
    grip.x < 0 ? clamp(left + by.x, 0, right - MIN_SIDE) : left,
    grip.y < 0 ? clamp(top + by.y, 0, bottom - MIN_SIDE) : top,
    grip.x > 0 ? clamp(right + by.x, left + MIN_SIDE, width) : right,
    grip.y > 0 ? clamp(bottom + by.y, top + MIN_SIDE, height) : bottom,
  ];
}

/**
 * Where a grip is held: a corner, or the middle of an edge.
 *
 * @param {Box} box
 * @param {Grip} grip
 * @returns {Point}
 */
export function gripPoint([left, top, right, bottom], grip) {
  const along = (/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ side) =>
    low + ((side + 1) / 2) * (high - low);
  return { x: along(left, right, grip.x), y: along(top, bottom, grip.y) };
}

/**
 * The grip of a box under a point.
 *
 * @param {Box} box
 * @param {Point} point
 * @param {number} reach how far from a grip still holds it
 * @returns {Grip | null} null if the point is beside the box
 */
export function gripAt(box, point, reach) {
  const held = GRIPS.find((grip) => {
    const { x, y } = gripPoint(box, grip);
    return Math.hypot(point.x - x, point.y - y) <= reach;
  });
  if (held) return held;
  const [left, top, right, bottom] = box;
  const isInside =
    left <= point.x && point.x <= right && top <= point.y && point.y <= bottom;
  return isInside ? WHOLE : null;
}

/**
 * Which box is under a point: the chosen one before all others, then the smallest, for
 * a larger one can be held beside it.
 *
 * @param {(Box | null)[]} boxes
 * @param {Point} point
 * @param {number} reach
 * @param {number} chosen whose grips can be held; -1 is none
 * @returns {{index: number, grip: Grip} | null}
 */
export function boxAt(boxes, point, reach, chosen) {
  const own = boxes[chosen];
  const grip = own && gripAt(own, point, reach);
  if (grip) return { index: chosen, grip };
  let found = null;
  let least = Infinity;
  for (const [index, box] of boxes.entries()) {
    if (!box || !gripAt(box, point, 0)) continue;
    const area = (box[2] - box[0]) * (box[3] - box[1]);
    if (area < least) [found, least] = [{ index, grip: WHOLE }, area];
  }
  return found;
}

/**
 * A box in the middle, for who has no pointer.
 *
 * @param {Size} size
 * @returns {Box}
 */
export const middle = ({ width, height }) =>
  [width / 4, height / 4, (width * 3) / 4, (height * 3) / 4];
