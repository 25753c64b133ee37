// @ts-check
/**
 * What a browser keeps for this page. One that keeps nothing is no error: then nothing
 * is remembered.
 */

/**
 * @param {() => Storage} open browsers may refuse even that
 */
function shelf(open) {
  return {
    /**
     * @param {string} key
     * @returns {string | null} null if there is nothing
     */
    read(key) {
      try {
        return open().getItem(key);
      } catch {
        return null;
      }
    },
    /**
     * @param {string} key
     * @param {string} value
     */
    keep(key, value) {
      try {
        open().setItem(key, value);
      } catch {
        // Full, or forbidden.
      }
    },
  };
}

export const ofBrowser = shelf(() => localStorage);
export const ofTab = shelf(() => sessionStorage);
