// @ts-check
/**
 * The camera and what carries its picture, a peer connection or JPEGs: each may be
 * replaced while the others stay. Doesn't decide when; knows neither the WebSocket nor
 * the page.
 *
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./protocol.js").ClientMessage} ClientMessage
 * @typedef {{
 *   send: (message: ClientMessage) => void,
 *   sendBytes: (message: ArrayBuffer) => void,
 *   onCamera: (camera: Camera | null) => void,
 *   onCameraLost: () => void,
 *   onCameraFailed: (reason: import("./protocol.js").CameraFailure) => void,
 *   onBroken: () => void,
 *   onEncoded: (rtpTimestamp: number, atMs: number) => void,
 * }} Outside
 */
import { acquireCamera, CameraError, releaseCamera } from "./camera.js";
import { JpegSender } from "./jpeg.js";
import { PeerLink } from "./peer.js";

export class Sender {
  /** @type {Camera | null} */
  camera = null;
  /** @type {PeerLink | null} */
  peer = null;
  /** @type {JpegSender | null} */
  jpeg = null;
  #outside;
  #opening = false;
  #wanted = false;

  /** @param {Outside} outside */
  constructor(outside) {
    this.#outside = outside;
  }

  /**
   * Open a camera, in place of the one in use if there is one.
   *
   * @param {string} deviceId empty for the best there is
   */
  async openCamera(deviceId) {
    this.#wanted = true;
    if (this.#opening) return;
    this.#opening = true;
    // A phone opens one camera at a time: the old one goes first.
    if (this.camera) releaseCamera(this.camera);
    try {
      await this.#use(await acquireCamera(deviceId));
    } catch (error) {
      if (!(error instanceof CameraError)) throw error;
      this.#outside.onCameraFailed(error.reason);
    } finally {
      this.#opening = false;
    }
  }

  async #use(/** @type {Camera} */ camera) {
    // The visitor may have changed their mind while the browser was asking.
    if (!this.#wanted) return releaseCamera(camera);
    camera.track.onended = this.#outside.onCameraLost;
    this.camera = camera;
    this.#outside.onCamera(camera);
    this.jpeg?.use(camera.stream);
    await this.peer?.replaceTrack(camera.track);
  }

  /**
   * Make a new connection, in place of an older one.
   *
   * @param {RTCIceServer[]} iceServers
   */
  connect(iceServers) {
    this.disconnect();
    if (!this.camera) return;
    this.peer = new PeerLink(this.camera, iceServers, this.#outside);
    this.peer.offer();
  }

  disconnect() {
    this.peer?.close();
    this.peer = null;
  }

  /** Send pictures one by one, beside a connection or without. */
  beginJpeg() {
    if (this.jpeg || !this.camera) return;
    this.#outside.send({ type: "begin_jpeg" });
    this.jpeg = new JpegSender(this.camera.stream, this.#outside);
  }

  endJpeg() {
    this.jpeg?.close();
    this.jpeg = null;
  }

  /** Send nothing any more and put the camera's light out. */
  release() {
    this.#wanted = false;
    this.disconnect();
    this.endJpeg();
    if (this.camera) releaseCamera(this.camera);
    this.camera = null;
    this.#outside.onCamera(null);
  }
}
