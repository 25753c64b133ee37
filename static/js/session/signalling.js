// @ts-check
/**
 * The WebSocket to the server: opens it, keeps it open, and comes back by itself
 * after a loss, to the same session. Knows how a connection begins and ends, and
 * nothing of what it is for.
 *
 * @typedef {import("./protocol.js").Welcome} Welcome
 * @typedef {import("./protocol.js").ClientMessage} ClientMessage
 * @typedef {import("./protocol.js").ServerMessage} ServerMessage
 */
import { parseServerMessage } from "./protocol.js";
import { dropTicket, keepTicket, readTicket } from "./ticket.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const PING_MS = 1000;
const SILENT_PINGS = 3;

/** "Try again later", in the standard's number and in the one Daphne can send. */
const TRY_AGAIN_LATER = [1013, 4013];
/** Another page goes on with the session. */
const TAKEN_OVER = 4014;

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
  /** @type {Welcome | null} what the server said at the start; null until then */
  welcome = null;
  /** @type {WebSocket | null} */
  #socket = null;
  /** Why there was no welcome, if the server said so. */
  #refusal = "";
  #attempt = 0;
  #silent = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #beat;

  /**
   * @param {string} url
   * @param {{onMessage: (message: ServerMessage) => void,
   *   onLost: (refused: boolean, sentence: string) => void,
   *   onTakenOver: () => void}} page `onLost` is called for every failed attempt too;
   *   refused if the server is there but won't have us
   */
  constructor(url, { onMessage, onLost, onTakenOver }) {
    this.url = url;
    this.onMessage = onMessage;
    this.onLost = onLost;
    this.onTakenOver = onTakenOver;
  }

  /** Connect now, without waiting out the back-off. */
  open() {
    this.close();
    this.#silent = 0;
    this.#beat = setInterval(() => this.#ping(), PING_MS);
    const socket = new WebSocket(this.url);
    socket.onopen = () => {
      this.send({ type: "open", resume_token: readTicket(this.url) });
      this.#ping();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    this.#socket = socket;
  }

  /** @param {string} text */
  #receive(text) {
    this.#silent = 0;
    const message = parseServerMessage(text);
    if (message === null) return;
    if (message.type === "welcome") {
      this.welcome = message;
      keepTicket(this.url, message.resume_token);
      // Only now is it sure that the server takes us and doesn't close at once.
      this.#attempt = 0;
    }
    if (message.type === "place") keepTicket(this.url, message.resume_token);
    if (message.type === "move") this.#move(message.within_ms);
    if (message.type === "error" && !this.welcome) this.#refusal = message.sentence;
    this.onMessage(message);
  }

  /**
   * Messages of a lost connection are dropped: the next one starts afresh.
   *
   * @param {ClientMessage} message
   */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
  }

  /** @param {ArrayBuffer} message */
  sendBytes(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(message);
  }

  /** The session is over: whoever opens again begins another. */
  end() {
    dropTicket(this.url);
    this.close();
  }

  /** Close for good; only `open` comes back from here. */
  close() {
    clearTimeout(this.#retry);
    clearInterval(this.#beat);
    this.welcome = null;
    this.#refusal = "";
    if (this.#socket === null) return;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
    this.#socket = null;
  }

  /** A dead network says nothing, so the silence after our pings has to. */
  #ping() {
    this.#silent += 1;
    if (this.#silent > SILENT_PINGS) this.#lost(false);
    else this.send({ type: "ping", sent_at_ms: performance.now() });
  }

  /**
   * This process of the server is about to end: another one goes on. Not all pages at
   * the same moment, and without a word to the visitor.
   *
   * @param {number} withinMs
   */
  #move(withinMs) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.open(), withinMs * Math.random());
  }

  /** @param {number} code */
  #closed(code) {
    if (code !== TAKEN_OVER) return this.#lost(TRY_AGAIN_LATER.includes(code));
    this.end();
    this.onTakenOver();
  }

  /** @param {boolean} refused */
  #lost(refused) {
    const sentence = this.#refusal;
    this.close();
    const waitMs = delayMs(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.open(), waitMs);
    this.onLost(refused || sentence !== "", sentence);
  }
}
