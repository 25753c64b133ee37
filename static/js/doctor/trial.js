// @ts-check
/**
 * Tries one way to the server: offers a data channel that may use this way alone, and
 * measures how long what is sent takes to come back. Puts nothing in words.
 *
 * @typedef {import("./candidates.js").Candidate} Candidate
 * @typedef {"ok" | "no_webrtc" | "no_candidate" | "no_answer" | "refused" | "no_way"
 *   | "no_echo"} Ending
 * @typedef {{ending: Ending, roundTripMs?: number, place?: string, sentence?: string,
 *   errorCode?: number}} Trial `place` is where the server was met; `errorCode` what
 *   the TURN server or the browser said when there was no relay
 * @typedef {(sdp: string) => Promise<{sdp?: string, sentence?: string}>} Offer
 */
import { parseCandidate } from "./candidates.js";

const GATHER_MS = 6000;
/** What else may come once the first candidate is there. */
const MORE_MS = 1000;
const ANSWER_MS = 8000;
const CONNECT_MS = 10_000;
const ECHO_MS = 3000;
const ECHOES = 5;
/** As large as the packets of a picture, which a tunnel on the way may not let pass. */
const PADDING = "x".repeat(1000);

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {RTCConfiguration} configuration
 * @param {Offer} offer sends an offer; gives the answer, or why there is none
 * @returns {Promise<Trial>}
 */
export async function tryWay(configuration, offer) {
  if (!("RTCPeerConnection" in window)) return { ending: "no_webrtc" };
  const connection = new RTCPeerConnection(configuration);
  try {
    const channel = connection.createDataChannel("doctor");
    const { candidates, errorCode } = await gather(connection);
    if (candidates.length === 0) return { ending: "no_candidate", errorCode };
    const sdp = connection.localDescription?.sdp ?? "";
    const answer = await Promise.race([offer(sdp), wait(ANSWER_MS)]);
    if (answer?.sentence) return { ending: "refused", sentence: answer.sentence };
    if (!answer?.sdp) return { ending: "no_answer" };
    await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    if (!(await isOpen(channel))) return { ending: "no_way" };
    const roundTripMs = await echo(channel);
    if (roundTripMs === null) return { ending: "no_echo" };
    return { ending: "ok", roundTripMs, place: await placeOf(connection) };
  } finally {
    connection.close();
  }
}

/**
 * All candidates of a connection, or those that are there when patience ends.
 *
 * @param {RTCPeerConnection} connection
 * @returns {Promise<{candidates: Candidate[], errorCode?: number}>}
 */
export async function gather(connection) {
  /** @type {Candidate[]} */
  const candidates = [];
  /** @type {number | undefined} */
  let errorCode;
  connection.onicecandidateerror = (event) => {
    errorCode ??= event.errorCode;
  };
  const isEnough = new Promise((resolve) => {
    connection.onicecandidate = ({ candidate }) => {
      if (candidate === null) return resolve(undefined);
      const parsed = parseCandidate(candidate.candidate);
      if (parsed === null) return;
      candidates.push(parsed);
      wait(MORE_MS).then(resolve);
    };
  });
  await connection.setLocalDescription();
  await Promise.race([isEnough, wait(GATHER_MS)]);
  return { candidates, errorCode };
}

/** @param {RTCDataChannel} channel */
function isOpen(channel) {
  const opened = new Promise((resolve) => {
    channel.onopen = () => resolve(true);
    channel.onclose = () => resolve(false);
  });
  return Promise.race([opened, wait(CONNECT_MS)]);
}

/**
 * The middle one of several round trips, the first of which still warms up.
 *
 * @param {RTCDataChannel} channel
 */
async function echo(channel) {
  const roundTripsMs = [];
  for (let count = 0; count < ECHOES; count += 1) {
    const back = new Promise((resolve) => {
      channel.onmessage = () => resolve(true);
    });
    const begun = performance.now();
    channel.send(PADDING);
    if (!(await Promise.race([back, wait(ECHO_MS)]))) return null;
    roundTripsMs.push(performance.now() - begun);
  }
  roundTripsMs.sort((a, b) => a - b);
  return roundTripsMs[Math.floor(ECHOES / 2)];
}

/** @param {RTCPeerConnection} connection */
async function placeOf(connection) {
  const report = await connection.getStats();
  const pair = [...report.values()].find(
    ({ type, nominated, state }) =>
      type === "candidate-pair" && nominated && state === "succeeded",
  );
  const remote = report.get(pair?.remoteCandidateId);
  return remote?.address ? `${remote.address}, port ${remote.port}` : "";
}
