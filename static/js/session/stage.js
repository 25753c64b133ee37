// @ts-check
/**
 * Shows the video upright, and keeps the canvas exactly on its shown part, sharp at
 * every pixel ratio. Knows nothing of what is drawn on it.
 *
 * @typedef {import("./geometry.js").Orientation} Orientation
 * @typedef {import("./geometry.js").Rect} Rect
 */
import { contentRect, turnSize } from "./geometry.js";

export class Stage {
  /** @type {Rect} the picture on the page, without the bars beside it */
  rect = { x: 0, y: 0, width: 0, height: 0 };
  /** The size of the camera's picture as it was shown there; without any, 0. */
  picture = { width: 0, height: 0 };
  /** @type {Orientation} */
  orientation = { mirrored: false, rotation: 0 };
  #video;
  #covers;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLVideoElement} video
   * @param {HTMLElement[]} covers what lies over the picture
   */
  constructor(canvas, video, covers) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#video = video;
    this.#covers = covers;
  }

  /** @param {Orientation} orientation how the picture is shown from now on */
  orient(orientation) {
    this.orientation = orientation;
    this.#video.classList.toggle("mirrored", orientation.mirrored);
    this.#video.dataset.rotation = String(orientation.rotation);
  }

  /** @param {() => void} callback when the page or the picture has another size */
  onResize(callback) {
    new ResizeObserver(callback).observe(this.#video);
    this.#video.addEventListener("resize", callback);
  }

  /** @returns {boolean} whether the canvas had to move */
  fit() {
    // Asked for once: browsers turn a picture while a script runs, too.
    const { videoWidth, videoHeight } = this.#video;
    const size = { width: videoWidth, height: videoHeight };
    this.picture = turnSize(size, this.orientation.rotation);
    const { x, y, width, height } = this.#video.getBoundingClientRect();
    const ratio = window.devicePixelRatio;
    const inside = contentRect({ width, height }, this.picture, ratio);
    const rect = { ...inside, x: x + inside.x, y: y + inside.y };
    const pixels = Math.round(rect.width * ratio);
    const moved = JSON.stringify(rect) !== JSON.stringify(this.rect);
    if (!moved && pixels === this.canvas.width) return false;
    this.rect = rect;
    this.canvas.width = pixels;
    this.canvas.height = Math.round(rect.height * ratio);
    this.canvas.style.translate = `${inside.x}px ${inside.y}px`;
    this.canvas.style.width = `${rect.width}px`;
    this.canvas.style.height = `${rect.height}px`;
    this.context.scale(ratio, ratio);
    return true;
  }

  /**
   * Paint one of the camera's pictures over the live one, turned as that is.
   *
   * @param {ImageBitmap} picture
   */
  paint(picture) {
    const { context, rect, orientation } = this;
    const { width, height } = turnSize(rect, orientation.rotation);
    context.save();
    context.translate(rect.width / 2, rect.height / 2);
    context.scale(orientation.mirrored ? -1 : 1, 1);
    context.rotate((orientation.rotation * Math.PI) / 180);
    context.drawImage(picture, -width / 2, -height / 2, width, height);
    context.restore();
  }

  /** @returns {Rect[]} where the picture is covered, in the canvas' coordinates */
  covered() {
    return this.#covers
      .filter((cover) => getComputedStyle(cover).visibility === "visible")
      .map((cover) => cover.getBoundingClientRect())
      .map(({ x, y, width, height }) => (
        { x: x - this.rect.x, y: y - this.rect.y, width, height }
      ));
  }
}
