// @ts-check
/**
 * The doctor's WebSocket, see `apps/nexus/doctor/consumer.py` for its messages: opened
 * once, asked, and closed. Knows no page and no peer connection.
 *
 * @typedef {"direct" | "udp" | "tcp" | "tls"} Way
 * @typedef {{sdp?: string, sentence?: string}} Answer
 */

const OPEN_MS = 8000;
const PING_MS = 5000;

export class DoctorSocket {
  #socket;
  /** @type {Map<string, (message: any) => void>} what waits for a message of a name */
  #waiting = new Map();
  /** @type {RTCIceServer[]} what the server lends us to try */
  iceServers = [];
  /** Why the server won't have us just now, if it said so. */
  busy = "";

  /** @param {string} url */
  constructor(url) {
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
  }

  /** Whether the server has greeted us. */
  async open() {
    const closed = new Promise((resolve) => {
      this.#socket.onclose = () => resolve(null);
    });
    const greeting = await Promise.race([this.#next("hello"), closed, late(OPEN_MS)]);
    this.iceServers = greeting?.ice_servers ?? [];
    return greeting !== null;
  }

  /** Milliseconds there and back; null if nothing comes back. */
  async ping() {
    const begun = performance.now();
    this.#send({ type: "ping", sent_at_ms: begun });
    const pong = await Promise.race([this.#next("pong"), late(PING_MS)]);
    return pong === null ? null : performance.now() - begun;
  }

  /**
   * @param {Way} way
   * @param {string} sdp
   * @returns {Promise<Answer>} the answer, or why there is none; may never come
   */
  offer(way, sdp) {
    this.#send({ type: "offer", way, sdp });
    return this.#next(way);
  }

  close() {
    this.#socket.close();
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
  }

  /**
   * @param {string} name
   * @returns {Promise<any>}
   */
  #next(name) {
    return new Promise((resolve) => this.#waiting.set(name, resolve));
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === "busy") this.busy = message.sentence;
    this.#waiting.get(message.way ?? message.type)?.(message);
  }
}

/**
 * @param {number} ms
 * @returns {Promise<null>}
 */
function late(ms) {
  return new Promise((resolve) => setTimeout(() => resolve(null), ms));
}
