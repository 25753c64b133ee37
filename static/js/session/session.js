// @ts-check
/**
 * One visit: decides what the situation is and what happens next, and goes on by
 * itself after anything that can mend itself. How it looks is the page's business.
 *
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./protocol.js").ServerMessage} ServerMessage
 * @typedef {import("./protocol.js").Status} Status
 * @typedef {import("./status.js").SituationName} SituationName
 * @typedef {{
 *   onSituation: (name: SituationName, sentence: string) => void,
 *   onCamera: (camera: Camera | null) => void,
 *   onMessage: (message: ServerMessage) => void,
 *   onEncoded: (rtpTimestamp: number, atMs: number) => void,
 * }} Page
 */
import { Sender } from "./sender.js";
import { Signalling } from "./signalling.js";
import { SITUATIONS, TRIES_AGAIN } from "./status.js";

/** Refusals after which an offer gets no answer. */
const OFFER_REFUSED = ["no_video", "unsupported_codec", "too_large"];
/** A connection that takes longer has something in its way. */
const USUAL_CONNECT_MS = 4000;
/** Between two tries to do without JPEGs; half of it and more is chance. */
const LOOK_UP_MS = 40_000;

export class Session {
  #page;
  #signalling;
  #sender;
  /** @type {SituationName} */
  #situation = "opening";
  /** Whether the visitor wants the camera on. */
  #wanted = true;
  /** How often in a row a link broke, or never came about. */
  #broken = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  #deviceId = "";
  /** @type {RTCIceServer[]} the newest that the server has lent us */
  #iceServers = [];

  /**
   * @param {string} url
   * @param {Page} page
   */
  constructor(url, page) {
    this.#page = page;
    this.#signalling = new Signalling(url, {
      onMessage: (message) => this.#receive(message),
      onLost: (refused, sentence) => this.#serverLost(refused, sentence),
      onTakenOver: () => this.#off("taken_over"),
    });
    this.#sender = new Sender({
      send: (message) => this.send(message),
      sendBytes: (message) => this.#signalling.sendBytes(message),
      onCamera: page.onCamera,
      onEncoded: page.onEncoded,
      onCameraLost: () => this.stop("camera_lost"),
      onCameraFailed: (reason) => {
        this.send({ type: "camera_failed", reason });
        this.#off(reason);
      },
      onBroken: () => this.#linkBroken(),
    });
    this.#signalling.open();
  }

  send(/** @type {import("./protocol.js").ClientMessage} */ message) {
    this.#signalling.send(message);
  }

  /** Start the camera; after the session's end or a lost server, with a new session. */
  start() {
    const ended = SITUATIONS[this.#situation].status === "ended";
    this.#wanted = true;
    this.#broken = 0;
    if (this.#signalling.welcome && !ended) return this.#begin();
    this.#show("opening");
    this.#signalling.open();
  }

  /** @param {SituationName} [why] */
  stop(why = "stopped") {
    this.send({ type: "stop" });
    this.#off(why);
  }

  /** @param {string} deviceId the camera to use from now on */
  choose(deviceId) {
    this.#deviceId = deviceId;
    if (this.#sender.camera) this.#sender.openCamera(deviceId);
  }

  /** Don't wait for the next attempt. */
  hurry() {
    // Who waits in line is connected, and would go to the end of it.
    if (this.#situation === "waiting" || !this.#wanted) return;
    if (!this.#signalling.welcome) this.#signalling.open();
    else if (this.#sender.jpeg) this.#link();
  }

  close() {
    this.#wanted = false;
    this.#unlink();
    this.#sender.release();
    this.#signalling.close();
  }

  #show(/** @type {SituationName} */ name, /** @type {string} */ sentence = "") {
    this.#situation = name;
    this.#page.onSituation(name, sentence || SITUATIONS[name].sentence);
  }

  #off(/** @type {SituationName} */ name, /** @type {string} */ sentence = "") {
    this.#wanted = false;
    this.#unlink();
    this.#sender.release();
    this.#show(name, sentence);
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    if (message.type === "welcome") {
      this.#iceServers = message.ice_servers;
      // Pictures that were announced over another socket are not over this one.
      const wasJpeg = this.#sender.jpeg !== null;
      this.#sender.endJpeg();
      if (this.#wanted) this.#begin();
      if (wasJpeg) this.#sender.beginJpeg();
    } else if (message.type === "ice_servers") {
      this.#iceServers = message.ice_servers;
    } else if (message.type === "status") {
      // Over for this page too: it comes back when it is asked to.
      if (message.status === "ended") this.#signalling.end();
      if (this.#wanted) this.#serverSays(message.status, message.sentence);
    } else if (message.type === "answer") {
      this.#sender.peer?.accept(message.sdp);
    } else if (message.type === "taken") {
      this.#sender.jpeg?.taken();
    } else if (message.type === "quality") {
      this.#sender.peer?.limit(message);
    } else if (message.type === "error" && OFFER_REFUSED.includes(message.code)) {
      this.#linkBroken();
    }
    this.#page.onMessage(message);
  }

  async #begin() {
    if (this.#sender.camera) return this.#connect("connecting");
    this.send({ type: "acquiring" });
    this.#show("acquiring");
    await this.#sender.openCamera(this.#deviceId);
    if (!this.#sender.camera || this.#situation === "waiting") return;
    if (this.#signalling.welcome) this.#connect("connecting");
  }

  #connect(/** @type {SituationName} */ situation) {
    this.#show(situation);
    this.#link();
  }

  #link() {
    clearTimeout(this.#retry);
    clearTimeout(this.#patience);
    if (!("RTCPeerConnection" in window)) return this.#sender.beginJpeg();
    this.#patience = setTimeout(() => this.#sender.beginJpeg(), USUAL_CONNECT_MS);
    this.#sender.connect(this.#iceServers);
  }

  #unlink() {
    clearTimeout(this.#retry);
    clearTimeout(this.#patience);
    this.#sender.disconnect();
    this.#sender.endJpeg();
  }

  /** Only the server knows: a way may let the handshake pass, and no pictures. */
  #live(/** @type {string} */ sentence) {
    const { peer, jpeg } = this.#sender;
    if (jpeg && !peer?.isConnected) return this.#show("live_as_jpeg", sentence);
    if (!peer) return;
    this.#broken = 0;
    clearTimeout(this.#patience);
    this.#sender.endJpeg();
    this.#show("live", sentence);
  }

  /** A broken link is replaced at once; then JPEGs go on while it is tried again. */
  #linkBroken() {
    if (!this.#sender.peer) return;
    this.#sender.disconnect();
    this.#broken += 1;
    if (this.#broken === 1) {
      if (!this.#sender.jpeg) this.#show("peer_lost");
      return this.#link();
    }
    clearTimeout(this.#patience);
    this.#sender.beginJpeg();
    const waitMs = LOOK_UP_MS * (0.5 + 0.5 * Math.random());
    this.#retry = setTimeout(() => this.#link(), waitMs);
  }

  /** The server has no link of ours any more, of either kind. */
  #noneIsLeft() {
    const wasJpeg = this.#sender.jpeg !== null;
    this.#sender.endJpeg();
    if (this.#sender.peer) return this.#linkBroken();
    if (!wasJpeg) return;
    this.#show("peer_lost");
    this.#sender.beginJpeg();
  }

  #serverLost(/** @type {boolean} */ refused, /** @type {string} */ sentence) {
    this.#unlink();
    if (!this.#wanted) return;
    const why = sentence && `${sentence} ${TRIES_AGAIN}`;
    this.#show(refused ? "turned_away" : "server_away", why);
  }

  /**
   * What only the server can know. `acquiring`, `connecting` and `pending` echo what
   * this page has just said, and find a better sentence here already.
   */
  #serverSays(/** @type {Status} */ status, /** @type {string} */ sentence) {
    if (status === "waiting") {
      this.#unlink();
      this.#sender.release();
      this.#show("waiting", sentence);
    } else if (status === "ended") this.#off("ended", sentence);
    else if (status === "failed" || status === "reconnecting") this.#noneIsLeft();
    else if (status === "live") this.#live(sentence);
  }
}
