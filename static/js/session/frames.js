// @ts-check
/**
 * The camera's own pictures as the page shows them: tells when each was captured, and
 * keeps copies of the last ones if asked to, so that one can be shown again.
 */

/** Twice as long as results usually take; older pictures are of no use to anybody. */
const KEPT_MS = 1000;
const KEPT = 32;
/** Times are rounded here and there; pictures are 16 ms apart or more. */
const TOLERANCE_MS = 4;

/**
 * @param {HTMLVideoElement} video
 * @param {(captureMs: number, mediaMs: number, isNext: boolean) => void} tell with the
 *   page's clock and the video's, and whether none was missed since the last
 */
export function watchFrames(video, tell) {
  if (!("requestVideoFrameCallback" in video)) return;
  let last = 0;
  /** @type {VideoFrameRequestCallback} */
  const see = (_, { captureTime, mediaTime, presentedFrames }) => {
    const isNext = presentedFrames === last + 1;
    if (captureTime !== undefined) tell(captureTime, mediaTime * 1000, isNext);
    last = presentedFrames;
    video.requestVideoFrameCallback(see);
  };
  video.requestVideoFrameCallback(see);
}

export class FrameRing {
  #video;
  /** @type {{captureMs: number, bitmap: ImageBitmap | null}[]} oldest first */
  #frames = [];

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
  }

  /**
   * Keep a copy of what the video shows, if it still is the picture that one was told of.
   *
   * @param {number} captureMs
   * @param {number} mediaMs
   */
  async keep(captureMs, mediaMs) {
    /** @type {{captureMs: number, bitmap: ImageBitmap | null}} */
    const frame = { captureMs, bitmap: null };
    this.#frames.push(frame);
    this.#forget(captureMs - KEPT_MS);
    if (this.#frames.length > KEPT) this.#forget(this.#frames[1].captureMs);
    const bitmap = await copyOf(this.#video, mediaMs);
    if (bitmap === null) return;
    if (this.#frames.includes(frame)) frame.bitmap = bitmap;
    else bitmap.close();
  }

  /**
   * The picture that was captured then, if there is a copy; whoever takes it closes
   * it. Older ones are forgotten, for results come in order.
   *
   * @param {number} captureMs
   * @returns {ImageBitmap | null}
   */
  take(captureMs) {
    this.#forget(captureMs - TOLERANCE_MS);
    const [frame] = this.#frames;
    if (!frame?.bitmap || frame.captureMs > captureMs + TOLERANCE_MS) return null;
    this.#frames.shift();
    return frame.bitmap;
  }

  clear() {
    this.#forget(Infinity);
  }

  /** Close the copies of what was captured before. */
  #forget(/** @type {number} */ beforeMs) {
    while (this.#frames.length && this.#frames[0].captureMs < beforeMs) {
      this.#frames.shift()?.bitmap?.close();
    }
  }
}

/**
 * @param {HTMLVideoElement} video
 * @param {number} mediaMs of the picture that is wanted
 * @returns {Promise<ImageBitmap | null>} null if it shows another by now, or none
 */
async function copyOf(video, mediaMs) {
  try {
    const picture = new VideoFrame(video);
    try {
      const isWanted = Math.abs(picture.timestamp / 1000 - mediaMs) < TOLERANCE_MS;
      return isWanted ? await createImageBitmap(picture) : null;
    } finally {
      picture.close();
    }
  } catch {
    // The camera was taken away in this very moment.
    return null;
  }
}
