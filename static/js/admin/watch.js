// @ts-check
/**
 * Keeps what the admin says of work that is under way as new as it is. Knows of a page
 * only which cells tell of such work.
 */

// What is over in minutes; a trial runs for days.
const SOON_OVER = [
  ".state-requested",
  ".state-loading",
  ".state-warming",
  ".state-checking",
  ".state-watched",
  ".state-adding",
  ".state-verifying",
  ".state-queued",
  ".state-working",
].join();
const UNDER_WAY = `${SOON_OVER},.state-running`;
const CELLS = ".field-outcome, .field-learning, .field-took, .field-last_activation, .field-shown_state, .field-sides, .field-agreement, td.field-active_version, .field-active_version .readonly";
// What is offered beside them, each by its name.
const FOLLOWING = "[data-follows]";
const TOUCHED = "data-touched";
const IN_USE = `[${TOUCHED}], :focus-within, :active`;

/**
 * Whether anything on a page is still being done.
 * @param {ParentNode} page
 */
export const isUnderWay = (page) => page.querySelector(UNDER_WAY) !== null;

/**
 * Whether anything on a page will soon be otherwise.
 * @param {ParentNode} page
 */
export const isSoonOver = (page) => page.querySelector(SOON_OVER) !== null;

/**
 * Something was typed or chosen there: what is offered there stays as it is.
 * @param {Element} field
 */
export const touch = (field) => field.closest(FOLLOWING)?.setAttribute(TOUCHED, "");

/**
 * Offer what a newer copy of a page offers, except where somebody is at it.
 * @param {ParentNode} page
 * @param {ParentNode} newer
 */
function offer(page, newer) {
  for (const part of page.querySelectorAll(FOLLOWING)) {
    const name = part.getAttribute("data-follows");
    const news = newer.querySelector(`[data-follows="${name}"]`);
    if (news && !part.matches(IN_USE)) part.replaceChildren(...news.childNodes);
  }
}

/**
 * Take over what a newer copy of a page says; tells whether it has the same rows.
 * @param {ParentNode} page
 * @param {ParentNode} newer
 */
export function takeOver(page, newer) {
  offer(page, newer);
  const cells = [...page.querySelectorAll(CELLS)];
  const news = [...newer.querySelectorAll(CELLS)];
  if (cells.length !== news.length) return false;
  cells.forEach((cell, number) => cell.replaceChildren(...news[number].childNodes));
  return true;
}

/**
 * Until what is under way is over; tells whether the page is out of date then. Where
 * something is offered, also what others begin is waited for.
 * @param {ParentNode} page
 * @param {() => Promise<ParentNode | null>} fetchPage Waits, and gives a newer copy;
 *   none where there was no answer.
 */
export async function watch(page, fetchPage) {
  const isOffering = page.querySelector(FOLLOWING) !== null;
  let wasUnderWay = isUnderWay(page);
  while (wasUnderWay ? isUnderWay(page) : isOffering) {
    const newer = await fetchPage();
    if (newer && !takeOver(page, newer)) return true;
    wasUnderWay ||= isUnderWay(page);
  }
  return wasUnderWay;
}
