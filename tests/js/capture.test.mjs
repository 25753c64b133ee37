/** When a picture was taken, and which of the kept ones it is. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { CaptureClock } from "../../static/js/session/capture.js";
import { FrameRing } from "../../static/js/session/frames.js";

const PERIOD = 1000 / 30;
const START = 2 ** 32 - 90 * 500;

/** RTP timestamp of a picture that was captured then; it begins anew half a second on. */
const rtpOf = (captureMs) => (START + Math.round(captureMs * 90)) % 2 ** 32;

/** So many pictures through camera and encoder, in the order in which one hears of it. */
function film(clock, {
  count = 90, see = () => true, hear = () => true, counts = true, encodingMs = () => 12,
  unevenMs = () => 0,
}) {
  const news = [];
  let missed = false;
  for (let number = 0; number < count; number += 1) {
    const at = number * PERIOD + unevenMs(number);
    const isNext = !missed || !counts;
    if (see(number)) news.push([at, () => clock.recordCapture(at, isNext)]);
    missed = !see(number);
    const encodedAt = at + encodingMs(number);
    const encoded = () => clock.recordEncoded(rtpOf(at), encodedAt);
    if (hear(number)) news.push([encodedAt, encoded]);
  }
  for (const [, tell] of news.sort(([a], [b]) => a - b)) tell();
}

const isNear = (actual, expected) =>
  assert.ok(Math.abs(actual - expected) < 1, `${actual} instead of ${expected}`);

test("a picture's capture time is found by its timestamp, across the wrap", () => {
  const clock = new CaptureClock();
  assert.equal(clock.capturedAt(rtpOf(0)), null);
  film(clock, {});
  assert.ok(clock.isMeasured);
  for (const captureMs of [2900, 2950, 100]) {
    isNear(clock.capturedAt(rtpOf(captureMs)), captureMs);
  }
});

test("pictures that the page or the encoder left out don't mislead it", () => {
  const clock = new CaptureClock();
  film(clock, { see: (n) => n % 5 > 2, hear: (n) => n % 10 !== 3 });
  isNear(clock.capturedAt(rtpOf(2900)), 2900);
});

test("an encoder that mostly takes longer than a picture lasts doesn't mislead it", () => {
  const clock = new CaptureClock();
  // Late by one picture, by two, and in time; on a busy machine nothing comes evenly.
  film(clock, { encodingMs: (n) => [50, 85, 20][n % 3], unevenMs: (n) => (n * n) % 11 });
  isNear(clock.capturedAt(rtpOf(2900)), 2900);
});

test("a page that misses more pictures than it knows isn't misled", () => {
  const clock = new CaptureClock();
  film(clock, { see: (n) => n % 5 > 2, counts: false, unevenMs: (n) => (n * n) % 11 });
  isNear(clock.capturedAt(rtpOf(2900)), 2900);
});

test("a page that was hidden for a while isn't misled by what it didn't see", () => {
  const clock = new CaptureClock();
  film(clock, { count: 300, see: (n) => n < 60 || n > 280, counts: false });
  isNear(clock.capturedAt(rtpOf(9000)), 9000);
});

test("without capture times the moment after the encoder counts, and is no measure", () => {
  const clock = new CaptureClock();
  film(clock, { see: () => false });
  assert.equal(clock.isMeasured, false);
  isNear(clock.capturedAt(rtpOf(2900)), 2912);
});

test("without news from the encoder the arrival is taken, and is no measure", () => {
  const clock = new CaptureClock();
  for (let at = 0; at < 3000; at += 100) {
    clock.recordCapture(at, true);
    clock.recordLeft(rtpOf(at), at + 20);
  }
  assert.equal(clock.isMeasured, false);
  isNear(clock.capturedAt(rtpOf(2900)), 2900);
});

test("a new connection has timestamps of its own", () => {
  const clock = new CaptureClock();
  film(clock, {});
  clock.restart();
  assert.equal(clock.capturedAt(rtpOf(0)), null);
  for (let at = 3000; at < 4000; at += 50) {
    clock.recordCapture(at, true);
    clock.recordEncoded((at * 90 + 7_000_000) % 2 ** 32, at + 10);
  }
  isNear(clock.capturedAt(3500 * 90 + 7_000_000), 3500);
});

class Bitmap {
  isClosed = false;
  close() {
    this.isClosed = true;
  }
}

/** What a video shows as its picture is copied: `shown`, with a timestamp in µs. */
class Picture extends Bitmap {
  constructor({ shown }) {
    super();
    this.timestamp = shown.mediaMs * 1000;
    shown.pictures.push(this);
  }
}
globalThis.VideoFrame = Picture;

async function ringOf(t, captures, mediaMsOf = (captureMs) => captureMs + 5000) {
  const bitmaps = [];
  const shown = { mediaMs: NaN, pictures: [] };
  t.mock.method(globalThis, "createImageBitmap", async () => {
    bitmaps.push(new Bitmap());
    return bitmaps.at(-1);
  });
  const ring = new FrameRing(/** the video */ { shown });
  for (const captureMs of captures) {
    shown.mediaMs = mediaMsOf(captureMs);
    await ring.keep(captureMs, captureMs + 5000);
  }
  assert.ok(shown.pictures.every(({ isClosed }) => isClosed));
  return { ring, bitmaps };
}
globalThis.createImageBitmap ??= () => {};

test("the picture that is asked for is given away, and older ones are closed", async (t) => {
  const { ring, bitmaps } = await ringOf(t, [0, 33, 66, 100]);
  assert.equal(ring.take(66.5), bitmaps[2]);
  assert.deepEqual(bitmaps.map(({ isClosed }) => isClosed), [true, true, false, false]);
  assert.equal(ring.take(100), bitmaps[3]);
});

test("no other picture takes the place of one that is missing", async (t) => {
  const { ring, bitmaps } = await ringOf(t, [0, 66, 100]);
  assert.equal(ring.take(33), null);
  assert.equal(ring.take(66), bitmaps[1]);
  assert.equal(ring.take(66), null);
});

test("a picture after which the video has gone on already isn't kept", async (t) => {
  const mediaMsOf = (captureMs) => 5000 + (captureMs === 33 ? 66 : captureMs);
  const { ring, bitmaps } = await ringOf(t, [0, 33, 66], mediaMsOf);
  assert.equal(bitmaps.length, 2);
  assert.equal(ring.take(33), null);
  assert.equal(ring.take(66), bitmaps[1]);
});

test("no more is kept than the last second, and nothing after a clearing", async (t) => {
  const { ring, bitmaps } = await ringOf(t, Array.from({ length: 200 }, (_, n) => n * 16));
  assert.equal(bitmaps.filter(({ isClosed }) => !isClosed).length, 32);
  const slow = await ringOf(t, [0, 600, 1200]);
  assert.deepEqual(slow.bitmaps.map(({ isClosed }) => isClosed), [true, false, false]);
  ring.clear();
  assert.ok(bitmaps.every(({ isClosed }) => isClosed));
});
