// @ts-check
/**
 * Every message on the WebSocket: its name and its fields, twin of
 * `apps/nexus/protocol.py`. Must not know the page. A test reads the
 * constants below as JSON, so they keep to strict JSON syntax.
 */

export const CLIENT_MESSAGES = {
  "open": ["resume_token"],
  "acquiring": [],
  "camera_failed": ["reason"],
  "offer": ["sdp"],
  "candidate": ["candidate"],
  "begin_jpeg": [],
  "ack": ["seq", "timings"],
  "ping": ["sent_at_ms"],
  "rotate": ["rotation"],
  "dispute": ["seq"],
  "complain": ["seq", "is_hot_dog", "label"],
  "consent": [],
  "take_back": ["resume_token"],
  "stop": []
};

export const SERVER_MESSAGES = {
  "welcome": [
    "session_id", "resume_token", "next_seq", "deployment",
    "ice_servers", "model", "worker_alive"
  ],
  "ice_servers": ["ice_servers"],
  "move": ["within_ms"],
  "status": ["status", "sentence"],
  "place": ["resume_token", "position", "estimate_s"],
  "worker": ["alive", "sentence"],
  "answer": ["sdp"],
  "taken": ["rtp_timestamp"],
  "model": ["model"],
  "result": [
    "seq", "rtp_timestamp", "frame", "is_hot_dog",
    "detections", "classifications", "timings"
  ],
  "quality": ["max_side", "max_framerate"],
  "keeping": ["is_allowed", "samples", "retention_days", "sentence"],
  "disputed": ["seq", "picture", "is_hot_dog", "labels"],
  "thanks": ["seq", "is_kept", "sentence"],
  "error": ["code", "sentence"],
  "pong": ["sent_at_ms"]
};

export const STATUSES = [
  "pending", "waiting", "acquiring", "connecting",
  "live", "reconnecting", "ended", "failed"
];

export const CAMERA_FAILURES = [
  "permission_denied", "no_camera", "camera_busy",
  "insecure_context", "unsupported", "constraint"
];

export const ERROR_CODES = [
  "malformed", "unknown_type", "invalid", "out_of_order",
  "too_large", "too_fast", "no_video", "unsupported_codec", "unavailable"
];

/** Of an `ack`: nothing that takes longer is a delay, and it would be refused. */
export const LONGEST_DELAY_MS = 60000;

/** Of a label that a person gives. */
export const LONGEST_LABEL = 80;

/**
 * @typedef {"pending" | "waiting" | "acquiring" | "connecting"
 *   | "live" | "reconnecting" | "ended" | "failed"} Status
 * @typedef {"permission_denied" | "no_camera" | "camera_busy"
 *   | "insecure_context" | "unsupported" | "constraint"} CameraFailure
 * @typedef {[number, number, number, number]} Box `xyxy` in pixels of its frame
 * @typedef {0 | 90 | 180 | 270} Rotation clockwise, in degrees, until upright
 * @typedef {{width: number, height: number, rotation: Rotation}} Frame its upright
 *   size, once turned by its rotation
 * @typedef {{label: string, score: number, box: Box}} Detection
 * @typedef {{label: string, score: number}} Classification
 * @typedef {{name: string, version: string, family: string}} Model
 * @typedef {{receive_ms: number, wait_ms: number, featurize_ms: number,
 *   forward_ms: number, decode_ms: number, publish_ms: number,
 *   age_ms: number}} Timings of the server; they add up to the age
 * @typedef {{capture_ms: number, draw_ms: number, picture_ms: number}} DrawnTimings
 *   from the camera to the server, from the server to the drawing, and in all
 *
 * @typedef {{type: "open", resume_token: string}
 *   | {type: "acquiring"} | {type: "stop"} | {type: "begin_jpeg"} | {type: "consent"}
 *   | {type: "camera_failed", reason: CameraFailure}
 *   | {type: "offer", sdp: string}
 *   | {type: "candidate", candidate: RTCIceCandidateInit | null}
 *   | {type: "ack", seq: number, timings: DrawnTimings | null}
 *   | {type: "ping", sent_at_ms: number}
 *   | {type: "rotate", rotation: Rotation}
 *   | {type: "dispute", seq: number | null}
 *   | {type: "complain", seq: number, is_hot_dog: boolean, label: string}
 *   | {type: "take_back", resume_token: string}} ClientMessage
 *
 * @typedef {{type: "welcome", session_id: string, resume_token: string,
 *   next_seq: number, deployment: string, ice_servers: RTCIceServer[],
 *   model: Model | null, worker_alive: boolean}} Welcome
 * @typedef {{type: "status", status: Status, sentence: string}} StatusMessage
 * @typedef {{type: "place", resume_token: string, position: number | null,
 *   estimate_s: number | null}} PlaceMessage
 *   in line: 1 is next, null is not in it; an estimate of null is none
 * @typedef {{type: "worker", alive: boolean, sentence: string}} WorkerMessage
 * @typedef {{type: "result", seq: number, rtp_timestamp: number, frame: Frame,
 *   is_hot_dog: boolean, detections: Detection[],
 *   classifications: Classification[], timings: Timings}} Result
 *   `rtp_timestamp` is what the browser itself gave the frame: 32 bits, 90 kHz
 * @typedef {{type: "quality", max_side: number, max_framerate: number}} Quality the
 *   most that is worth sending: pixels of the longer side, frames a second
 * @typedef {{type: "keeping", is_allowed: boolean, samples: boolean,
 *   retention_days: number, sentence: string}} Terms on which pictures are kept;
 *   `samples` is whether more are wanted than those that are disputed
 * @typedef {{type: "disputed", seq: number, picture: string | null,
 *   is_hot_dog: boolean | null, labels: string[]}} Disputed a small picture as a data
 *   URL; null if it is gone
 * @typedef {{type: "thanks", seq: number, is_kept: boolean, sentence: string}} Thanks
 * @typedef {{type: "error", code: string, sentence: string}} ErrorMessage
 *
 * @typedef {Welcome | StatusMessage | PlaceMessage | WorkerMessage | Result | Quality
 *   | Terms | Disputed | Thanks | ErrorMessage
 *   | {type: "ice_servers", ice_servers: RTCIceServer[]}
 *   | {type: "move", within_ms: number}
 *   | {type: "answer", sdp: string}
 *   | {type: "taken", rtp_timestamp: number}
 *   | {type: "model", model: Model}
 *   | {type: "pong", sent_at_ms: number}} ServerMessage
 */

/**
 * Read one message of the server; null for anything this page doesn't know, so
 * that a newer server can say more without breaking an older page.
 *
 * @param {string} text
 * @returns {ServerMessage | null}
 */
export function parseServerMessage(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof message !== "object" || message === null) return null;
  if (!Object.hasOwn(SERVER_MESSAGES, message.type)) return null;
  /** @type {string[]} */
  const fields = SERVER_MESSAGES[
    /** @type {keyof typeof SERVER_MESSAGES} */ (message.type)
  ];
  return fields.every((field) => Object.hasOwn(message, field)) ? message : null;
}
