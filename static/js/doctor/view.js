// @ts-check
/**
 * Writes the doctor's page: a row for each examination, the verdict above them, and
 * what screen readers are told as it goes on. Decides nothing.
 *
 * @typedef {import("./words.js").Finding} Finding
 * @typedef {keyof typeof import("./words.js").OUTCOMES} State
 */
import { OUTCOMES } from "./words.js";

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
export const element = (id) => /** @type {T} */ (document.getElementById(id));

/** @type {Map<string, {name: string, row: HTMLElement, finding: Finding | null}>} */
const rows = new Map();

/**
 * @param {string} list the list's id
 * @param {string} id
 * @param {string} name
 */
export function addRow(list, id, name) {
  const template = /** @type {HTMLTemplateElement} */ (element("row"));
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const row = /** @type {HTMLElement} */ (fragment.firstElementChild);
  row.id = id;
  part(row, "name").textContent = name;
  element(list).append(row);
  rows.set(id, { name, row, finding: null });
}

/** @param {string} list */
export function clearRows(list) {
  for (const child of element(list).children) rows.delete(child.id);
  element(list).replaceChildren();
}

/**
 * @param {string} id
 * @param {State} state
 * @param {string} [sentence]
 */
export function showState(id, state, sentence = "") {
  const { row } = rowOf(id);
  row.dataset.outcome = state;
  part(row, "symbol").textContent = OUTCOMES[state].symbol;
  part(row, "outcome").textContent = OUTCOMES[state].words;
  part(row, "cause").textContent = sentence;
  part(row, "cure").textContent = "";
  rowOf(id).finding = null;
}

/**
 * @param {string} id
 * @param {Finding} finding
 */
export function showFinding(id, finding) {
  showState(id, finding.outcome, finding.cause);
  const shown = rowOf(id);
  part(shown.row, "cure").textContent = finding.cure;
  shown.finding = finding;
  announce(`${shown.name}: ${OUTCOMES[finding.outcome].words}.`);
}

/** @returns {{name: string, finding: Finding}[]} those that have ended, in order */
export function findings() {
  return [...rows.values()].flatMap(({ name, finding }) =>
    finding === null ? [] : [{ name, finding }],
  );
}

/**
 * @param {State} state
 * @param {string} sentence
 */
export function showVerdict(state, sentence) {
  const verdict = element("verdict");
  verdict.dataset.outcome = state;
  element("verdict-symbol").textContent = OUTCOMES[state].symbol;
  element("verdict-words").textContent = sentence;
}

/** @param {string} sentence */
export function announce(sentence) {
  element("announcement").textContent = sentence;
}

/** @param {string} id */
function rowOf(id) {
  const row = rows.get(id);
  if (row === undefined) throw new Error(`There is no row ${id}.`);
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {string} name
 */
const part = (row, name) =>
  /** @type {HTMLElement} */ (row.querySelector(`.examination-${name}`));
