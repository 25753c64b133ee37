// @ts-check
/**
 * What is said in large letters, calmer than the results it is made from. A hot dog
 * shows at once; "not" waits a moment, so that a score on the threshold doesn't
 * flicker ten times a second on a projector. Knows no DOM.
 *
 * @typedef {"hot-dog" | "not-hot-dog" | "none"} VerdictName
 */

const HOLD_MS = 300;
const STALE_MS = 3000;

export class Verdict {
  /** @type {VerdictName} */
  #name = "none";
  #hotDogAtMs = -Infinity;
  #resultAtMs = -Infinity;

  clear() {
    this.#name = "none";
    this.#hotDogAtMs = -Infinity;
  }

  /**
   * @param {boolean} isHotDog
   * @param {number} nowMs
   */
  record(isHotDog, nowMs) {
    this.#resultAtMs = nowMs;
    if (isHotDog) this.#hotDogAtMs = nowMs;
    if (isHotDog) this.#name = "hot-dog";
    else if (nowMs - this.#hotDogAtMs >= HOLD_MS) this.#name = "not-hot-dog";
  }

  /**
   * @param {number} nowMs
   * @returns {VerdictName} "none" before the first result and once results have stopped
   */
  read(nowMs) {
    if (nowMs - this.#resultAtMs > STALE_MS) this.clear();
    return this.#name;
  }
}
