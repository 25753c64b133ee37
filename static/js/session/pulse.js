// @ts-check
/**
 * Notices that the other end of a connection has gone silent, long before the browser
 * does: whoever receives a stream reports on it every second.
 */

const CHECK_MS = 500;
const SILENCE_MS = 3000;
const SIGNS = ["bytesReceived", "requestsReceived", "responsesReceived"];

export class Pulse {
  #connection;
  #onSilence;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #received = -1;
  #heardAt = 0;

  /**
   * @param {{getStats: () => Promise<{values: () => Iterable<any>}>}} connection
   * @param {() => void} onSilence
   */
  constructor(connection, onSilence) {
    this.#connection = connection;
    this.#onSilence = onSilence;
  }

  start() {
    this.stop();
    this.#heardAt = performance.now();
    this.#timer = setInterval(() => this.check(), CHECK_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async check() {
    const received = countSigns([...(await this.#connection.getStats()).values()]);
    // Stopped meanwhile.
    if (this.#timer === undefined) return;
    const now = performance.now();
    if (received !== this.#received) {
      this.#received = received;
      this.#heardAt = now;
    } else if (now - this.#heardAt > SILENCE_MS) {
      this.stop();
      this.#onSilence();
    }
  }
}

/** @param {Record<string, any>[]} stats */
function countSigns(stats) {
  let count = 0;
  for (const entry of stats) {
    if (entry.type !== "transport" && entry.type !== "candidate-pair") continue;
    for (const sign of SIGNS) count += entry[sign] ?? 0;
  }
  return count;
}
