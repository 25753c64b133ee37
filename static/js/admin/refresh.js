// @ts-check
/** Keeps the overview of the admin's first page new, without taking it from anybody. */

const OVERVIEW = "#overview";

/**
 * Whether somebody is at it: then it stays as it is.
 * @param {Element} overview
 */
const isInUse = (overview) => overview.matches(":focus-within, :has(svg:hover)");

/**
 * Show what a newer copy of the page says; tells whether it does.
 * @param {ParentNode} page
 * @param {() => Promise<ParentNode | null>} fetchPage Gives the copy; none where there
 *   was no answer.
 */
export async function refresh(page, fetchPage) {
  const overview = page.querySelector(OVERVIEW);
  if (!overview || isInUse(overview)) return false;
  const newer = (await fetchPage())?.querySelector(OVERVIEW);
  if (!newer || isInUse(overview)) return false;
  overview.replaceChildren(...newer.childNodes);
  return true;
}
