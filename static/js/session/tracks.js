// @ts-check
/**
 * The boxes in time: each continues the one it was in the result before, glides to
 * its new place, and is gone once results have stopped. Knows no DOM and no pixels.
 *
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {{label: string, score: number, box: Box}} UnitDetection
 * @typedef {UnitDetection & {from: Box, place?: number}} Track `box` is where it
 *   goes, `from` where it was drawn when it set out, `place` where its label sat
 */
import { between, matchBoxes } from "./geometry.js";

const GLIDE_MS = 120;
export const STALE_MS = 1500;
const FADE_MS = 300;

export class Tracks {
  /** @type {Track[]} */
  all = [];
  #shownMs = -Infinity;

  /**
   * @param {UnitDetection[]} detections of a new result, best first
   * @param {number} nowMs
   */
  replace(detections, nowMs) {
    const matches = matchBoxes(this.all, detections);
    this.all = detections.map((detection, index) => {
      const match = matches[index];
      if (match === null) return { ...detection, from: detection.box };
      const earlier = this.all[match];
      return { ...detection, from: this.where(earlier, nowMs), place: earlier.place };
    });
    this.#shownMs = nowMs;
  }

  clear() {
    this.all = [];
  }

  /**
   * Where a box is drawn now: fast at first, then easing into its place.
   *
   * @param {Track} track
   * @param {number} nowMs
   * @returns {Box}
   */
  where({ from, box }, nowMs) {
    const share = Math.min(1, (nowMs - this.#shownMs) / GLIDE_MS);
    return between(from, box, 1 - (1 - share) ** 3);
  }

  /** @param {number} nowMs */
  opacity(nowMs) {
    const staleForMs = nowMs - this.#shownMs - STALE_MS;
    return Math.max(0, Math.min(1, 1 - staleForMs / FADE_MS));
  }

  /** Whether results have stopped. */
  isStale(/** @type {number} */ nowMs) {
    return nowMs - this.#shownMs >= STALE_MS;
  }

  /** @param {number} nowMs */
  isMoving(nowMs) {
    const ageMs = nowMs - this.#shownMs;
    return this.all.length > 0 && (ageMs < GLIDE_MS || this.isStale(nowMs));
  }
}
