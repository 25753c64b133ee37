// @ts-check
/**
 * Has a sender send no more than is worth sending. Knows neither the page nor who
 * decides it.
 *
 * @typedef {import("./protocol.js").Quality} Quality
 */

export class SenderLimit {
  #sender;
  /** @type {Quality | null} */
  #quality = null;
  /** A sender takes one change at a time. */
  #applied = Promise.resolve();

  /** @param {RTCRtpSender} sender */
  constructor(sender) {
    this.#sender = sender;
  }

  /** @param {Quality} quality */
  set(quality) {
    this.#quality = quality;
    return this.apply();
  }

  /** Once more, for a track that may have another size. */
  apply() {
    this.#applied = this.#applied.then(() => this.#change());
    return this.#applied;
  }

  async #change() {
    if (this.#quality === null) return;
    const { max_side, max_framerate } = this.#quality;
    const parameters = this.#sender.getParameters();
    const encoding = parameters.encodings?.[0];
    if (!encoding) return;
    const { width = 0, height = 0 } = this.#sender.track?.getSettings() ?? {};
    encoding.scaleResolutionDownBy = Math.max(1, Math.max(width, height) / max_side);
    encoding.maxFramerate = max_framerate;
    try {
      await this.#sender.setParameters(parameters);
    } catch {
      // A browser that can't, or a sender that is closing: the server copes with more.
    }
  }
}
