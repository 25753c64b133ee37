// @ts-check
/**
 * The ticket with which this tab goes on with its session, after a reload too. A tab
 * that is duplicated begins with a copy of it: the server lets the newest have it.
 */

import { ofTab } from "./shelf.js";

const KEY = "emporium-resume-token";

/** @returns {string} the resume token; empty if there is none */
export const readTicket = () => ofTab.read(KEY) ?? "";

export const keepTicket = (/** @type {string} */ token) => ofTab.keep(KEY, token);

export const dropTicket = () => keepTicket("");
