// @ts-check
/**
 * How many results a second, and how old the picture was when its result arrived.
 * Times are milliseconds of one clock that only goes forward; knows no DOM.
 */

const WINDOW_MS = 3000;
const ROUND_TRIPS_KEPT = 10;

export class Latency {
  /** @type {{at: number, ageMs: number}[]} */
  #results = [];
  /** @type {number[]} */
  #roundTrips = [];
  #startedMs = 0;

  /** Forget the results: another connection has begun. */
  restart(/** @type {number} */ nowMs) {
    this.#results = [];
    this.#startedMs = nowMs;
  }

  /**
   * @param {number} sentAtMs
   * @param {number} nowMs
   */
  recordPong(sentAtMs, nowMs) {
    this.#roundTrips.push(nowMs - sentAtMs);
    if (this.#roundTrips.length > ROUND_TRIPS_KEPT) this.#roundTrips.shift();
  }

  /**
   * @param {number} ageMs age on the server when the result was sent
   * @param {number} nowMs
   */
  recordResult(ageMs, nowMs) {
    this.#results.push({ at: nowMs, ageMs });
  }

  /** The quickest of the last round trips: the others waited for something else. */
  get roundTripMs() {
    return this.#roundTrips.length ? Math.min(...this.#roundTrips) : 0;
  }

  /**
   * @param {number} nowMs
   * @returns {{resultsPerSecond: number, ageMs: number | null}} age is the median of
   *   the window, plus half a round trip for the way to this page
   */
  read(nowMs) {
    this.#results = this.#results.filter(({ at }) => nowMs - at <= WINDOW_MS);
    const windowMs = Math.min(WINDOW_MS, Math.max(nowMs - this.#startedMs, 1000));
    const ages = this.#results.map(({ ageMs }) => ageMs).sort((a, b) => a - b);
    return {
      resultsPerSecond: (this.#results.length * 1000) / windowMs,
      ageMs: ages.length ? ages[ages.length >> 1] + this.roundTripMs / 2 : null,
    };
  }
}
