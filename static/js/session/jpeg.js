// @ts-check
/**
 * Sends the camera's picture as JPEGs over the WebSocket, for networks that let no
 * WebRTC through: the newest one each time, two on their way at most. Knows neither
 * the page nor when it is needed.
 */

/** Some 15 pictures a second, of a camera that gives 30. */
const LEAST_GAP_MS = 55;
const ON_THEIR_WAY = 2;
const LONGEST_SIDE = 640;
const QUALITY = 0.7;
/** RTP's clock for video, so that a result names its picture in either way alike. */
const TICKS_PER_MS = 90;

export class JpegSender {
  #outside;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  #onTheirWay = 0;
  #encoding = false;
  #sentMs = -Infinity;
  #closed = false;

  /**
   * @param {MediaStream} stream
   * @param {{sendBytes: (message: ArrayBuffer) => void,
   *   onEncoded: (rtpTimestamp: number, atMs: number) => void}} outside
   */
  constructor(stream, outside) {
    this.#outside = outside;
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.use(stream);
    this.#watch();
  }

  /** @param {MediaStream} stream the camera from now on */
  use(stream) {
    this.#video.srcObject = stream;
    // A browser that refuses to play without a touch plays at the next camera.
    this.#video.play().catch(() => {});
  }

  /** The server can take another picture. */
  taken() {
    this.#onTheirWay = Math.max(0, this.#onTheirWay - 1);
  }

  close() {
    this.#closed = true;
    this.#video.srcObject = null;
  }

  /** With each picture of the camera, or as often as pictures are sent. */
  #watch() {
    if (this.#closed) return;
    /** @param {number} captureMs */
    const next = (captureMs) => {
      this.#next(captureMs);
      this.#watch();
    };
    if ("requestVideoFrameCallback" in this.#video) {
      this.#video.requestVideoFrameCallback((now, { captureTime }) =>
        next(captureTime ?? now),
      );
    } else setTimeout(() => next(performance.now()), LEAST_GAP_MS);
  }

  /** @param {number} captureMs */
  #next(captureMs) {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#closed || this.#encoding || !videoWidth) return;
    if (this.#onTheirWay >= ON_THEIR_WAY) return;
    if (performance.now() - this.#sentMs < LEAST_GAP_MS) return;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (context === null) return;
    const timestamp = timestampOf(captureMs);
    this.#sentMs = performance.now();
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    this.#encoding = true;
    this.#canvas.toBlob((jpeg) => this.#pass(timestamp, jpeg), "image/jpeg", QUALITY);
  }

  /**
   * @param {number} timestamp
   * @param {Blob | null} jpeg
   */
  async #pass(timestamp, jpeg) {
    this.#encoding = false;
    if (jpeg === null || this.#closed) return;
    this.#onTheirWay += 1;
    this.#outside.onEncoded(timestamp, performance.now());
    this.#outside.sendBytes(message(timestamp, await jpeg.arrayBuffer()));
  }
}

/** @param {number} atMs of `performance.now` */
function timestampOf(atMs) {
  return Math.round(atMs * TICKS_PER_MS) % 2 ** 32;
}

/**
 * As `apps/nexus/jpeg.py` reads it.
 *
 * @param {number} timestamp
 * @param {ArrayBuffer} jpeg
 */
function message(timestamp, jpeg) {
  const bytes = new Uint8Array(4 + jpeg.byteLength);
  new DataView(bytes.buffer).setUint32(0, timestamp);
  bytes.set(new Uint8Array(jpeg), 4);
  return bytes.buffer;
}
