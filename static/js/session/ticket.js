// @ts-check
/**
 * The ticket with which this tab goes on with its session, after a reload too. A tab
 * that is duplicated begins with a copy of it: the server lets the newest have it.
 */

const KEY = "emporium-resume-token";

/** @returns {string} the resume token; empty if there is none */
export function readTicket() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // the browser keeps nothing for this page
  }
}

/** @param {string} token */
export function keepTicket(token) {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Then a reload begins another session.
  }
}

export function dropTicket() {
  keepTicket("");
}
