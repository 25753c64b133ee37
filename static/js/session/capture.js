// @ts-check
/**
 * When the camera took a picture, from the RTP timestamp of it. Times are milliseconds
 * of the page's clock; knows no DOM.
 *
 * A browser derives RTP timestamps from the capture time, so the two lie a constant
 * apart. It is found by pairing: a picture that has left the encoder is the newest
 * that had been captured by then.
 */

const PAIRS_KEPT = 301;
/**
 * Both times are rounded, so that right pairs differ by a millisecond. Wrong ones are
 * strewn, since pictures don't come quite evenly; least of all from a busy machine,
 * where an encoder is late and a page misses pictures.
 */
const ROUNDING_MS = 1.5;
const WAITING_KEPT = 90;
const RTP_PER_MS = 90;
const WRAP = 2 ** 32;

export class CaptureClock {
  /** Whether the encoder tells us when a picture leaves it. */
  seesEncoded = false;
  #captureMs = -Infinity;
  #seesCaptures = false;
  /** @type {{rtpMs: number, atMs: number}[]} */
  #waiting = [];
  /** @type {number[]} capture time less RTP time, the newest last */
  #offsets = [];
  #lastRtpMs = NaN;

  /** Another connection has begun, with timestamps of its own. */
  restart() {
    this.seesEncoded = false;
    this.#waiting = [];
    this.#offsets = [];
    this.#lastRtpMs = NaN;
  }

  /** Whether what `capturedAt` says is measured from end to end, not estimated. */
  get isMeasured() {
    return this.seesEncoded && this.#seesCaptures;
  }

  /**
   * The camera has given a picture.
   *
   * @param {number} captureMs
   * @param {boolean} isNext whether none was missed since the last
   */
  recordCapture(captureMs, isNext) {
    for (const { rtpMs, atMs } of this.#waiting) {
      const isSure = isNext && this.#captureMs <= atMs && atMs < captureMs;
      if (isSure) this.#keep(this.#captureMs - rtpMs);
    }
    this.#waiting = this.#waiting.filter(({ atMs }) => atMs >= captureMs);
    this.#captureMs = captureMs;
    this.#seesCaptures = true;
  }

  /**
   * @param {number} rtpTimestamp
   * @param {number} atMs
   */
  recordEncoded(rtpTimestamp, atMs) {
    this.seesEncoded = true;
    this.recordLeft(rtpTimestamp, atMs);
  }

  /**
   * A picture has left the camera's side by this time, as far as we know.
   *
   * @param {number} rtpTimestamp
   * @param {number} atMs
   */
  recordLeft(rtpTimestamp, atMs) {
    const rtpMs = this.#extend(rtpTimestamp);
    if (!this.#seesCaptures) return this.#keep(atMs - rtpMs);
    this.#waiting.push({ rtpMs, atMs });
    if (this.#waiting.length > WAITING_KEPT) this.#waiting.shift();
  }

  /**
   * @param {number} rtpTimestamp
   * @returns {number | null} null until enough is known
   */
  capturedAt(rtpTimestamp) {
    if (!this.#offsets.length) return null;
    return this.#extend(rtpTimestamp) + densest(this.#offsets);
  }

  #keep(/** @type {number} */ offset) {
    this.#offsets.push(offset);
    if (this.#offsets.length > PAIRS_KEPT) this.#offsets.shift();
  }

  /** Milliseconds that go on where the 32 bits begin again from 0. */
  #extend(/** @type {number} */ rtpTimestamp) {
    const rtpMs = rtpTimestamp / RTP_PER_MS;
    const wrapMs = WRAP / RTP_PER_MS;
    if (Number.isNaN(this.#lastRtpMs)) this.#lastRtpMs = rtpMs;
    const wraps = Math.round((this.#lastRtpMs - rtpMs) / wrapMs);
    this.#lastRtpMs = rtpMs + wraps * wrapMs;
    return this.#lastRtpMs;
  }
}

/**
 * @param {number[]} offsets
 * @returns {number} the middle of where most of them lie together
 */
function densest(offsets) {
  const sorted = offsets.toSorted((a, b) => a - b);
  let [from, best, most] = [0, 0, 0];
  for (let to = 0; to < sorted.length; to += 1) {
    while (sorted[to] - sorted[from] > ROUNDING_MS) from += 1;
    if (to - from >= most) [best, most] = [from, to - from];
  }
  return sorted[best + (most >> 1)];
}
