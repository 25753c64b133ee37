// @ts-check
/**
 * Every sentence of the doctor's page about the browser and its network: the cause in
 * one, the cure in another. Pure: facts go in, findings come out.
 *
 * @typedef {import("./candidates.js").Candidate} Candidate
 * @typedef {import("./socket.js").Way} Way
 * @typedef {import("./trial.js").Trial} Trial
 * @typedef {"ok" | "warning" | "failed" | "not_configured"} Outcome
 * @typedef {{outcome: Outcome, cause: string, cure: string}} Finding
 */
import { SITUATIONS } from "../session/status.js";
import { familiesByType } from "./candidates.js";

export const OUTCOMES = {
  running: { symbol: "…", words: "Examining" },
  waiting: { symbol: "?", words: "Not yet" },
  ok: { symbol: "✓", words: "Good" },
  warning: { symbol: "!", words: "Take note" },
  failed: { symbol: "✕", words: "Failed" },
  not_configured: { symbol: "–", words: "Not set up" },
};

const TELL_THEM = "Tell the people who run this server; the report below helps them.";
const OTHER_NETWORK = "Try another network, such as a phone’s, or leave a VPN.";
const OTHER_BROWSER = "Use a current Chrome, Edge, Firefox or Safari.";

/** @returns {Finding} */
const ok = (/** @type {string} */ cause) => ({ outcome: "ok", cause, cure: "" });

/** @returns {Finding} */
const failed = (/** @type {string} */ cause, /** @type {string} */ cure) => {
  return { outcome: "failed", cause, cure };
};

/** @param {{isSecure: boolean, address: string}} page */
export function secureFinding({ isSecure, address }) {
  if (isSecure) return ok("Browsers give the camera to this page’s address.");
  return failed(
    `${address} is no secure address, and browsers give the camera to those alone.`,
    "Open the page with https://, or as localhost on the server itself.",
  );
}

/** @param {{label: string, width?: number, height?: number}} picture */
export function cameraFinding({ label, width, height }) {
  const size = width && height ? ` gives ${width} × ${height}` : " works";
  return ok(`${label || "The camera"}${size}.`);
}

/** @param {import("../session/protocol.js").CameraFailure} reason */
export function cameraFailure(reason) {
  const { sentence } = SITUATIONS[reason];
  const [cause, cure] = sentence.split(/:\s+/);
  if (cure === undefined) return failed(sentence, OTHER_BROWSER);
  return failed(`${cause}.`, `${cure[0].toUpperCase()}${cure.slice(1)}`);
}

/**
 * @param {{isOpen: boolean, roundTripMs: number | null, busy: string,
 *   httpAnswers: boolean}} socket
 * @returns {Finding}
 */
export function socketFinding({ isOpen, roundTripMs, busy, httpAnswers }) {
  if (busy) return { outcome: "warning", cause: "It was not examined.", cure: busy };
  if (isOpen && roundTripMs !== null) {
    return ok(`It is open, and a message comes back in ${rounded(roundTripMs)} ms.`);
  }
  if (isOpen) {
    return failed("It opens, but nothing comes back over it.", OTHER_NETWORK);
  }
  if (httpAnswers) {
    return failed(
      "Pages load from this server, but no WebSocket opens: a proxy on the way doesn’t " +
        "pass it on, or the server doesn’t know this address as its own.",
      "Who runs the server has the proxy pass WebSockets on to it, and names this host " +
        "in ALLOWED_HOSTS. Behind a company’s proxy, try another network.",
    );
  }
  return failed("The server doesn’t answer now.", "Examine again in a minute.");
}

/**
 * @param {Candidate[]} candidates
 * @param {boolean} hasTurn
 * @returns {Finding}
 */
export function candidatesFinding(candidates, hasTurn) {
  const { host, srflx, relay } = familiesByType(candidates);
  if (host.length + srflx.length + relay.length === 0) {
    return failed(
      "This browser shows no address over which a picture could leave it.",
      "Allow WebRTC in its settings and extensions; some privacy tools switch it off.",
    );
  }
  const parts = [];
  if (host.length) parts.push(`its own (${host.map(named).join(", ")})`);
  if (srflx.length) parts.push(`as its network shows it outside (${srflx.join(", ")})`);
  if (relay.length) parts.push(`lent by the TURN server (${relay.join(", ")})`);
  const cause = `This browser offers addresses ${listing(parts)}.`;
  if (hasTurn && relay.length === 0) {
    const cure = "The ways through the TURN server below say more.";
    return { outcome: "warning", cause: `${cause} The TURN server lends none.`, cure };
  }
  return ok(cause);
}

export const NO_TURN = Object.freeze({
  outcome: /** @type {const} */ ("not_configured"),
  cause: "The server offers no such way.",
  cure: "It is for networks that let nothing through directly; who runs the server can " +
    "set it up.",
});

export const NOT_TRIED = Object.freeze({
  outcome: /** @type {const} */ ("failed"),
  cause: "It can’t be tried without the WebSocket.",
  cure: "See there.",
});

export const NO_REPORT = Object.freeze({
  outcome: /** @type {const} */ ("failed"),
  cause: "The server says nothing of itself.",
  cure: "Examine again in a minute; if it stays so, who runs it looks into its log.",
});

/**
 * @param {Way} way
 * @param {Trial} trial
 * @param {boolean} helped whether another way leads to the server
 * @returns {Finding}
 */
export function wayFinding(way, trial, helped = false) {
  if (trial.ending === "ok") {
    const at = trial.place ? ` at ${trial.place}` : "";
    return ok(
      `The server is met${at}; what is sent comes back in ` +
        `${rounded(trial.roundTripMs ?? 0)} ms.`,
    );
  }
  const { cause, cure } = why(way, trial);
  if (!helped) return failed(cause, cure);
  const unneeded = `Nothing has to be done: another way leads there. ${cure}`;
  return { outcome: "warning", cause, cure: unneeded };
}

/**
 * @param {Way} way
 * @param {Trial} trial
 */
function why(way, { ending, sentence, errorCode }) {
  if (ending === "no_webrtc") {
    return { cause: "This browser has no WebRTC.", cure: OTHER_BROWSER };
  }
  if (ending === "refused") return { cause: sentence ?? "", cure: TELL_THEM };
  if (ending === "no_answer") {
    return { cause: "The server doesn’t answer an offer.", cure: TELL_THEM };
  }
  if (ending === "no_candidate") return noCandidate(way, errorCode);
  if (ending === "no_echo") {
    return {
      cause: "The way opens, but packets as large as a picture’s don’t come back.",
      cure: `A tunnel on the way lets only small ones through. ${OTHER_NETWORK}`,
    };
  }
  if (way === "direct") {
    return {
      cause: "No UDP comes through between this browser and the server.",
      cure: `A firewall is in between, yours or the server’s. ${OTHER_NETWORK} Who runs ` +
        "the server sees to NEXUS_UDP_PORTS and NEXUS_PUBLIC_IP.",
    };
  }
  return {
    cause: "The TURN server lends an address, but it doesn’t lead to the server.",
    cure: `${TELL_THEM} TURN_PEERS may lack this server’s address.`,
  };
}

/**
 * @param {Way} way
 * @param {number} [errorCode]
 */
function noCandidate(way, errorCode) {
  if (way === "direct") {
    return {
      cause: "This browser shows no address of its own.",
      cure: "Allow WebRTC in its settings and extensions.",
    };
  }
  if (errorCode === 401) {
    return {
      cause: "The TURN server refuses this page’s key.",
      cure: `${TELL_THEM} TURN_SECRET or a clock differs.`,
    };
  }
  const names = { udp: "UDP", tcp: "TCP", tls: "TLS" };
  const certificate = way === "tls" ? " or its certificate isn’t trusted" : "";
  return {
    cause: `The TURN server lends nothing over ${names[way]}: it doesn’t answer, a ` +
      `firewall is in between,${certificate ? `${certificate},` : ""} or it has no more.`,
    cure: `${OTHER_NETWORK} ${TELL_THEM}`,
  };
}

/**
 * The one sentence above all others.
 *
 * @param {{secure: Finding, socket: Finding, ways: Partial<Record<Way, Finding>>,
 *   server: Finding[]}} findings
 * @returns {{outcome: Outcome, sentence: string}}
 */
export function verdict({ secure, socket, ways, server }) {
  const open = (/** @type {Way} */ way) => ways[way]?.outcome === "ok";
  const relay = /** @type {Way[]} */ (["udp", "tcp", "tls"]).find(open);
  if (secure.outcome === "failed") {
    return { outcome: "failed", sentence: "The camera stays closed on this address." };
  }
  if (socket.outcome !== "ok") {
    const sentence = "This browser and the server can’t talk with each other.";
    return { outcome: socket.outcome, sentence };
  }
  if (!open("direct") && !relay) {
    const sentence = "Your picture can’t reach the server from this network.";
    return { outcome: "failed", sentence };
  }
  if (server.some(({ outcome }) => outcome === "failed")) {
    const sentence = "Your picture reaches the server, but something is missing there.";
    return { outcome: "failed", sentence };
  }
  if (!open("direct")) {
    const names = { udp: "UDP", tcp: "TCP", tls: "TLS", direct: "" };
    const sentence =
      `Your picture reaches the server through TURN over ${names[relay ?? "direct"]}.`;
    return { outcome: "ok", sentence };
  }
  return { outcome: "ok", sentence: "Your picture reaches the server directly." };
}

/** @param {number} ms */
const rounded = (ms) => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));

/** @param {string} family */
const named = (family) => (family === "hidden" ? "hidden by the browser" : family);

/** @param {string[]} words */
function listing(words) {
  const last = words[words.length - 1];
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${last}` : last;
}
