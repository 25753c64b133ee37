// @ts-check
/**
 * The canvas over the picture: keeps it exactly on the shown part of the video and
 * draws the boxes and their labels on it. No network code.
 *
 * What is shown can be read from the canvas: `data-boxes` (label, score and box in
 * page pixels, as of the last result), `data-seq`, `data-frame`, `data-results`.
 *
 * @typedef {import("./protocol.js").Result} Result
 * @typedef {import("./geometry.js").Rect} Rect
 */
import { drawBox, drawChip, setFont, sizesFor } from "./brush.js";
import { placeChips, shorten } from "./chips.js";
import { contentRect, fromUnit, toUnit } from "./geometry.js";
import { paintOf } from "./palette.js";
import { STALE_MS, Tracks } from "./tracks.js";

const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Overlay {
  #context;
  #tracks = new Tracks();
  /** @type {Rect} */
  #rect = { x: 0, y: 0, width: 0, height: 0 };
  #frameRequest = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #staleTimer;
  #results = 0;
  #changed = true;
  /** @type {(() => void)[]} */
  #whenDrawn = [];

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLVideoElement} video
   * @param {HTMLElement[]} covers what lies over the picture and would hide a label
   */
  constructor(canvas, video, covers) {
    this.canvas = canvas;
    this.video = video;
    this.covers = covers;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#request()).observe(video);
    video.addEventListener("resize", () => this.#request());
  }

  /**
   * @param {Result} result
   * @param {boolean} mirrored
   * @param {() => void} whenDrawn
   */
  show({ seq, frame, detections }, mirrored, whenDrawn) {
    const unit = detections.map(({ label, score, box }) => ({
      label, score, box: toUnit(box, frame, mirrored),
    }));
    this.#tracks.replace(unit, performance.now());
    this.#whenDrawn.push(whenDrawn);
    this.#results += 1;
    this.#changed = true;
    this.canvas.dataset.seq = String(seq);
    this.canvas.dataset.frame = JSON.stringify(frame);
    this.canvas.dataset.results = String(this.#results);
    clearTimeout(this.#staleTimer);
    this.#staleTimer = setTimeout(() => this.#request(), STALE_MS);
    this.#request();
  }

  clear() {
    this.#tracks.clear();
    this.#changed = true;
    this.#request();
  }

  #request() {
    // A hidden page gets no animation frames, yet has to go on answering.
    if (document.hidden) this.#paint();
    else this.#animate();
  }

  #animate() {
    this.#frameRequest ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.#frameRequest);
    this.#frameRequest = 0;
    const now = performance.now();
    const opacity = this.#tracks.opacity(now);
    if (opacity === 0 && this.#tracks.all.length) {
      this.#tracks.clear();
      this.#changed = true;
    }
    this.#layOut();
    this.#context.globalAlpha = opacity;
    this.#draw(now);
    if (this.#changed) this.#publish();
    for (const drawn of this.#whenDrawn.splice(0)) drawn();
    if (this.#tracks.isMoving(now)) this.#animate();
  }

  #layOut() {
    const { width, height } = this.video.getBoundingClientRect();
    const picture = { width: this.video.videoWidth, height: this.video.videoHeight };
    const ratio = window.devicePixelRatio;
    const rect = contentRect({ width, height }, picture, ratio);
    const { canvas } = this;
    const pixels = Math.round(rect.width * ratio);
    if (pixels !== canvas.width || JSON.stringify(rect) !== JSON.stringify(this.#rect)) {
      canvas.width = pixels;
      canvas.height = Math.round(rect.height * ratio);
      canvas.style.translate = `${rect.x}px ${rect.y}px`;
      canvas.style.width = `${rect.width}px`;
      canvas.style.height = `${rect.height}px`;
      this.#rect = rect;
      this.#changed = true;
    }
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** @param {number} now */
  #draw(now) {
    const { width, height } = this.#rect;
    const bounds = { x: 0, y: 0, width, height };
    this.#context.clearRect(0, 0, width, height);
    if (!this.#tracks.all.length) return;
    const sizes = sizesFor(width);
    setFont(this.#context, sizes);
    const measure = (/** @type {string} */ text) =>
      this.#context.measureText(text).width;
    const marks = this.#tracks.all.map((track) => {
      const score = ` ${Math.round(track.score * 100)}%`;
      const room = width - 2 * sizes.pad - measure(score);
      const text = shorten(track.label, room, measure) + score;
      const unit = reducedMotion.matches ? track.box : this.#tracks.where(track, now);
      const size = {
        width: Math.ceil(measure(text)) + 2 * sizes.pad,
        height: sizes.height,
      };
      return { track, text, size, box: fromUnit(unit, bounds) };
    });
    // The best comes first and lies on top.
    for (const { box, track } of marks.toReversed()) {
      drawBox(this.#context, box, bounds, paintOf(track.label), sizes);
    }
    const chips = placeChips(
      marks.map(({ box, size, track }) => ({ box, ...size, place: track.place })),
      bounds,
      this.#covered(),
    );
    for (const [index, chip] of chips.entries()) {
      const { track, text } = marks[index];
      track.place = chip?.place;
      if (chip) drawChip(this.#context, chip, text, paintOf(track.label), sizes);
    }
  }

  /** @returns {Rect[]} in the canvas' own coordinates */
  #covered() {
    const { left, top } = this.canvas.getBoundingClientRect();
    return this.covers
      .map((cover) => cover.getBoundingClientRect())
      .filter(({ width }) => width > 0)
      .map(({ x, y, width, height }) => ({ x: x - left, y: y - top, width, height }));
  }

  #publish() {
    const { left, top } = this.canvas.getBoundingClientRect();
    const rect = { ...this.#rect, x: left, y: top };
    this.canvas.dataset.boxes = JSON.stringify(
      this.#tracks.all.map(({ label, score, box }) => ({
        label, score, box: fromUnit(box, rect),
      })),
    );
    this.#changed = false;
  }
}
