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
 * Wrong pairs lie too far apart, nearly all: an encoder that takes longer than from
 * one picture to the next is paired with a younger one. So a low one of them is right.
 */
const TRUSTED_SHARE = 0.2;
const WAITING_KEPT = 90;
/** A picture that is older when it leaves isn't the one it is taken for. */
const LONGEST_ENCODING_MS = 250;
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
      const encodingMs = atMs - this.#captureMs;
      if (isNext && encodingMs >= 0 && encodingMs <= LONGEST_ENCODING_MS) {
        this.#keep(this.#captureMs - rtpMs);
      }
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
    const sorted = this.#offsets.toSorted((a, b) => a - b);
    return this.#extend(rtpTimestamp) + sorted[Math.floor(sorted.length * TRUSTED_SHARE)];
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
