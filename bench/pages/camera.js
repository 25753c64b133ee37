// @ts-check
/**
 * Streams the camera to whoever answers, and remembers when each picture left the
 * encoder. Driven by `bench/camera.py`.
 */
import { watchEncoded } from "/static/js/session/encoded.js";

const page = /** @type {any} */ (window);
/** @type {[number, number][]} RTP timestamp, and the time since 1970 in ms */
page.encoded = [];
/** @type {RTCPeerConnection} */
let connection;

/** @param {number} framesPerSecond */
page.offer = async (framesPerSecond) => {
  page.encoded = [];
  connection?.close();
  connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: 640, height: 480, frameRate: framesPerSecond },
  });
  /** @type {HTMLVideoElement} */ (document.getElementById("video")).srcObject = stream;
  const [track] = stream.getVideoTracks();
  const { sender } = connection.addTransceiver(track, { direction: "sendonly" });
  watchEncoded(sender, (rtpTimestamp, atMs) => {
    page.encoded.push([rtpTimestamp, performance.timeOrigin + atMs]);
  });
  await connection.setLocalDescription();
  const { sdp } = /** @type {RTCSessionDescription} */ (connection.localDescription);
  return sdp;
};

/** @param {string} sdp */
page.accept = (sdp) => connection.setRemoteDescription({ type: "answer", sdp });
