// @ts-check
/**
 * The sheet on which the visitor says what a picture shows and whether it may be kept.
 * Writes the page; what is said goes to `Keeping`.
 *
 * @typedef {import("./keeping.js").Keeping} Keeping
 * @typedef {import("./protocol.js").Disputed} Disputed
 * @typedef {import("./protocol.js").Terms} Terms
 */
import { ofTab } from "./shelf.js";
import { Side } from "./side.js";
import { consentWords, GONE_WORDS, saidWords } from "./status.js";
import { element } from "./view.js";

const NOT_NOW = "pictures-not-now";
/** So long words stay that need no answer. */
const SAID_MS = 6000;

/** Whether this tab's visitor was asked already. */
export const wasAsked = () => ofTab.read(NOT_NOW) !== null;

/** @type {HTMLFormElement} */
const form = element("sheet-form");
/** @type {HTMLImageElement} */
const picture = element("disputed");
/** @type {ReturnType<typeof setTimeout> | undefined} */
let closing;

export class PageSheet {
  #side;
  /** @type {Keeping | null} */
  #keeping = null;

  constructor() {
    this.#side = new Side(element("sheet"), element("wrong"), () => {
      clearTimeout(closing);
      this.#keeping?.leave();
    });
  }

  /** @param {Keeping} keeping hears what the visitor says */
  follow(keeping) {
    this.#keeping = keeping;
    element("wrong").addEventListener("click", () => {
      const isAsked = element("sheet").dataset.mode === "complaint";
      if (this.#side.isOpen && isAsked) this.#side.close();
      else keeping.dispute();
    });
    element("withdraw").addEventListener("click", () => {
      keeping.takeBack();
      // The button goes away; the keyboard's place must not.
      element(document.body.dataset.picture === "on" ? "wrong" : "action").focus();
    });
    element("sheet-close").addEventListener("click", () => this.#side.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(keeping, event.submitter?.getAttribute("value") ?? "");
    });
  }

  /** @param {Terms} terms */
  terms(terms) {
    document.body.dataset.kept = terms.is_allowed ? "on" : "off";
  }

  /** @param {Terms} terms */
  complaint(terms) {
    form.reset();
    picture.hidden = true;
    element("disputed-words").textContent = "";
    element("labels").replaceChildren();
    this.#open("complaint", terms);
    form.querySelector("input")?.focus();
  }

  /** @param {Disputed} disputed */
  disputed({ picture: address, is_hot_dog: isHotDog, labels }) {
    picture.hidden = address === null;
    if (address !== null) picture.src = address;
    const words = isHotDog === null ? GONE_WORDS : saidWords(isHotDog);
    element("disputed-words").textContent = words;
    element("labels").replaceChildren(
      ...labels.map((label) => new Option(label, label)),
    );
  }

  /** @param {Terms} terms */
  ask(terms) {
    this.#open("ask", terms);
  }

  /** @param {string} sentence */
  say(sentence) {
    this.#open("said", null);
    element("said").textContent = sentence;
    closing = setTimeout(() => this.#side.close(), SAID_MS);
  }

  close() {
    this.#side.close();
  }

  /**
   * @param {"complaint" | "ask" | "said"} mode
   * @param {Terms | null} terms
   */
  #open(mode, terms) {
    clearTimeout(closing);
    const sheet = element("sheet");
    const hadFocus = sheet.contains(document.activeElement);
    sheet.dataset.mode = mode;
    sheet.dataset.consent = terms === null || terms.is_allowed ? "given" : "asked";
    element("said").textContent = "";
    if (terms) {
      const words = consentWords(mode === "ask", terms.retention_days);
      element("consent-words").textContent = words;
    }
    /** @type {HTMLFieldSetElement} */ (form.querySelector("fieldset")).disabled =
      mode !== "complaint";
    // What Enter would press: nobody allows anything by a key that means something else.
    /** @type {HTMLButtonElement} */ (element("send")).disabled =
      sheet.dataset.consent === "asked";
    this.#side.open();
    // What had the keyboard's place may be gone.
    if (hadFocus) element("sheet-close").focus();
  }

  /**
   * @param {Keeping} keeping
   * @param {string} pressed
   */
  #submit(keeping, pressed) {
    const isAllowed = pressed === "allow";
    if (pressed === "not-now") ofTab.keep(NOT_NOW, "said");
    if (element("sheet").dataset.mode === "ask") {
      if (!isAllowed) return keeping.notNow();
      keeping.allow();
      return this.#side.close();
    }
    const said = new FormData(form);
    const label = String(said.get("label")).trim();
    keeping.complain({ isHotDog: said.get("is") === "hot-dog", label }, isAllowed);
  }
}
