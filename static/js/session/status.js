// @ts-check
/**
 * Every situation a visitor can be in: its status (the server's word), one sentence,
 * and at most one button. All of the page's words about its state are here.
 *
 * @typedef {import("./protocol.js").Status} Status
 * @typedef {"start" | "reconnect" | "reload" | "use_https"} Action
 * @typedef {{status: Status, sentence: string,
 *   button?: {label: string, action: Action}}} Situation
 */

const START = { label: "Start the camera", action: /** @type {const} */ ("start") };
const RETRY = { label: "Try again", action: /** @type {const} */ ("start") };
const NOW = { label: "Try now", action: /** @type {const} */ ("reconnect") };

/** What follows any words about a server that is away, or turns the page away. */
export const TRIES_AGAIN = "This page tries again by itself.";

/** @satisfies {Record<string, Situation>} */
export const SITUATIONS = {
  opening: { status: "pending", sentence: "Setting the table." },
  stopped: {
    status: "pending",
    sentence: "The camera is off and nothing is being sent.",
    button: START,
  },
  camera_lost: {
    status: "pending",
    sentence: "The camera was unplugged or switched off: connect it and start again.",
    button: { ...START, label: "Start again" },
  },
  waiting: {
    status: "waiting",
    sentence: "Every place is taken. This page starts by itself once one is free.",
  },
  acquiring: {
    status: "acquiring",
    sentence: "Allow the camera when your browser asks, then point it at your food.",
  },
  connecting: { status: "connecting", sentence: "Connecting your camera…" },
  live: { status: "live", sentence: "Live." },
  live_as_jpeg: {
    status: "live",
    sentence: "Live, picture by picture: this network lets no video through.",
  },
  peer_lost: {
    status: "reconnecting",
    sentence: "The picture stopped on its way. Connecting it again…",
  },
  server_away: {
    status: "reconnecting",
    sentence: `The server is away. ${TRIES_AGAIN}`,
    button: NOW,
  },
  turned_away: {
    status: "reconnecting",
    sentence: `The server can’t take this page just now. ${TRIES_AGAIN}`,
    button: NOW,
  },
  ended: {
    status: "ended",
    sentence: "This session has ended.",
    button: { ...START, label: "Start again" },
  },
  taken_over: {
    status: "ended",
    sentence: "This session goes on in another tab or window.",
    button: { ...START, label: "Start another one here" },
  },
  permission_denied: {
    status: "failed",
    sentence:
      "The camera is blocked for this page: open the icon beside the address, " +
      "allow the camera, then try again.",
    button: RETRY,
  },
  no_camera: {
    status: "failed",
    sentence: "No camera was found: connect one, then try again.",
    button: RETRY,
  },
  camera_busy: {
    status: "failed",
    sentence: "Another application is using the camera: close it there, then try again.",
    button: RETRY,
  },
  insecure_context: {
    status: "failed",
    sentence:
      "Browsers open the camera on secure pages only: use this site’s https address, " +
      "or localhost on the machine itself.",
    button: { label: "Open the https page", action: "use_https" },
  },
  unsupported: {
    status: "failed",
    sentence:
      "This browser can’t send a camera picture: open this page in a current " +
      "Chrome, Edge, Firefox or Safari.",
    button: { label: "Try again", action: "reload" },
  },
  constraint: {
    status: "failed",
    sentence: "This camera gives no picture that can be used: connect another one.",
    button: RETRY,
  },
};

/** @typedef {keyof typeof SITUATIONS} SituationName */

/**
 * Where somebody is in line, and for about how long.
 *
 * @param {number | null} position 1 is next; null is not in line
 * @param {number | null} estimateS null if nobody knows
 */
export function placeWords(position, estimateS) {
  if (position === null) return "";
  const place = position === 1 ? "You are next." : `You are ${ordinal(position)} in line.`;
  if (estimateS === null) return `${place} Nobody knows yet for how long.`;
  return `${place} ${waitWords(estimateS)}`;
}

const ENDINGS = { one: "st", two: "nd", few: "rd", other: "th" };
const ORDINALS = new Intl.PluralRules("en", { type: "ordinal" });

function ordinal(/** @type {number} */ number) {
  const rule = /** @type {keyof typeof ENDINGS} */ (ORDINALS.select(number));
  return `${number}${ENDINGS[rule]}`;
}

function waitWords(/** @type {number} */ seconds) {
  if (seconds < 60) return `About ${seconds} seconds.`;
  const minutes = Math.round(seconds / 60);
  if (minutes === 1) return "About a minute.";
  if (minutes < 90) return `About ${minutes} minutes.`;
  return `About ${Math.round(minutes / 60)} hours.`;
}

export const WAITING_FOR_WORKER = "Connected. Waiting for a worker to come up…";

/** What the large letters say, and the symbol before them. */
export const VERDICTS = {
  "hot-dog": { symbol: "🌭", words: "Hot dog" },
  "not-hot-dog": { symbol: "❌", words: "Not hot dog" },
  "none": { symbol: "", words: "Looking…" },
};

/** @param {boolean} isHotDog what the model answered */
export const saidWords = (isHotDog) =>
  `The model said: ${VERDICTS[isHotDog ? "hot-dog" : "not-hot-dog"].words}.`;

export const GONE_WORDS =
  "That picture is gone already, so it can’t be kept: close this and try again.";

/**
 * What is asked before any picture is kept.
 *
 * @param {boolean} ofMany whether the page asks by itself, of no picture in particular
 * @param {number} days
 */
export function consentWords(ofMany, days) {
  const question = ofMany
    ? "This page would like to keep some pictures, so that the model can learn from " +
      "them. May it?"
    : "May this picture and others of this visit be kept, so that the model can learn " +
      "from them?";
  const forDays = days === 1 ? "for a day" : `for ${days} days`;
  return (
    `${question} Who reviews the pictures of this page can see them, ${forDays}; ` +
    "what is chosen for learning stays."
  );
}
