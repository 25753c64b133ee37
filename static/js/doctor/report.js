// @ts-check
/**
 * The findings as text, for who is to help from afar.
 *
 * @typedef {import("./words.js").Finding} Finding
 */
import { OUTCOMES } from "./words.js";

/**
 * @param {{address: string, browser: string, at: Date}} where
 * @param {string} verdict
 * @param {{name: string, finding: Finding}[]} findings
 */
export function reportText({ address, browser, at }, verdict, findings) {
  const lines = findings.map(({ name, finding }) => {
    const { outcome, cause, cure } = finding;
    return `${OUTCOMES[outcome].words}: ${name}. ${cause}${cure && `\n    ${cure}`}`;
  });
  return [
    `Connection report of ${address}, ${at.toISOString()}`,
    browser,
    "",
    verdict,
    "",
    ...lines,
    "",
  ].join("\n");
}
