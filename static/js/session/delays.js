// @ts-check
/**
 * The panel that tells how old the picture is, stage by stage, and the switch in it:
 * opens and closes it, and writes the figures while it is open. Measures nothing.
 *
 * @typedef {import("./latency.js").Spread} Spread
 */
import { ofBrowser } from "./shelf.js";
import { Side } from "./side.js";
import { element } from "./view.js";

const MEASURED = "Measured by this page. The way back counts as half a round trip.";
const ESTIMATED =
  "Estimated: this browser doesn’t tell which picture is sent when, so it may be older " +
  "than this, and boxes can’t be exact.";

const EXACT_BOXES = "exact-boxes";

/** @type {HTMLElement[]} */
const rows = [...document.querySelectorAll("#delays [data-stage]")];

/** The stages that have a row. */
export const STAGES = rows.map((row) => row.dataset.stage ?? "");

/** Let the button open and close the panel. */
export function offerDelays() {
  const button = element("delays-button");
  const side = new Side(element("delays"), button);
  button.addEventListener("click", () => (side.isOpen ? side.close() : side.open()));
}

/**
 * The switch between the live picture and the one that the boxes were made of, as
 * this browser was last left.
 *
 * @param {(wanted: boolean) => void} use
 */
export function offerExactBoxes(use) {
  /** @type {HTMLInputElement} */
  const choice = element(EXACT_BOXES);
  choice.checked = ofBrowser.read(EXACT_BOXES) === "on";
  choice.addEventListener("change", () => {
    ofBrowser.keep(EXACT_BOXES, choice.checked ? "on" : "off");
    use(choice.checked);
  });
  use(choice.checked);
}

/**
 * @param {Spread[]} spreads of `STAGES`; none when nothing is known
 * @param {boolean} isMeasured
 */
export function showDelays(spreads, isMeasured) {
  if (element("delays").hidden) return;
  const isEstimated = spreads.length > 0 && !isMeasured;
  element("delays-note").textContent = isEstimated ? ESTIMATED : MEASURED;
  // Which picture is which is only a guess then.
  /** @type {HTMLInputElement} */
  const choice = element("exact-boxes");
  choice.disabled = isEstimated;
  const wholeMs = spreads.at(-1)?.p50 || 1;
  for (const [index, row] of rows.entries()) {
    const { p50, p95 } = spreads[index] ?? {};
    const [half, most] = row.querySelectorAll("td");
    half.textContent = words(p50);
    most.textContent = words(p95);
    row.style.setProperty("--share", String(Math.min(1, (p50 ?? 0) / wholeMs)));
  }
}

const words = (/** @type {number | undefined} */ ms) =>
  ms === undefined ? "–" : ms.toFixed(ms < 9.95 ? 1 : 0);
