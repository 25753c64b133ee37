// @ts-check
/**
 * Manners of the page: controls fade while nobody needs them, the screen stays awake
 * while live, the picture can fill the screen. Knows nothing of the session.
 */

const IDLE_MS = 3000;

/**
 * Set `data-idle` on the body once nothing has been touched for a while; any pointer,
 * touch or key takes it away. Controls with the keyboard or the pointer on them stay.
 *
 * @param {HTMLElement} controls
 */
export function fadeWhenIdle(controls) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const sleep = () => {
    if (controls.matches(":hover, :has(:focus-visible)")) wake();
    else document.body.dataset.idle = "";
  };
  const wake = () => {
    delete document.body.dataset.idle;
    clearTimeout(timer);
    timer = setTimeout(sleep, IDLE_MS);
  };
  for (const event of ["pointermove", "pointerdown", "keydown", "focusin"]) {
    document.addEventListener(event, wake, { passive: true });
  }
  wake();
}

/** @param {HTMLElement} button */
export function offerFullscreen(button) {
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", async () => {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      button.hidden = true;
    }
  });
  document.addEventListener("fullscreenchange", () => {
    const isFull = document.fullscreenElement !== null;
    button.setAttribute("aria-pressed", String(isFull));
  });
}

/**
 * The screen's wake lock; the browser takes it back whenever the page is hidden.
 *
 * @returns {(awake: boolean) => Promise<void>}
 */
export function wakeLock() {
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  let wanted = false;
  const update = async () => {
    try {
      if (!wanted) {
        await lock?.release();
        lock = null;
      } else if (!document.hidden && (lock === null || lock.released)) {
        lock = await navigator.wakeLock.request("screen");
      }
    } catch {
      // No such thing here, or the battery is low: the screen may sleep then.
    }
  };
  document.addEventListener("visibilitychange", update);
  return (awake) => {
    wanted = awake;
    return update();
  };
}
