// @ts-check
/**
 * The words around the picture: the sentence and its button, the verdict, the quiet
 * strip, the classifier's list, the choice of cameras. Writes the page and decides
 * nothing; what tests and styles need to know is in the `data-` attributes of `body`.
 *
 * @typedef {import("./protocol.js").Classification} Classification
 * @typedef {import("./protocol.js").Model} Model
 * @typedef {import("./status.js").Situation} Situation
 * @typedef {import("./verdict.js").VerdictName} VerdictName
 */
import { placeWords, SITUATIONS, VERDICTS } from "./status.js";

const LISTED = 3;
/** Who listens hears of the place in line no more often than this. */
const SPOKEN_MS = 30_000;

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
export const element = (id) => /** @type {T} */ (document.getElementById(id));

/**
 * Write only what differs: a live region speaks at every write.
 *
 * @param {HTMLElement} target
 * @param {string} text
 */
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * @param {import("./status.js").SituationName} name
 * @param {string} sentence
 */
export function showSituation(name, sentence) {
  /** @type {Situation} */
  const { status, button } = SITUATIONS[name];
  const action = element("action");
  document.body.dataset.status = status;
  document.body.dataset.situation = name;
  document.body.dataset.told = sentence === SITUATIONS[name].sentence ? "usual" : "more";
  if (name !== "waiting") showPlace(null, null);
  write(element("sentence"), sentence);
  const focusIsLost = element("controls").contains(document.activeElement);
  action.hidden = button === undefined;
  if (button === undefined) return;
  write(action, button.label);
  action.dataset.action = button.action;
  // The controls go away with the picture; the keyboard's place must not.
  if (focusIsLost && status !== "reconnecting") action.focus();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let unspoken;

/**
 * The place in line: shown at once, and spoken now and then.
 *
 * @param {number | null} position
 * @param {number | null} estimateS
 */
export function showPlace(position, estimateS) {
  const words = placeWords(position, estimateS);
  write(element("place"), words);
  if (words === "") {
    clearTimeout(unspoken);
    unspoken = undefined;
    write(element("place-spoken"), "");
  } else if (unspoken === undefined) {
    write(element("place-spoken"), words);
    unspoken = setTimeout(speakPlace, SPOKEN_MS);
  }
}

function speakPlace() {
  write(element("place-spoken"), element("place").textContent ?? "");
  unspoken = setTimeout(speakPlace, SPOKEN_MS);
}

/** @param {VerdictName} name */
export function showVerdict(name) {
  if (document.body.dataset.verdict === name) return;
  document.body.dataset.verdict = name;
  element("verdict-symbol").textContent = VERDICTS[name].symbol;
  element("verdict-words").textContent = VERDICTS[name].words;
}

/** @param {string} sentence empty when a worker answers */
export function showWorker(sentence) {
  document.body.dataset.worker = sentence ? "away" : "here";
  write(element("worker"), sentence);
}

/** @param {Model | null} model */
export function showModel(model) {
  write(element("model-name"), model ? model.name : "No model yet");
  write(element("model-version"), model ? model.version : "");
}

/** @param {{resultsPerSecond: number, ageMs: number | null}} figures */
export function showFigures({ resultsPerSecond, ageMs }) {
  const digits = resultsPerSecond > 0 && resultsPerSecond < 9.95 ? 1 : 0;
  write(element("rate"), resultsPerSecond.toFixed(digits));
  write(element("age"), ageMs === null ? "–" : String(Math.round(ageMs)));
}

/** @param {Classification[]} classifications best first */
export function showClassifications(classifications) {
  const list = element("classes");
  list.hidden = classifications.length === 0;
  const best = classifications.slice(0, LISTED);
  while (list.children.length < best.length) {
    const template = element("class-row");
    list.append(/** @type {HTMLTemplateElement} */ (template).content.cloneNode(true));
  }
  for (const [index, row] of [...list.children].entries()) {
    const { label, score } = best[index] ?? { label: "", score: 0 };
    const [name, share, bar] = /** @type {HTMLElement[]} */ ([...row.children]);
    write(name, label);
    write(share, label && `${Math.round(score * 100)}%`);
    bar.style.setProperty("--score", String(score));
  }
}

/**
 * @param {{deviceId: string, label: string}[]} cameras
 * @param {string} current
 */
export function showCameras(cameras, current) {
  const options = cameras.map(({ deviceId, label }) => {
    return new Option(label, deviceId, false, deviceId === current);
  });
  element("camera-choice").replaceChildren(...options);
}
