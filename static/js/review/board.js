// @ts-check
/**
 * The picture with its boxes, to be drawn, held and moved: by mouse, finger and key.
 * What comes of it is in the `Annotations`; it knows no server.
 *
 * @typedef {import("./annotations.js").Annotations} Annotations
 * @typedef {import("./boxes.js").Box} Box
 * @typedef {import("./boxes.js").Grip} Grip
 * @typedef {import("./boxes.js").Point} Point
 * @typedef {import("./boxes.js").Size} Size
 */
import { paintOf } from "../session/palette.js";
import {
  between, boxAt, dragged, gripPoint, GRIPS, isLargeEnough, middle, WHOLE,
} from "./boxes.js";

const SVG = "http://www.w3.org/2000/svg";
/** How far from a grip it is still held, in CSS pixels: a finger hides what it touches. */
const REACH = { mouse: 9, pen: 12, touch: 24 };
const GRIP_RADIUS = 5;
const FONT_PX = 15;
/** @type {Record<string, Point>} */
const ARROWS = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
const FAR = 10;

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function draw(name, attributes) {
  const drawn = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    drawn.setAttribute(key, String(value));
  }
  return drawn;
}

export class Board {
  chosen = -1;
  #svg;
  #size;
  #annotations;
  #onDrawn;
  /** @type {{index: number, grip: Grip, from: Point, box: Box | null} | null} */
  #drag = null;
  /** @type {Box | null} what is being dragged, as it is now */
  #shown = null;

  /**
   * @param {SVGSVGElement} svg
   * @param {Size} size of the picture
   * @param {Annotations} annotations
   * @param {(box: Box) => void} onDrawn a new box, which is nobody's yet
   */
  constructor(svg, size, annotations, onDrawn) {
    this.#svg = svg;
    this.#size = size;
    this.#annotations = annotations;
    this.#onDrawn = onDrawn;
    svg.style.setProperty("--ratio", String(size.width / size.height));
    svg.addEventListener("pointerdown", (event) => this.#hold(event));
    svg.addEventListener("pointermove", (event) => this.#move(event));
    svg.addEventListener("pointerup", () => this.#release());
    svg.addEventListener("pointercancel", () => this.#cancel());
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  /** @param {number} index -1 is none */
  choose(index) {
    this.chosen = index;
    this.draw();
  }

  addInTheMiddle() {
    this.#onDrawn(middle(this.#size));
  }

  /**
   * Move the chosen box by a key, or its right and lower edge.
   *
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was an arrow, and there was something to move
   */
  nudge({ key, shiftKey, altKey }) {
    const arrow = ARROWS[key];
    const box = this.#annotations.all[this.chosen]?.box;
    if (!arrow || !box) return false;
    const step = shiftKey ? FAR : 1;
    const by = { x: arrow.x * step, y: arrow.y * step };
    /** @type {Grip} */
    const grip = altKey ? { x: arrow.x ? 1 : 0, y: arrow.y ? 1 : 0 } : WHOLE;
    this.#annotations.change(this.chosen, { box: dragged(box, grip, by, this.#size) });
    return true;
  }

  draw() {
    const unit = this.#unit();
    const marks = this.#annotations.all.flatMap(({ label, box }, index) => {
      const shown = this.#drag?.index === index && this.#shown ? this.#shown : box;
      return shown ? [this.#mark(shown, label, index === this.chosen, unit)] : [];
    });
    if (this.#drag?.index === -1 && this.#shown) {
      marks.push(this.#mark(this.#shown, "", true, unit));
    }
    this.#svg.querySelector("g")?.replaceChildren(...marks);
  }

  /**
   * @param {Box} box
   * @param {string} label
   * @param {boolean} isChosen
   * @param {number} unit pixels of the picture in one of the page
   */
  #mark(box, label, isChosen, unit) {
    const [x, y, right, bottom] = box;
    const { fill, ink } = paintOf(label);
    const mark = draw("g", { class: isChosen ? "mark chosen" : "mark" });
    const edges = { x, y, width: right - x, height: bottom - y };
    mark.append(
      draw("rect", { ...edges, class: "mark-ground", "stroke-width": 5 }),
      draw("rect", { ...edges, class: "mark-edge", stroke: fill, "stroke-width": 3 }),
    );
    if (label) mark.append(...this.#chip(label, box, { fill, ink }, unit));
    if (isChosen) {
      for (const grip of GRIPS) {
        const { x: cx, y: cy } = gripPoint(box, grip);
        mark.append(draw("circle", { cx, cy, r: GRIP_RADIUS * unit, fill, class: "grip" }));
      }
    }
    return mark;
  }

  /**
   * @param {string} label
   * @param {Box} box
   * @param {{fill: string, ink: string}} paint
   * @param {number} unit
   */
  #chip(label, [x, y], { fill, ink }, unit) {
    const height = FONT_PX * 1.5 * unit;
    // About as wide as the words: SVG can't tell before it is drawn.
    const width = Math.min(label.length * 0.58 * FONT_PX + 12, 400) * unit;
    const top = y >= height ? y - height : y;
    const left = Math.max(0, Math.min(x, this.#size.width - width));
    const text = draw("text", {
      x: left + 6 * unit, y: top + height * 0.72, fill: ink, "font-size": FONT_PX * unit,
    });
    text.textContent = label;
    return [draw("rect", { x: left, y: top, width, height, fill }), text];
  }

  #unit() {
    return this.#size.width / (this.#svg.getBoundingClientRect().width || 1);
  }

  /** @param {PointerEvent} event */
  #point({ clientX, clientY }) {
    const { left, top } = this.#svg.getBoundingClientRect();
    const unit = this.#unit();
    return { x: (clientX - left) * unit, y: (clientY - top) * unit };
  }

  #hold(/** @type {PointerEvent} */ event) {
    if (event.button !== 0 || this.#drag) return;
    const from = this.#point(event);
    const reach = (REACH[/** @type {keyof typeof REACH} */ (event.pointerType)] ?? 9) * this.#unit();
    const boxes = this.#annotations.all.map(({ box }) => box);
    const held = boxAt(boxes, from, reach, this.chosen);
    const index = held?.index ?? -1;
    this.#drag = { index, grip: held?.grip ?? WHOLE, from, box: boxes[index] ?? null };
    this.#svg.setPointerCapture(event.pointerId);
    this.choose(index);
  }

  #move(/** @type {PointerEvent} */ event) {
    if (!this.#drag) return;
    const { from, box, grip } = this.#drag;
    const to = this.#point(event);
    const by = { x: to.x - from.x, y: to.y - from.y };
    this.#shown = box ? dragged(box, grip, by, this.#size) : between(from, to, this.#size);
    this.draw();
  }

  #release() {
    const [drag, shown] = [this.#drag, this.#shown];
    this.#cancel();
    if (!drag || !shown) return;
    if (drag.box) this.#annotations.change(drag.index, { box: shown });
    else if (isLargeEnough(shown)) this.#onDrawn(shown);
  }

  #cancel() {
    this.#drag = this.#shown = null;
    this.draw();
  }
}
