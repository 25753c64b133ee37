// @ts-check
/** The first page of the admin: what runs right now, as new as it is. */

import { refresh } from "./refresh.js";

const INTERVAL_MS = 10_000;

async function fetchPage() {
  try {
    const response = await fetch(location.href);
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}

setInterval(() => {
  if (!document.hidden) refresh(document, fetchPage);
}, INTERVAL_MS);
