// @ts-check
/**
 * Keeps the canvas exactly on the shown part of the video, sharp at every pixel
 * ratio. Knows nothing of what is drawn on it.
 *
 * @typedef {import("./geometry.js").Rect} Rect
 */
import { contentRect } from "./geometry.js";

export class Stage {
  /** @type {Rect} the picture on the page, without the bars beside it */
  rect = { x: 0, y: 0, width: 0, height: 0 };
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

  /** @param {() => void} callback when the page or the picture has another size */
  onResize(callback) {
    new ResizeObserver(callback).observe(this.#video);
    this.#video.addEventListener("resize", callback);
  }

  /** @returns {boolean} whether the canvas had to move */
  fit() {
    const { x, y, width, height } = this.#video.getBoundingClientRect();
    const { videoWidth, videoHeight } = this.#video;
    const ratio = window.devicePixelRatio;
    const picture = { width: videoWidth, height: videoHeight };
    const inside = contentRect({ width, height }, picture, ratio);
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
