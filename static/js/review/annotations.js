// @ts-check
/**
 * What is to be seen on one picture, with every step back. Knows no DOM.
 *
 * @typedef {import("./boxes.js").Box} Box
 * @typedef {{label: string, box: Box | null}} Annotation a box of null is the whole
 *   picture
 * @typedef {{label: string, box?: Box}} Plain as a dataset has it
 */

const STEPS_KEPT = 100;

export class Annotations {
  /** @type {Annotation[]} */
  #all = [];
  /** @type {Annotation[][]} */
  #before = [];
  /** @type {() => void} */
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  get all() {
    return this.#all;
  }

  get canUndo() {
    return this.#before.length > 0;
  }

  /** @param {Plain[]} plain takes the place of all that is there */
  replace(plain) {
    this.#step(plain.map(({ label, box }) => ({ label, box: box ?? null })));
  }

  /** Forget how it came to be: there is no way back behind this. */
  settle() {
    this.#before = [];
    this.#onChange();
  }

  /**
   * Add a box; a label without one gets it, if there is such a label.
   *
   * @param {Box} box
   * @param {string} label of a new one
   * @returns {number} its place
   */
  add(box, label) {
    const bare = this.#all.findIndex((each) => each.box === null);
    if (bare >= 0) this.change(bare, { box });
    else this.#step([...this.#all, { label, box }]);
    return bare >= 0 ? bare : this.#all.length - 1;
  }

  /**
   * @param {number} index
   * @param {Partial<Annotation>} changes
   */
  change(index, changes) {
    this.#step(
      this.#all.map((each, place) => (place === index ? { ...each, ...changes } : each)),
    );
  }

  /** @param {number} index */
  remove(index) {
    this.#step(this.#all.filter((_, place) => place !== index));
  }

  undo() {
    const before = this.#before.pop();
    if (before) this.#all = before;
    this.#onChange();
  }

  /** @returns {Plain[]} to tenths of a pixel */
  plain() {
    return this.#all.map(({ label, box }) => {
      const said = { label: label.trim() };
      if (!box) return said;
      const edges = /** @type {Box} */ (box.map((edge) => Math.round(edge * 10) / 10));
      return { ...said, box: edges };
    });
  }

  #step(/** @type {Annotation[]} */ next) {
    this.#before.push(this.#all);
    if (this.#before.length > STEPS_KEPT) this.#before.shift();
    this.#all = next;
    this.#onChange();
  }
}
