// @ts-check
/**
 * Rectangles and nothing else: where the picture lies, which box is which from one
 * result to the next, and where labels fit. Pure functions; knows no DOM.
 *
 * A unit box is `xyxy` as a share of the picture (0..1), so that it survives a
 * resize; a rectangle is x, y, width, height in CSS pixels.
 *
 * @typedef {[number, number, number, number]} Box
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 */

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
 * @param {Box} box in frame pixels
 * @param {Size} frame
 * @param {boolean} mirrored whether the picture is shown as in a mirror
 * @returns {Box} unit box
 */
export function toUnit([x1, y1, x2, y2], frame, mirrored) {
  const top = y1 / frame.height;
  const bottom = y2 / frame.height;
  const left = x1 / frame.width;
  const right = x2 / frame.width;
  return mirrored ? [1 - right, top, 1 - left, bottom] : [left, top, right, bottom];
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
