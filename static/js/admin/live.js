// @ts-check
/** The first page of the admin: what runs right now, as new as it is. */

import { refresh } from "./refresh.js";
import { isSoonOver } from "./watch.js";

const INTERVAL_MS = 10_000;
// While something is under way that somebody waits for.
const SHORT_INTERVAL_MS = 2000;

async function fetchPage() {
  try {
    const response = await fetch(location.href);
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}

async function follow() {
  if (!document.hidden) await refresh(document, fetchPage);
  setTimeout(follow, isSoonOver(document) ? SHORT_INTERVAL_MS : INTERVAL_MS);
}

setTimeout(follow, SHORT_INTERVAL_MS);
