// @ts-check
/**
 * The WebSocket to the server: opens it, keeps it open, and comes back by itself
 * after a loss. Knows what a ping is and no other message.
 *
 * @typedef {import("./protocol.js").ClientMessage} ClientMessage
 * @typedef {import("./protocol.js").ServerMessage} ServerMessage
 */
import { parseServerMessage } from "./protocol.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const PING_MS = 3000;
const SILENT_PINGS = 3;

/** "Try again later": the server is there, and full. */
export const CLOSED_FULL = 1013;

/**
 * Exponential back-off; half of it is chance, so that the pages of a restarted
 * server don't all come back in the same moment.
 *
 * @param {number} attempt 0 for the first
 * @param {number} chance 0..1
 */
export function delayMs(attempt, chance) {
  const longest = Math.min(FIRST_DELAY_MS * 2 ** attempt, LONGEST_DELAY_MS);
  return longest * (0.5 + 0.5 * chance);
}

export class Signalling {
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #silent = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #beat;

  /**
   * @param {string} url
   * @param {{onMessage: (message: ServerMessage) => void,
   *   onLost: (closeCode: number) => void}} page `onLost` is called for every failed
   *   attempt too
   */
  constructor(url, { onMessage, onLost }) {
    this.url = url;
    this.onMessage = onMessage;
    this.onLost = onLost;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connect now, without waiting out the back-off. */
  open() {
    this.close();
    this.#silent = 0;
    this.#beat = setInterval(() => this.#ping(), PING_MS);
    const socket = new WebSocket(this.url);
    socket.onopen = () => this.#ping();
    socket.onmessage = ({ data }) => {
      const message = parseServerMessage(data);
      this.#silent = 0;
      if (message === null) return;
      // Only now is it sure that the server takes us and doesn't close at once.
      if (message.type === "welcome") this.#attempt = 0;
      this.onMessage(message);
    };
    socket.onclose = ({ code }) => this.#lost(code);
    this.#socket = socket;
  }

  /**
   * Messages of a lost connection are dropped: the next one starts afresh.
   *
   * @param {ClientMessage} message
   */
  send(message) {
    if (this.isOpen) this.#socket?.send(JSON.stringify(message));
  }

  /** Close for good; only `open` comes back from here. */
  close() {
    clearTimeout(this.#retry);
    clearInterval(this.#beat);
    if (this.#socket === null) return;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
    this.#socket = null;
  }

  /** A dead network says nothing, so the silence after our pings has to. */
  #ping() {
    this.#silent += 1;
    if (this.#silent > SILENT_PINGS) this.#lost(1006);
    else this.send({ type: "ping", sent_at_ms: performance.now() });
  }

  /** @param {number} closeCode */
  #lost(closeCode) {
    this.close();
    const wait = delayMs(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.open(), wait);
    this.onLost(closeCode);
  }
}
