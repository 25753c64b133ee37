// @ts-check
/**
 * Which key does what on the review page. Knows neither the picture nor the server.
 *
 * @typedef {"right" | "wrong" | "accept" | "skip" | "reject" | "undo" | "box" | "label"
 *   | "next" | "previous" | "remove" | "leave"} Deed
 */

/** @type {Record<string, Deed>} */
const DEEDS = {
  r: "right", w: "wrong", enter: "accept", s: "skip", x: "reject", u: "undo",
  b: "box", l: "label", n: "next", p: "previous", delete: "remove", backspace: "remove",
};
/** In a field of text letters are letters. */
/** @type {Record<string, Deed>} */
const DEEDS_IN_TEXT = { enter: "leave", escape: "leave" };

/**
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @param {boolean} isInText
 * @returns {Deed | null}
 */
export function deedOf({ key, ctrlKey, metaKey, altKey }, isInText) {
  const name = key.toLowerCase();
  if (isInText) return DEEDS_IN_TEXT[name] ?? null;
  if ((ctrlKey || metaKey) && name === "z") return "undo";
  if (ctrlKey || metaKey || altKey) return null;
  return DEEDS[name] ?? null;
}
