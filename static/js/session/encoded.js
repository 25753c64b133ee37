// @ts-check
/**
 * Tells when each picture has left the browser's encoder, by the RTP timestamp that it
 * goes out with. Where the browser has no `RTCRtpScriptTransform`, tells nothing.
 */

const WORKER = new URL("./encoded-worker.js", import.meta.url);

/**
 * @param {RTCRtpSender} sender
 * @param {(rtpTimestamp: number, atMs: number) => void} tell with the page's clock
 * @returns {() => void} to be called when the sender is done with
 */
export function watchEncoded(sender, tell) {
  if (!("RTCRtpScriptTransform" in window)) return () => {};
  const worker = new Worker(WORKER);
  worker.onmessage = ({ data: { rtpTimestamp, at } }) => {
    tell(rtpTimestamp, at - performance.timeOrigin);
  };
  // Without its worker the sender would send nothing at all.
  worker.onerror = () => {
    sender.transform = null;
  };
  sender.transform = new RTCRtpScriptTransform(worker);
  return () => worker.terminate();
}
