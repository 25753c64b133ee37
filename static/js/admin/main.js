// @ts-check
/** Every page of the admin: follows what is under way on it; the first page, `live.js` does. */

import { isUnderWay, touch, watch } from "./watch.js";

const INTERVAL_MS = 2000;
// As long as one only waits for others to begin something.
const LONG_INTERVAL_MS = 10_000;

let isTouched = false;
document.addEventListener("input", ({ target }) => {
  isTouched = true;
  if (target instanceof Element) touch(target);
});

async function fetchPage() {
  const waitMs = isUnderWay(document) ? INTERVAL_MS : LONG_INTERVAL_MS;
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  if (document.hidden) return null;
  try {
    const response = await fetch(location.href);
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}

const isOverview = document.querySelector("#overview") !== null;
// What was typed or ticked meanwhile is worth more than figures that came of it.
if (!isOverview && (await watch(document, fetchPage)) && !isTouched) location.assign(`${location.pathname}${location.search}`);
