// @ts-check
/**
 * How one box and one label chip look on the canvas. Draws where it is told; knows
 * nothing of results, time or layout.
 *
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./geometry.js").Rect} Rect
 * @typedef {import("./palette.js").Paint} Paint
 * @typedef {{line: number, text: number, pad: number, height: number}} Sizes
 */

/**
 * Sizes in CSS pixels for a picture this wide: readable on a phone in the hand and
 * from the last row of a hall.
 *
 * @param {number} width
 * @returns {Sizes}
 */
export function sizesFor(width) {
  const text = Math.round(Math.min(22, Math.max(13, 10 + width / 110)));
  const pad = Math.round(text * 0.5);
  return { line: text / 5.5, text, pad, height: Math.round(text * 1.6) };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Sizes} sizes
 */
export function setFont(context, sizes) {
  context.font = `600 ${sizes.text}px system-ui, -apple-system, "Segoe UI", sans-serif`;
  context.textBaseline = "middle";
}

/**
 * Keep the whole line inside the picture, however close to its edge the box is.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {{width: number, height: number}} bounds
 * @param {Paint} paint
 * @param {Sizes} sizes
 */
export function drawBox(context, box, bounds, paint, sizes) {
  const inset = sizes.line / 2 + 1;
  const x1 = Math.max(box[0], inset);
  const y1 = Math.max(box[1], inset);
  const width = Math.max(0, Math.min(box[2], bounds.width - inset) - x1);
  const height = Math.max(0, Math.min(box[3], bounds.height - inset) - y1);
  const radius = Math.min(sizes.text * 0.45, width / 2, height / 2);
  context.beginPath();
  context.roundRect(x1, y1, width, height, radius);
  // A dark rim, since no colour stands out from every picture.
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.lineWidth = sizes.line + 2;
  context.stroke();
  context.strokeStyle = paint.fill;
  context.lineWidth = sizes.line;
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Rect} rect
 * @param {string} text
 * @param {Paint} paint
 * @param {Sizes} sizes
 */
export function drawChip(context, { x, y, width, height }, text, paint, sizes) {
  context.beginPath();
  context.roundRect(x, y, width, height, height * 0.28);
  context.fillStyle = paint.fill;
  context.fill();
  context.fillStyle = paint.ink;
  context.fillText(text, x + sizes.pad, y + height / 2 + 0.5);
}
