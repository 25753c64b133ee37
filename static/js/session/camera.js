// @ts-check
/**
 * The visitor's camera: opens the best one there is and says in our own words why it
 * can't. Knows neither the network nor the page.
 *
 * @typedef {import("./protocol.js").CameraFailure} CameraFailure
 * @typedef {{stream: MediaStream, track: MediaStreamTrack, deviceId: string,
 *   mirrored: boolean}} Camera
 */

const PICTURE = {
  width: { ideal: 640 },
  height: { ideal: 480 },
  frameRate: { ideal: 30, max: 30 },
};

/** @type {Record<string, CameraFailure>} */
const FAILURES = {
  NotAllowedError: "permission_denied",
  SecurityError: "permission_denied",
  NotFoundError: "no_camera",
  NotReadableError: "camera_busy",
  AbortError: "camera_busy",
  OverconstrainedError: "constraint",
};

export class CameraError extends Error {
  /**
   * @param {CameraFailure} reason
   * @param {unknown} [cause]
   */
  constructor(reason, cause) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/**
 * Open the chosen camera, or else the one at the back of a phone, or else any.
 *
 * @param {string} [deviceId]
 * @returns {Promise<Camera>}
 * @throws {CameraError}
 */
export async function acquireCamera(deviceId) {
  if (!window.isSecureContext) throw new CameraError("insecure_context");
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraError("unsupported");
  /** @type {(MediaTrackConstraints | boolean)[]} */
  const choices = [{ ...PICTURE, facingMode: { ideal: "environment" } }, true];
  if (deviceId) choices.unshift({ ...PICTURE, deviceId: { exact: deviceId } });
  /** @type {CameraError | undefined} */
  let failure;
  for (const video of choices) {
    try {
      return describe(await navigator.mediaDevices.getUserMedia({ video }));
    } catch (error) {
      failure = new CameraError(reasonOf(error), error);
      // Asking for less helps against these two only.
      if (!["constraint", "camera_busy"].includes(failure.reason)) break;
    }
  }
  throw failure;
}

/**
 * @param {unknown} error
 * @returns {CameraFailure}
 */
function reasonOf(error) {
  const name = error instanceof DOMException ? error.name : "";
  // Safari's OverconstrainedError is no DOMException.
  const constraint = error instanceof Object && "constraint" in error;
  return FAILURES[name] ?? (constraint ? "constraint" : "unsupported");
}

/**
 * @param {MediaStream} stream
 * @returns {Camera}
 */
function describe(stream) {
  const [track] = stream.getVideoTracks();
  // Motion: when bits are short, keep the rate and let the detail go.
  track.contentHint = "motion";
  const { deviceId = "", facingMode } = track.getSettings();
  return { stream, track, deviceId, mirrored: facingMode === "user" };
}

/** @param {Camera} camera */
export function releaseCamera({ stream, track }) {
  track.onended = null;
  for (const one of stream.getTracks()) one.stop();
}

/**
 * The cameras to choose from; browsers name them once one may be used.
 *
 * @returns {Promise<{deviceId: string, label: string}[]>}
 */
export async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter(({ kind, deviceId }) => kind === "videoinput" && deviceId)
    .map(({ deviceId, label }, index) => ({
      deviceId,
      label: label || `Camera ${index + 1}`,
    }));
}

/**
 * Call back when the visitor allows the camera in the browser's own settings.
 *
 * @param {() => void} callback
 */
export async function whenAllowed(callback) {
  try {
    const name = /** @type {PermissionName} */ ("camera");
    const permission = await navigator.permissions.query({ name });
    permission.addEventListener("change", () => {
      if (permission.state === "granted") callback();
    });
  } catch {
    // A browser that can't tell leaves it to the button.
  }
}
