// @ts-check
/**
 * One RTCPeerConnection that sends one camera track. The browser always offers, so
 * there is no glare; a broken link is closed and replaced, since the server's side
 * can't restart ICE. Knows neither the WebSocket nor the page.
 *
 * @typedef {import("./protocol.js").ClientMessage} ClientMessage
 */
import { watchEncoded } from "./encoded.js";
import { Pulse } from "./pulse.js";
import { SenderLimit } from "./quality.js";

const CONNECT_TIMEOUT_MS = 15_000;
const DISCONNECTED_GRACE_MS = 4000;
const ENCODING = { maxBitrate: 1_500_000, maxFramerate: 30 };

export class PeerLink {
  #connection;
  #sender;
  #limit;
  #send;
  #onBroken;
  #unwatch;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  #pulse;

  /**
   * @param {{stream: MediaStream, track: MediaStreamTrack}} camera
   * @param {RTCIceServer[]} iceServers
   * @param {{send: (message: ClientMessage) => void, onBroken: () => void,
   *   onEncoded: (rtpTimestamp: number, atMs: number) => void}} outside
   */
  constructor({ stream, track }, iceServers, outside) {
    const { send, onBroken, onEncoded } = outside;
    this.#send = send;
    this.#onBroken = onBroken;
    this.#connection = new RTCPeerConnection({
      iceServers,
      bundlePolicy: "max-bundle",
    });
    this.#sender = this.#connection.addTransceiver(track, {
      direction: "sendonly",
      streams: [stream],
      sendEncodings: [ENCODING],
    }).sender;
    this.#limit = new SenderLimit(this.#sender);
    this.#unwatch = watchEncoded(this.#sender, onEncoded);
    this.#connection.onconnectionstatechange = () => this.#onState();
    this.#pulse = new Pulse(this.#connection, () => this.#break());
  }

  /** Offer, then send candidates as they are found, the closing null too. */
  async offer() {
    const connection = this.#connection;
    /** @type {() => void} */
    let offerIsSent = () => {};
    const sent = new Promise((resolve) => {
      offerIsSent = () => resolve(undefined);
    });
    connection.onicecandidate = async ({ candidate }) => {
      await sent;
      // "" ends one generation of candidates; the null that follows ends them all.
      if (candidate?.candidate === "" || this.#isClosed) return;
      this.#send({ type: "candidate", candidate: describe(candidate) });
    };
    this.#watch(CONNECT_TIMEOUT_MS);
    try {
      await connection.setLocalDescription();
    } catch {
      this.#break();
    }
    if (this.#isClosed) return;
    const sdp = connection.localDescription?.sdp ?? "";
    this.#send({ type: "offer", sdp });
    offerIsSent();
  }

  /** @param {string} sdp the answer; one that comes too late is not for us */
  async accept(sdp) {
    if (this.#connection.signalingState !== "have-local-offer") return;
    try {
      await this.#connection.setRemoteDescription({ type: "answer", sdp });
    } catch {
      this.#break();
    }
  }

  /** @param {MediaStreamTrack} track */
  async replaceTrack(track) {
    if (this.#isClosed) return;
    await this.#sender.replaceTrack(track);
    await this.#limit.apply();
  }

  /** @param {import("./protocol.js").Quality} quality the most that is worth sending */
  async limit(quality) {
    if (!this.#isClosed) await this.#limit.set(quality);
  }

  close() {
    clearTimeout(this.#watchdog);
    this.#pulse.stop();
    this.#connection.onicecandidate = null;
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
    this.#unwatch();
  }

  get isConnected() {
    return this.#connection.connectionState === "connected";
  }

  get #isClosed() {
    return this.#connection.signalingState === "closed";
  }

  #onState() {
    clearTimeout(this.#watchdog);
    const state = this.#connection.connectionState;
    if (state === "connected") this.#pulse.start();
    else if (state === "failed") this.#break();
    else if (state === "disconnected") this.#watch(DISCONNECTED_GRACE_MS);
    else this.#watch(CONNECT_TIMEOUT_MS);
  }

  /** @param {number} timeoutMs */
  #watch(timeoutMs) {
    this.#watchdog = setTimeout(() => this.#break(), timeoutMs);
  }

  #break() {
    if (this.#isClosed) return;
    this.close();
    this.#onBroken();
  }
}

/**
 * @param {RTCIceCandidate | null} candidate
 * @returns {RTCIceCandidateInit | null}
 */
function describe(candidate) {
  if (candidate === null) return null;
  const { sdpMid, sdpMLineIndex } = candidate;
  return { candidate: candidate.candidate, sdpMid, sdpMLineIndex };
}
