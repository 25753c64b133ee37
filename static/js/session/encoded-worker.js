// @ts-check
/**
 * Runs beside the page: passes every encoded picture on untouched, and tells the page
 * which one has left the encoder, and when. Must never hold a picture up.
 */

/** @param {any} event the page's browser has this, its types may not */
const pass = ({ transformer }) => {
  const tell = new TransformStream({
    transform(picture, controller) {
      controller.enqueue(picture);
      const rtpTimestamp = picture.getMetadata().rtpTimestamp ?? picture.timestamp;
      const at = performance.timeOrigin + performance.now();
      postMessage({ rtpTimestamp, at });
    },
  });
  transformer.readable.pipeThrough(tell).pipeTo(transformer.writable);
};
addEventListener("rtctransform", pass);
