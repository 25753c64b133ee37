// @ts-check
/**
 * Sends the camera's picture as JPEGs over the WebSocket, for networks that let no
 * WebRTC through: the newest one each time, two on their way at most. Knows neither
 * the page nor when it is needed.
 */

const PICTURES_PER_SECOND = 15;
const ON_THEIR_WAY = 2;
const LONGEST_SIDE = 640;
const QUALITY = 0.7;
/** RTP's clock for video, so that a result names its picture in either way alike. */
const TICKS_PER_MS = 90;

export class JpegSender {
  #send;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  #onTheirWay = 0;
  #encoding = false;
  /** @type {ReturnType<typeof setInterval>} */
  #timer;

  /**
   * @param {MediaStream} stream
   * @param {(message: ArrayBuffer) => void} send
   */
  constructor(stream, send) {
    this.#send = send;
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.use(stream);
    this.#timer = setInterval(() => this.#next(), 1000 / PICTURES_PER_SECOND);
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
    clearInterval(this.#timer);
    this.#video.srcObject = null;
  }

  #next() {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#encoding || this.#onTheirWay >= ON_THEIR_WAY || !videoWidth) return;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (context === null) return;
    const timestamp = timestampOf(performance.now());
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
    if (jpeg === null) return;
    this.#onTheirWay += 1;
    this.#send(message(timestamp, await jpeg.arrayBuffer()));
  }
}

/** @param {number} atMs of `performance.now` */
export function timestampOf(atMs) {
  return Math.round(atMs * TICKS_PER_MS) % 2 ** 32;
}

/**
 * As `apps/nexus/jpeg.py` reads it.
 *
 * @param {number} timestamp
 * @param {ArrayBuffer} jpeg
 */
export function message(timestamp, jpeg) {
  const bytes = new Uint8Array(4 + jpeg.byteLength);
  new DataView(bytes.buffer).setUint32(0, timestamp);
  bytes.set(new Uint8Array(jpeg), 4);
  return bytes.buffer;
}
