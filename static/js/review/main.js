// @ts-check
/**
 * Wires the review page: keys and buttons change the boxes or send the form. Without
 * this module the picture can be seen and rejected, nothing else.
 *
 * @typedef {import("./annotations.js").Plain} Plain
 * @typedef {import("./boxes.js").Box} Box
 */
import { paintOf } from "../session/palette.js";
import { Annotations } from "./annotations.js";
import { Board } from "./board.js";
import { deedOf } from "./keys.js";

const element = (/** @type {string} */ id) =>
  /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @type {{width: number, height: number, default_label: string,
 *   suggestions: {right: Plain[], wrong: Plain[]}}}
 */
const capture = JSON.parse(element("capture-data").textContent ?? "{}");
const form = /** @type {HTMLFormElement} */ (element("review"));
const list = element("annotations");
const rowTemplate = /** @type {HTMLTemplateElement} */ (element("annotation-row"));

const annotations = new Annotations(() => {
  board?.draw();
  fillList();
});
const board = new Board(
  /** @type {SVGSVGElement} */ (/** @type {unknown} */ (element("board"))),
  capture,
  annotations,
  addBox,
);
annotations.replace(capture.suggestions.right);
annotations.settle();

/** @param {Box} box */
function addBox(box) {
  const label = annotations.all.at(-1)?.label ?? "";
  const index = annotations.add(box, capture.default_label || label);
  board.choose(index);
  fillList();
  if (!annotations.all[index].label) focusLabel(index);
}

function fillList() {
  const { all } = annotations;
  while (list.children.length > all.length) list.lastElementChild?.remove();
  while (list.children.length < all.length) list.append(newRow(list.children.length));
  for (const [index, { label, box }] of all.entries()) {
    const row = /** @type {HTMLElement} */ (list.children[index]);
    const input = /** @type {HTMLInputElement} */ (row.querySelector("input"));
    row.classList.toggle("chosen", index === board.chosen);
    row.style.setProperty("--paint", paintOf(label).fill);
    if (input.value !== label) input.value = label;
    /** @type {HTMLElement} */ (row.querySelector(".of-picture")).hidden = box !== null;
  }
  element("nothing").hidden = all.length > 0;
}

/** @param {number} index */
function newRow(index) {
  const row = /** @type {HTMLElement} */ (
    /** @type {DocumentFragment} */ (rowTemplate.content.cloneNode(true)).firstElementChild
  );
  const input = /** @type {HTMLInputElement} */ (row.querySelector("input"));
  input.setAttribute("aria-label", `Label ${index + 1}`);
  input.addEventListener("focus", () => choose(index));
  input.addEventListener("input", () => annotations.change(index, { label: input.value }));
  row.querySelector("button")?.addEventListener("click", () => remove(index));
  return row;
}

/** @param {number} index */
function choose(index) {
  board.choose(index);
  fillList();
}

/** @param {number} index */
function remove(index) {
  if (index < 0) return;
  board.chosen = -1;
  annotations.remove(index);
}

/** @param {number} index */
function focusLabel(index) {
  const input = list.children[index]?.querySelector("input");
  input?.focus();
  input?.select();
}

/** @param {string} decision */
function send(decision) {
  const plain = annotations.plain();
  const unnamed = plain.findIndex(({ label }) => label === "");
  if (decision === "accept" && unnamed >= 0) return focusLabel(unnamed);
  /** @type {HTMLInputElement} */ (element("annotations-field")).value = JSON.stringify(plain);
  /** @type {HTMLButtonElement} */ (form.querySelector(`[value="${decision}"]`)).click();
}

/** @type {Record<import("./keys.js").Deed, () => void>} */
const deeds = {
  right() {
    annotations.replace(capture.suggestions.right);
    send("accept");
  },
  wrong() {
    annotations.replace(capture.suggestions.wrong);
    choose(annotations.all.length ? 0 : -1);
  },
  accept: () => send("accept"),
  reject: () => send("reject"),
  skip: () => element("skip").click(),
  undo() {
    if (annotations.canUndo) annotations.undo();
    else document.getElementById("undo-review")?.click();
  },
  box: () => board.addInTheMiddle(),
  label() {
    focusLabel(Math.max(0, board.chosen));
  },
  next: () => choose(nextOf(1)),
  previous: () => choose(nextOf(-1)),
  remove: () => remove(board.chosen),
  leave: () => /** @type {HTMLElement} */ (document.activeElement).blur(),
};

/** @param {number} step */
function nextOf(step) {
  const count = annotations.all.length;
  return count ? (board.chosen + step + count) % count : -1;
}

for (const button of /** @type {NodeListOf<HTMLElement>} */ (
  document.querySelectorAll("[data-deed]")
)) {
  button.addEventListener("click", () => {
    deeds[/** @type {import("./keys.js").Deed} */ (button.dataset.deed)]();
  });
}

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const deed = deedOf(event, target.matches("input, textarea, select"));
  // Enter on a button presses that button.
  if (deed === "accept" && target.matches("button, a, summary")) return;
  if (deed) deeds[deed]();
  else if (target.matches("input, textarea, select") || !board.nudge(event)) return;
  event.preventDefault();
});
document.documentElement.dataset.ready = "yes";
