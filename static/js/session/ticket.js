// @ts-check
/**
 * The tickets with which this tab goes on with its sessions, after a reload too: one
 * for each deployment, by the path of its WebSocket. A tab that is duplicated begins
 * with a copy of them: the server lets the newest have the session.
 */

import { ofTab } from "./shelf.js";

const key = (/** @type {string} */ url) =>
  `emporium-resume-token ${new URL(url).pathname}`;

/**
 * @param {string} url
 * @returns {string} the resume token; empty if there is none
 */
export const readTicket = (url) => ofTab.read(key(url)) ?? "";

/**
 * @param {string} url
 * @param {string} token
 */
export const keepTicket = (url, token) => ofTab.keep(key(url), token);

export const dropTicket = (/** @type {string} */ url) => keepTicket(url, "");
