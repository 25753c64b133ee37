// @ts-check
/**
 * How the visitor has turned each camera's picture, remembered in this browser: some
 * phones and mounted cameras send theirs sideways. Knows no DOM and no network.
 *
 * @typedef {import("./protocol.js").Rotation} Rotation
 */
import { ofBrowser } from "./shelf.js";

const PREFIX = "rotation:";
/** @type {Rotation[]} each a quarter turn after the one before */
const ROTATIONS = [0, 90, 180, 270];

/** @param {Rotation} rotation */
export function turnFurther(rotation) {
  return ROTATIONS[(ROTATIONS.indexOf(rotation) + 1) % ROTATIONS.length];
}

/**
 * @param {string} deviceId
 * @returns {Rotation} 0 for a camera that was never turned
 */
export function rotationOf(deviceId) {
  const kept = ofBrowser.read(PREFIX + deviceId);
  return ROTATIONS.find((rotation) => String(rotation) === kept) ?? 0;
}

/**
 * @param {string} deviceId
 * @param {Rotation} rotation
 */
export function keepRotation(deviceId, rotation) {
  ofBrowser.keep(PREFIX + deviceId, String(rotation));
}
