import assert from "node:assert/strict";
import { test } from "node:test";

import { SenderLimit } from "../../static/js/session/quality.js";

/** An RTCRtpSender, as far as it is asked: strict about one change at a time. */
class FakeSender {
  encodings = [{ maxBitrate: 1_500_000, maxFramerate: 30 }];
  track = { getSettings: () => this.size };
  size = { width: 1280, height: 720 };
  refuses = false;
  #isChanging = false;

  getParameters() {
    return { encodings: structuredClone(this.encodings) };
  }

  async setParameters({ encodings }) {
    if (this.refuses || this.#isChanging) throw new Error("InvalidStateError");
    this.#isChanging = true;
    await new Promise(setImmediate);
    this.#isChanging = false;
    this.encodings = encodings;
  }
}

const quality = (max_side, max_framerate) => (
  { type: "quality", max_side, max_framerate });

test("the longer side and the rate are limited, and nothing else is changed", async () => {
  const sender = new FakeSender();
  await new SenderLimit(sender).set(quality(640, 15));
  assert.deepEqual(sender.encodings, [
    { maxBitrate: 1_500_000, maxFramerate: 15, scaleResolutionDownBy: 2 },
  ]);
});

test("a picture held upright is limited by its height", async () => {
  const sender = new FakeSender();
  sender.size = { width: 720, height: 1280 };
  await new SenderLimit(sender).set(quality(320, 30));
  assert.equal(sender.encodings[0].scaleResolutionDownBy, 4);
});

test("a picture that is small enough, or of no known size, is sent as it is", async () => {
  for (const size of [{ width: 320, height: 240 }, {}]) {
    const sender = new FakeSender();
    sender.size = size;
    await new SenderLimit(sender).set(quality(640, 30));
    assert.equal(sender.encodings[0].scaleResolutionDownBy, 1);
  }
});

test("another camera is limited by its own size", async () => {
  const sender = new FakeSender();
  const limit = new SenderLimit(sender);
  await limit.set(quality(640, 30));
  sender.size = { width: 1920, height: 1080 };
  await limit.apply();
  assert.equal(sender.encodings[0].scaleResolutionDownBy, 3);
});

test("of limits that come at once the last one stays", async () => {
  const sender = new FakeSender();
  const limit = new SenderLimit(sender);
  await Promise.all([
    limit.set(quality(320, 5)), limit.set(quality(640, 15)), limit.set(quality(640, 30)),
  ]);
  const [{ maxFramerate, scaleResolutionDownBy }] = sender.encodings;
  assert.deepEqual([maxFramerate, scaleResolutionDownBy], [30, 2]);
});

test("a browser that can't limit what it sends goes on as before", async () => {
  const sender = new FakeSender();
  sender.refuses = true;
  const limit = new SenderLimit(sender);
  await limit.set(quality(640, 15));
  assert.equal(sender.encodings[0].maxFramerate, 30);
  sender.refuses = false;
  sender.encodings = [];
  await limit.set(quality(640, 15));
  assert.deepEqual(sender.encodings, []);
});

test("nothing is changed before a limit is known", async () => {
  const sender = new FakeSender();
  await new SenderLimit(sender).apply();
  assert.equal(sender.encodings[0].scaleResolutionDownBy, undefined);
});
