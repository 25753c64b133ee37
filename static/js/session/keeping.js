// @ts-check
/**
 * What the visitor says of the answers, and whether pictures may be kept. Decides what
 * is sent and what the sheet shows; how it looks is the sheet's business.
 *
 * @typedef {import("./protocol.js").ClientMessage} ClientMessage
 * @typedef {import("./protocol.js").Disputed} Disputed
 * @typedef {import("./protocol.js").Terms} Terms
 * @typedef {{isHotDog: boolean, label: string}} Complaint
 * @typedef {{
 *   complaint: (terms: Terms) => void,
 *   disputed: (disputed: Disputed) => void,
 *   ask: (terms: Terms) => void,
 *   say: (sentence: string) => void,
 *   close: () => void,
 *   terms: (terms: Terms) => void,
 * }} Sheet
 */

const CUT_OFF = "The connection was lost meanwhile. Say it again, please.";

export class Keeping {
  #send;
  #sheet;
  /** @type {Terms | null} */
  #terms = null;
  #mayAsk;
  #isLive = false;
  /** @type {number | null} the frame whose answer was shown last */
  #judged = null;
  /** @type {number | null} the frame that the sheet is about */
  #disputed = null;
  /** Names the session that we are in. */
  #ticket = "";
  /** @type {string | null} that of a session until the server has said that it ended */
  #takesBack = null;

  /**
   * @param {(message: ClientMessage) => void} send
   * @param {Sheet} sheet
   * @param {boolean} mayAsk whether the visitor hasn't said "not now" before
   */
  constructor(send, sheet, mayAsk) {
    this.#send = send;
    this.#sheet = sheet;
    this.#mayAsk = mayAsk;
  }

  get canDispute() {
    return this.#judged !== null && this.#terms !== null;
  }

  /** @param {number | null} seq null when nothing is shown any more */
  judge(seq) {
    this.#judged = seq;
  }

  /** @param {boolean} isLive */
  live(isLive) {
    this.#isLive = isLive;
    this.#ask();
  }

  /** A server that doesn't know what was being said has taken over. */
  welcome() {
    if (this.#disputed !== null) this.#sheet.say(CUT_OFF);
    this.#disputed = null;
  }

  /** @param {import("./protocol.js").ServerMessage} message */
  receive(message) {
    if (message.type === "welcome") {
      this.#ticket = message.resume_token;
    } else if (message.type === "keeping") {
      this.#terms = message;
      if (message.sentence) this.#takesBack = null;
      // The connection was lost over it, and perhaps the session is another by now.
      if (this.#takesBack !== null) this.#takeBack(this.#takesBack);
      this.#sheet.terms(message);
      if (message.sentence) this.#sheet.say(message.sentence);
      this.#ask();
    } else if (message.type === "disputed" && message.seq === this.#disputed) {
      this.#sheet.disputed(message);
    } else if (message.type === "thanks") {
      this.#disputed = null;
      this.#sheet.say(message.sentence);
    }
  }

  /** The visitor says that what is shown is wrong. */
  dispute() {
    if (this.#judged === null || this.#terms === null) return;
    this.#disputed = this.#judged;
    this.#send({ type: "dispute", seq: this.#disputed });
    this.#sheet.complaint(this.#terms);
  }

  /**
   * @param {Complaint} complaint
   * @param {boolean} allows whether the visitor allows pictures with it
   */
  complain({ isHotDog, label }, allows) {
    if (this.#disputed === null) return;
    if (allows && !this.#terms?.is_allowed) this.allow();
    const seq = this.#disputed;
    this.#send({ type: "complain", seq, is_hot_dog: isHotDog, label });
  }

  /** The sheet was closed before anything was said. */
  leave() {
    if (this.#disputed !== null) this.#send({ type: "dispute", seq: null });
    this.#disputed = null;
  }

  allow() {
    this.#mayAsk = false;
    this.#send({ type: "consent" });
  }

  takeBack() {
    this.#mayAsk = false;
    this.#takeBack(this.#ticket);
  }

  #takeBack(/** @type {string} */ ticket) {
    this.#takesBack = ticket;
    this.#send({ type: "take_back", resume_token: ticket });
  }

  notNow() {
    this.#mayAsk = false;
    this.#sheet.close();
  }

  /** Once, and only where more pictures are wanted than those that are disputed. */
  #ask() {
    const { is_allowed: isAllowed, samples } = this.#terms ?? {};
    if (!this.#terms || !samples || isAllowed || !this.#isLive || !this.#mayAsk) return;
    this.#mayAsk = false;
    this.#sheet.ask(this.#terms);
  }
}
