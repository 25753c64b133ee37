// @ts-check
/**
 * Rectangles and nothing else: where the picture lies, how it is turned, and which box
 * is which from one result to the next. Pure functions; knows no DOM.
 *
 * A unit box is `xyxy` as a share of the picture (0..1), so that it survives a
 * resize; a rectangle is x, y, width, height in CSS pixels.
 *
 * @typedef {[number, number, number, number]} Box
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {import("./protocol.js").Frame} Frame
 * @typedef {import("./protocol.js").Rotation} Rotation
 * @typedef {{mirrored: boolean, rotation: Rotation}} Orientation how a camera's picture
 *   is shown: turned clockwise, and then perhaps as in a mirror
 */

/** Sides are rounded to even pixels, which matters in a small frame. */
const SHAPE_TOLERANCE = 0.04;

/**
 * Where `object-fit: contain` shows a picture on the stage, snapped to whole device
 * pixels so that a canvas laid over it is not blurred by resampling.
 *
 * @param {Size} stage
 * @param {Size} picture
 * @param {number} pixelRatio device pixels per CSS pixel
 * @returns {Rect}
 */
export function contentRect(stage, picture, pixelRatio) {
  if (!picture.width || !picture.height) return { x: 0, y: 0, width: 0, height: 0 };
  const scale = Math.min(
    stage.width / picture.width,
    stage.height / picture.height,
  );
  const snap = (/** @type {number} */ value) =>
    Math.round(value * pixelRatio) / pixelRatio;
  const width = snap(picture.width * scale);
  const height = snap(picture.height * scale);
  const x = snap((stage.width - width) / 2);
  const y = snap((stage.height - height) / 2);
  return { x, y, width, height };
}

/**
 * @param {Box} box in pixels of a frame, which may have been turned another way than
 *   the picture is shown now
 * @param {Frame} frame
 * @param {Orientation} shown
 * @returns {Box} unit box of the picture as it is shown
 */
export function toUnit([x1, y1, x2, y2], frame, { mirrored, rotation }) {
  const { width, height } = frame;
  const [left, top, right, bottom] = turnUnit(
    [x1 / width, y1 / height, x2 / width, y2 / height],
    rotation - frame.rotation,
  );
  return mirrored ? [1 - right, top, 1 - left, bottom] : [left, top, right, bottom];
}

/**
 * @param {Box} unit
 * @param {number} degrees clockwise, of either sign, in quarter turns
 * @returns {Box}
 */
export function turnUnit([x1, y1, x2, y2], degrees) {
  switch (((degrees % 360) + 360) % 360) {
    case 90: return [1 - y2, x1, 1 - y1, x2];
    case 180: return [1 - x2, 1 - y2, 1 - x1, 1 - y1];
    case 270: return [y1, 1 - x2, y2, 1 - x1];
    default: return [x1, y1, x2, y2];
  }
}

/**
 * @param {Size} size
 * @param {number} degrees of either sign, in quarter turns
 * @returns {Size}
 */
export function turnSize({ width, height }, degrees) {
  return degrees % 180 ? { width: height, height: width } : { width, height };
}

/**
 * Whether one may be the other, enlarged.
 *
 * @param {Size} a
 * @param {Size} b
 */
export function sameShape(a, b) {
  const wider = (a.width * b.height) / (a.height * b.width);
  return Math.abs(wider - 1) < SHAPE_TOLERANCE;
}

/**
 * @param {Box} unit
 * @param {Rect} rect
 * @returns {Box} in the coordinates of `rect`
 */
export function fromUnit([x1, y1, x2, y2], rect) {
  return [
    rect.x + x1 * rect.width,
    rect.y + y1 * rect.height,
    rect.x + x2 * rect.width,
    rect.y + y2 * rect.height,
  ];
}

/**
 * @param {Box} from
 * @param {Box} to
 * @param {number} share 0 gives `from`, 1 gives `to`
 * @returns {Box}
 */
export function between(from, to, share) {
  return /** @type {Box} */ (
    from.map((start, side) => start + (to[side] - start) * share)
  );
}

/**
 * @param {Box} a
 * @param {Box} b
 */
export function iou(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (/** @type {Box} */ box) => (box[2] - box[0]) * (box[3] - box[1]);
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

/**
 * Which earlier box each new one continues: same label, best overlap first, each
 * earlier box at most once.
 *
 * @param {{label: string, box: Box}[]} earlier
 * @param {{label: string, box: Box}[]} later
 * @param {number} minimumIou
 * @returns {(number | null)[]} for each later box the index of its earlier one
 */
export function matchBoxes(earlier, later, minimumIou = 0.1) {
  const pairs = [];
  for (const [to, next] of later.entries()) {
    for (const [from, previous] of earlier.entries()) {
      if (previous.label !== next.label) continue;
      const overlap = iou(previous.box, next.box);
      if (overlap >= minimumIou) pairs.push({ from, to, overlap });
    }
  }
  pairs.sort((a, b) => b.overlap - a.overlap);
  /** @type {(number | null)[]} */
  const matches = later.map(() => null);
  const taken = new Set();
  for (const { from, to } of pairs) {
    if (matches[to] !== null || taken.has(from)) continue;
    matches[to] = from;
    taken.add(from);
  }
  return matches;
}
