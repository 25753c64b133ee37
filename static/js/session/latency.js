// @ts-check
/**
 * How many results a second, and how old the picture was when its boxes were drawn,
 * stage by stage. Times are milliseconds of the page's clock; knows no DOM.
 *
 * @typedef {import("./protocol.js").DrawnTimings} DrawnTimings
 * @typedef {import("./protocol.js").Timings} Timings
 * @typedef {{stage: string, p50: number, p95: number}} Spread
 */

const WINDOW_MS = 3000;
const STAGES_WINDOW_MS = 10_000;
const ROUND_TRIPS_KEPT = 10;

export class Latency {
  /** @type {number[]} when results came */
  #results = [];
  /** @type {{at: number, timings: Timings & DrawnTimings}[]} */
  #drawn = [];
  /** @type {number[]} */
  #roundTrips = [];
  #startedMs = 0;

  /** Forget the results: another connection has begun. */
  restart(/** @type {number} */ nowMs) {
    this.#results = [];
    this.#drawn = [];
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

  recordResult(/** @type {number} */ nowMs) {
    this.#results.push(nowMs);
  }

  /**
   * A result has been drawn.
   *
   * @param {Timings} timings of the server
   * @param {{captured: number, received: number, drawn: number}} at when the picture
   *   was taken, its result came and was drawn
   * @returns {DrawnTimings}
   */
  recordDrawn(timings, { captured, received, drawn }) {
    // A picture doesn't reach the server before it was taken, whatever the way back.
    const earliestMs = Math.min(received, captured + timings.age_ms);
    const sentMs = Math.max(received - this.roundTripMs / 2, earliestMs);
    const captureMs = Math.max(0, sentMs - timings.age_ms - captured);
    const drawMs = drawn - sentMs;
    const seen = {
      capture_ms: captureMs,
      draw_ms: drawMs,
      picture_ms: captureMs + timings.age_ms + drawMs,
    };
    this.#drawn.push({ at: drawn, timings: { ...timings, ...seen } });
    return seen;
  }

  /** The quickest of the last round trips: the others waited for something else. */
  get roundTripMs() {
    return this.#roundTrips.length ? Math.min(...this.#roundTrips) : 0;
  }

  /**
   * @param {number} nowMs
   * @returns {{resultsPerSecond: number, ageMs: number | null}} age is the median
   */
  read(nowMs) {
    this.#results = this.#results.filter((at) => nowMs - at <= WINDOW_MS);
    this.#drawn = this.#drawn.filter(({ at }) => nowMs - at <= STAGES_WINDOW_MS);
    const windowMs = Math.min(WINDOW_MS, Math.max(nowMs - this.#startedMs, 1000));
    const recent = this.#drawn.filter(({ at }) => nowMs - at <= WINDOW_MS);
    const ages = sorted(recent.map(({ timings }) => timings.picture_ms));
    return {
      resultsPerSecond: (this.#results.length * 1000) / windowMs,
      ageMs: ages.length ? ages[ages.length >> 1] : null,
    };
  }

  /**
   * Of the last ten seconds that `read` has seen.
   *
   * @param {string[]} stages names of timings, without their unit
   * @returns {Spread[]} empty when nothing was drawn
   */
  spreads(stages) {
    if (!this.#drawn.length) return [];
    return stages.map((stage) => {
      const name = /** @type {keyof (Timings & DrawnTimings)} */ (`${stage}_ms`);
      const values = sorted(this.#drawn.map(({ timings }) => timings[name]));
      const at = (/** @type {number} */ share) =>
        values[Math.min(values.length - 1, Math.floor(share * values.length))];
      return { stage, p50: at(0.5), p95: at(0.95) };
    });
  }
}

const sorted = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b);
