// @ts-check
/**
 * The boxes over the picture and their labels, drawn when there is something to draw
 * and taken away when results stop, or are of another picture than the one that is
 * shown: a phone that was turned, another camera. The picture that they were made of is
 * drawn with them, if it is given, and then hides the live one. No network code.
 *
 * What is shown can be read from the canvas: `data-boxes` (label, score and box in
 * page pixels, as of the last result) and, written last and once for each result,
 * `data-results`: how many there have been.
 *
 * @typedef {import("./protocol.js").Result} Result
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("./tracks.js").Track} Track
 */
import { drawBox, drawChip, setFont, sizesFor } from "./brush.js";
import { placeChips, shorten } from "./chips.js";
import { fromUnit, sameShape, toUnit, turnSize } from "./geometry.js";
import { paintOf } from "./palette.js";
import { STALE_MS, Tracks } from "./tracks.js";

const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Overlay {
  #stage;
  #shown;
  #tracks = new Tracks();
  /** The shape of the frame that the boxes are of, turned as it is shown. */
  #shape = { width: 0, height: 0 };
  #frameRequest = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #staleTimer;
  #results = 0;
  #changed = true;
  /** @type {ImageBitmap | null} */
  #picture = null;
  /** @type {(() => void)[]} */
  #whenDrawn = [];

  /** @param {Stage} stage */
  constructor(stage) {
    this.#stage = stage;
    this.#shown = stage.canvas.dataset;
    stage.onResize(() => this.#request());
  }

  /**
   * @param {Result} result
   * @param {ImageBitmap | null} picture what the boxes are exact on; ours from now on
   * @param {() => void} whenDrawn
   */
  show({ frame, detections }, picture, whenDrawn) {
    const { orientation } = this.#stage;
    const unit = detections.map(({ label, score, box }) => ({
      label, score, box: toUnit(box, frame, orientation),
    }));
    this.#shape = turnSize(frame, orientation.rotation - frame.rotation);
    this.#tracks.replace(unit, performance.now());
    this.#usePicture(picture);
    this.#whenDrawn.push(whenDrawn);
    this.#results += 1;
    this.#changed = true;
    clearTimeout(this.#staleTimer);
    this.#staleTimer = setTimeout(() => this.#request(), STALE_MS);
    this.#request();
  }

  clear() {
    this.#tracks.clear();
    this.#usePicture(null);
    this.#changed = true;
    this.#request();
  }

  #usePicture(/** @type {ImageBitmap | null} */ picture) {
    this.#picture?.close();
    this.#picture = picture;
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
    if (this.#stage.fit()) this.#changed = true;
    const fits = sameShape(this.#shape, this.#stage.picture);
    if ((opacity === 0 || !fits) && this.#tracks.all.length) {
      this.#tracks.clear();
      this.#changed = true;
    }
    if (this.#tracks.isStale(now)) this.#usePicture(null);
    this.#stage.context.globalAlpha = opacity;
    this.#draw(now);
    if (this.#changed) this.#publish();
    for (const drawn of this.#whenDrawn.splice(0)) drawn();
    if (this.#tracks.isMoving(now)) this.#animate();
  }

  /** @param {number} now */
  #draw(now) {
    const { context, rect } = this.#stage;
    const bounds = { ...rect, x: 0, y: 0 };
    context.clearRect(0, 0, rect.width, rect.height);
    if (this.#picture) this.#stage.paint(this.#picture);
    if (!this.#tracks.all.length) return;
    const sizes = sizesFor(rect.width);
    setFont(context, sizes);
    const marks = this.#tracks.all.map((track) => {
      const jumps = reducedMotion.matches || this.#picture !== null;
      const unit = jumps ? track.box : this.#tracks.where(track, now);
      const { text, width } = this.#label(track, rect.width - 2 * sizes.pad);
      const size = { width: width + 2 * sizes.pad, height: sizes.height };
      return { track, text, size, box: fromUnit(unit, bounds) };
    });
    // The best comes first and lies on top.
    for (const { box, track } of marks.toReversed()) {
      drawBox(context, box, bounds, paintOf(track.label), sizes);
    }
    const chips = placeChips(
      marks.map(({ box, size, track }) => ({ box, ...size, place: track.place })),
      bounds,
      this.#stage.covered(),
    );
    for (const [index, chip] of chips.entries()) {
      const { track, text } = marks[index];
      track.place = chip?.place;
      if (chip) drawChip(context, chip, text, paintOf(track.label), sizes);
    }
  }

  /**
   * @param {Track} track
   * @param {number} room
   */
  #label({ label, score }, room) {
    const measure = (/** @type {string} */ text) =>
      Math.ceil(this.#stage.context.measureText(text).width);
    const percent = ` ${Math.round(score * 100)}%`;
    const text = shorten(label, room - measure(percent), measure) + percent;
    return { text, width: measure(text) };
  }

  #publish() {
    this.#changed = false;
    this.#shown.boxes = JSON.stringify(
      this.#tracks.all.map(({ label, score, box }) => ({
        label, score, box: fromUnit(box, this.#stage.rect),
      })),
    );
    const results = String(this.#results);
    if (this.#shown.results !== results) this.#shown.results = results;
  }
}
