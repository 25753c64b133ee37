// @ts-check
/**
 * What a browser's candidates say about its network: where it can be met, and what it
 * hides. Knows SDP's candidate lines and nothing else.
 *
 * @typedef {{type: string, protocol: string, family: "IPv4" | "IPv6" | "hidden",
 *   address: string}} Candidate
 */

/**
 * @param {string} line as RTCIceCandidate.candidate has it
 * @returns {Candidate | null}
 */
export function parseCandidate(line) {
  const [, , protocol, , address, , typ, type] = line.split(" ");
  if (typ !== "typ" || !type) return null;
  const hidden = address.endsWith(".local");
  const family = hidden ? "hidden" : address.includes(":") ? "IPv6" : "IPv4";
  return { type, protocol: protocol.toLowerCase(), family, address };
}

/**
 * What can carry a picture: UDP, over which the server is met.
 *
 * @param {Candidate[]} candidates
 * @returns {Record<"host" | "srflx" | "relay", Candidate["family"][]>} the families of
 *   each type, without repetition
 */
export function familiesByType(candidates) {
  /** @param {string} type */
  const familiesOf = (type) => {
    const own = candidates.filter((each) => each.type === type && each.protocol === "udp");
    return [...new Set(own.map(({ family }) => family))].sort();
  };
  return {
    host: familiesOf("host"),
    srflx: familiesOf("srflx"),
    relay: familiesOf("relay"),
  };
}
