// @ts-check
/**
 * Wires the session page: what the session says goes to the picture, the overlay and
 * the words; what the visitor presses goes to the session.
 *
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./protocol.js").DrawnTimings} DrawnTimings
 * @typedef {import("./protocol.js").Result} Result
 * @typedef {import("./protocol.js").ServerMessage} ServerMessage
 */
import { listCameras, whenAllowed } from "./camera.js";
import { CaptureClock } from "./capture.js";
import { fadeWhenIdle, offerFullscreen, wakeLock } from "./controls.js";
import { offerDelays, offerExactBoxes, showDelays, STAGES } from "./delays.js";
import { FrameRing, watchFrames } from "./frames.js";
import { Latency } from "./latency.js";
import { Overlay } from "./overlay.js";
import { LONGEST_DELAY_MS } from "./protocol.js";
import { Keeping } from "./keeping.js";
import { keepRotation, rotationOf, turnFurther } from "./rotation.js";
import { Session } from "./session.js";
import { PageSheet, wasAsked } from "./sheet.js";
import { Stage } from "./stage.js";
import { WAITING_FOR_WORKER } from "./status.js";
import { Verdict } from "./verdict.js";
import * as view from "./view.js";

const FIGURES_MS = 500;
/** So long an exact picture stays when the one of the next result is missing. */
const LONGEST_GAP_MS = 500;

/** @type {{websocket_path: string}} */
const config = JSON.parse(view.element("page-config").textContent ?? "{}");
const url = new URL(config.websocket_path, window.location.href);
url.protocol = url.protocol === "https:" ? "wss:" : "ws:";

const { body } = document;
/** @type {HTMLVideoElement} */
const video = view.element("video");
/** @type {HTMLCanvasElement} */
const canvas = view.element("overlay");
const controls = view.element("controls");
const covers = ["verdict", "strip", "worker", "classes"].map(view.element);

const stage = new Stage(canvas, video, covers);
const overlay = new Overlay(stage);
const latency = new Latency();
const captures = new CaptureClock();
const ring = new FrameRing(video);
const verdict = new Verdict();
const keepAwake = wakeLock();
/** @type {Camera | null} */
let shown = null;
let wantsExact = false;
let exactAt = -Infinity;

const sheet = new PageSheet();
const keeping = new Keeping((message) => session.send(message), sheet, !wasAsked());
sheet.follow(keeping);

const session = new Session(url.href, {
  onSituation(name, sentence) {
    const { situation: before, status: statusBefore } = body.dataset;
    const wasLive = statusBefore === "live";
    view.showSituation(name, sentence);
    const isLive = body.dataset.status === "live";
    if (isLive !== wasLive) forget();
    // Each way to be live has timestamps of its own.
    if (!isLive || (wasLive && name !== before)) captures.restart();
    keepAwake(isLive);
    keeping.live(isLive);
  },
  onCamera(camera) {
    body.dataset.picture = camera ? "on" : "off";
    ring.clear();
    shown = camera;
    video.srcObject = camera?.stream ?? null;
    if (camera === null) return;
    orient(camera, rotationOf(camera.deviceId));
    fillCameras(camera);
  },
  onMessage: receive,
  onEncoded: (rtpTimestamp, atMs) => captures.recordEncoded(rtpTimestamp, atMs),
});

/** @param {ServerMessage} message */
function receive(message) {
  const now = performance.now();
  keeping.receive(message);
  if (message.type === "welcome") {
    keeping.welcome();
    view.showModel(message.model);
    view.showWorker(message.worker_alive ? "" : WAITING_FOR_WORKER);
    const { rotation } = stage.orientation;
    if (rotation) session.send({ type: "rotate", rotation });
  } else if (message.type === "place") {
    view.showPlace(message.position, message.estimate_s);
  } else if (message.type === "model") {
    view.showModel(message.model);
  } else if (message.type === "worker") {
    if (!message.alive) wipe();
    view.showWorker(message.alive ? "" : message.sentence || WAITING_FOR_WORKER);
  } else if (message.type === "pong") {
    latency.recordPong(message.sent_at_ms, now);
  } else if (message.type === "result") {
    draw(message, now);
  }
}

/**
 * @param {Result} result
 * @param {number} now
 */
function draw(result, now) {
  const acknowledge = (/** @type {DrawnTimings | null} */ timings) =>
    session.send({ type: "ack", seq: result.seq, timings });
  if (body.dataset.status !== "live") return acknowledge(null);
  latency.recordResult(now);
  judge(result.seq);
  verdict.record(result.is_hot_dog, now);
  view.showWorker("");
  view.showVerdict(verdict.read(now));
  view.showClassifications(result.classifications);
  const captured = capturedAt(result, now);
  const isExact = wantsExact && captures.isMeasured;
  const picture = isExact && captured !== null ? ring.take(captured) : null;
  if (picture) exactAt = now;
  else if (isExact && now - exactAt < LONGEST_GAP_MS) return acknowledge(null);
  overlay.show(result, picture, () => {
    if (captured === null) return acknowledge(null);
    const at = { captured, received: now, drawn: performance.now() };
    const seen = latency.recordDrawn(result.timings, at);
    const isSure = captures.isMeasured && seen.picture_ms <= LONGEST_DELAY_MS;
    acknowledge(isSure ? seen : null);
  });
}

/**
 * Show the camera's picture this way up, and have the model see it so.
 *
 * @param {Camera} camera
 * @param {import("./protocol.js").Rotation} rotation
 */
function orient({ mirrored }, rotation) {
  stage.orient({ mirrored, rotation });
  overlay.clear();
  session.send({ type: "rotate", rotation });
}

/**
 * When the picture of a result was taken; estimated if the encoder doesn't tell.
 *
 * @param {Result} result
 * @param {number} now
 */
function capturedAt({ rtp_timestamp: rtpTimestamp, timings }, now) {
  if (!captures.seesEncoded) {
    const arrivedMs = now - latency.roundTripMs / 2 - timings.age_ms;
    captures.recordLeft(rtpTimestamp, arrivedMs - latency.roundTripMs / 2);
  }
  return captures.capturedAt(rtpTimestamp);
}

/** What was seen before or after this stretch of live picture isn't seen in it. */
function forget() {
  const now = performance.now();
  latency.restart(now);
  view.showFigures(latency.read(now));
  ring.clear();
  wipe();
}

/** Nobody answers: what was answered last says nothing of what is seen now. */
function wipe() {
  judge(null);
  verdict.clear();
  overlay.clear();
  view.showVerdict("none");
  view.showClassifications([]);
}

/** @param {number | null} seq of the frame whose answer is shown, which may be wrong */
function judge(seq) {
  keeping.judge(seq);
  /** @type {HTMLButtonElement} */
  const wrong = view.element("wrong");
  wrong.disabled = !keeping.canDispute;
}

/** @param {Camera} camera */
async function fillCameras({ deviceId }) {
  view.showCameras(await listCameras(), deviceId);
}

const actions = {
  start: () => session.start(),
  reconnect: () => session.hurry(),
  reload: () => window.location.reload(),
  use_https: () => {
    window.location.protocol = "https:";
  },
};

view.element("action").addEventListener("click", ({ currentTarget }) => {
  const { action } = /** @type {HTMLElement} */ (currentTarget).dataset;
  actions[/** @type {import("./status.js").Action} */ (action)]();
});
view.element("stop").addEventListener("click", () => session.stop());
view.element("camera-choice").addEventListener("change", ({ currentTarget }) => {
  session.choose(/** @type {HTMLSelectElement} */ (currentTarget).value);
});
view.element("rotate").addEventListener("click", () => {
  if (shown === null) return;
  const rotation = turnFurther(stage.orientation.rotation);
  keepRotation(shown.deviceId, rotation);
  orient(shown, rotation);
});
watchFrames(video, (captureMs, mediaMs, isNext) => {
  captures.recordCapture(captureMs, isNext);
  if (wantsExact && captures.isMeasured) ring.keep(captureMs, mediaMs);
});
offerDelays();
offerExactBoxes((wanted) => {
  wantsExact = wanted;
  ring.clear();
});
fadeWhenIdle(controls);
offerFullscreen(view.element("fullscreen"));
whenAllowed(() => {
  if (body.dataset.situation === "permission_denied") session.start();
});
setInterval(() => {
  const now = performance.now();
  view.showFigures(latency.read(now));
  view.showVerdict(verdict.read(now));
  showDelays(latency.spreads(STAGES), captures.isMeasured);
}, FIGURES_MS);

window.addEventListener("online", () => session.hurry());
window.addEventListener("pagehide", () => session.close());
window.addEventListener("pageshow", ({ persisted }) => {
  // Back from the browser's page cache, with everything closed: begin again.
  if (persisted) window.location.reload();
});
