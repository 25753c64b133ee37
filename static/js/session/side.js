// @ts-check
/**
 * What opens beside the picture, which makes room for it: one panel at a time, that
 * Escape closes. Which one is open is in the `data-side` of `body`.
 */

/** @type {Side | null} */
let shown = null;

export class Side {
  #panel;
  #button;
  #onClose;

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} button has the keyboard's place once the panel is closed
   * @param {() => void} [onClose]
   */
  constructor(panel, button, onClose = () => {}) {
    this.#panel = panel;
    this.#button = button;
    this.#onClose = onClose;
  }

  get isOpen() {
    return shown === this;
  }

  open() {
    if (shown !== this) shown?.close();
    shown = this;
    this.#show(true);
  }

  close() {
    if (shown !== this) return;
    shown = null;
    if (this.#panel.contains(document.activeElement)) this.#button.focus();
    this.#show(false);
    this.#onClose();
  }

  #show(/** @type {boolean} */ isOpen) {
    this.#button.setAttribute("aria-expanded", String(isOpen));
    this.#panel.hidden = !isOpen;
    document.body.dataset.side = isOpen ? this.#panel.id : "none";
  }
}

document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") shown?.close();
});
