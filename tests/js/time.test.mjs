/** What depends on time, given the time. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Latency } from "../../static/js/session/latency.js";
import { delayMs } from "../../static/js/session/signalling.js";
import { Tracks } from "../../static/js/session/tracks.js";
import { Verdict } from "../../static/js/session/verdict.js";

const hotDog = (box, score = 0.9) => ({ label: "hot dog", score, box });

test("a box glides from where it is drawn to where the result says", () => {
  const tracks = new Tracks();
  tracks.replace([hotDog([0, 0, 0.5, 0.5])], 0);
  assert.deepEqual(tracks.where(tracks.all[0], 0), [0, 0, 0.5, 0.5]);
  tracks.replace([hotDog([0.1, 0, 0.6, 0.5])], 1000);
  const [start, half, end] = [1000, 1030, 1500].map(
    (now) => tracks.where(tracks.all[0], now)[0],
  );
  assert.equal(start, 0);
  assert.ok(half > 0 && half < 0.1);
  assert.equal(end, 0.1);
});

test("a box that comes in the middle of a glide doesn't jump", () => {
  const tracks = new Tracks();
  tracks.replace([hotDog([0, 0, 0.5, 0.5])], 0);
  tracks.replace([hotDog([0.2, 0, 0.7, 0.5])], 1000);
  const before = tracks.where(tracks.all[0], 1040);
  tracks.replace([hotDog([0.1, 0, 0.6, 0.5])], 1040);
  assert.deepEqual(tracks.where(tracks.all[0], 1040), before);
});

test("a box vanishes when a result says so", () => {
  const tracks = new Tracks();
  tracks.replace([hotDog([0, 0, 1, 1])], 0);
  tracks.replace([], 100);
  assert.deepEqual(tracks.all, []);
});

test("boxes fade once results have stopped for a second and a half", () => {
  const tracks = new Tracks();
  tracks.replace([hotDog([0, 0, 1, 1])], 0);
  assert.equal(tracks.opacity(1500), 1);
  assert.ok(tracks.opacity(1650) > 0 && tracks.opacity(1650) < 1);
  assert.equal(tracks.opacity(1800), 0);
});

test("nothing is drawn again while nothing moves", () => {
  const tracks = new Tracks();
  assert.equal(tracks.isMoving(0), false);
  tracks.replace([hotDog([0, 0, 1, 1])], 0);
  assert.deepEqual([60, 600, 1600].map((now) => tracks.isMoving(now)), [
    true, false, true,
  ]);
});

test("a hot dog shows at once, and a single miss doesn't take it away", () => {
  const verdict = new Verdict();
  assert.equal(verdict.read(0), "none");
  verdict.record(true, 0);
  assert.equal(verdict.read(0), "hot-dog");
  verdict.record(false, 100);
  assert.equal(verdict.read(100), "hot-dog");
  verdict.record(false, 400);
  assert.equal(verdict.read(400), "not-hot-dog");
  verdict.record(true, 410);
  assert.equal(verdict.read(410), "hot-dog");
});

test("the first result without a hot dog is a verdict too", () => {
  const verdict = new Verdict();
  verdict.record(false, 0);
  assert.equal(verdict.read(0), "not-hot-dog");
});

test("there is no verdict on a picture that nobody has looked at for long", () => {
  const verdict = new Verdict();
  verdict.record(true, 0);
  assert.equal(verdict.read(3000), "hot-dog");
  assert.equal(verdict.read(3001), "none");
});

test("results a second count the last three seconds only", () => {
  const latency = new Latency();
  latency.restart(0);
  for (let now = 100; now <= 10_000; now += 100) latency.recordResult(now);
  const { resultsPerSecond } = latency.read(10_000);
  assert.ok(Math.abs(resultsPerSecond - 10) < 0.5, `${resultsPerSecond}`);
  assert.equal(latency.read(20_000).resultsPerSecond, 0);
});

test("a page that has just begun doesn't divide by three seconds", () => {
  const latency = new Latency();
  latency.restart(0);
  for (let now = 100; now <= 1000; now += 100) latency.recordResult(now);
  assert.equal(latency.read(1000).resultsPerSecond, 10);
});

const drawn = (latency, age, at) =>
  latency.recordDrawn({ age_ms: age, forward_ms: 7 }, at);

test("a picture is as old as from the camera to the drawing, and its stages add up", () => {
  const latency = new Latency();
  latency.recordPong(0, 10);
  const seen = drawn(latency, 50, { captured: 100, received: 175, drawn: 190 });
  // Sent at 170, so it had arrived at 120.
  assert.deepEqual(seen, { capture_ms: 20, draw_ms: 20, picture_ms: 90 });
});

test("a picture never reaches the server before it was taken", () => {
  const latency = new Latency();
  latency.recordPong(0, 100);
  const seen = drawn(latency, 50, { captured: 90, received: 150, drawn: 160 });
  assert.deepEqual(seen, { capture_ms: 0, draw_ms: 20, picture_ms: 70 });
  const estimated = drawn(latency, 50, { captured: 103, received: 150, drawn: 160 });
  assert.deepEqual(estimated, { capture_ms: 0, draw_ms: 10, picture_ms: 60 });
});

test("age is the median of the last three seconds, stages are of the last ten", () => {
  const latency = new Latency();
  assert.equal(latency.read(0).ageMs, null);
  assert.deepEqual(latency.spreads(["forward"]), []);
  for (const [at, age] of [[0, 500], [8000, 50], [8100, 60], [8200, 900]]) {
    drawn(latency, age, { captured: at - age, received: at, drawn: at });
  }
  assert.equal(latency.read(9000).ageMs, 60);
  assert.deepEqual(latency.spreads(["forward", "picture"]), [
    { stage: "forward", p50: 7, p95: 7 },
    { stage: "picture", p50: 500, p95: 900 },
  ]);
  assert.equal(latency.read(11_000).ageMs, 60);
  assert.equal(latency.spreads(["picture"])[0].p50, 60);
});

test("a network that has become slower is noticed", () => {
  const latency = new Latency();
  latency.recordPong(0, 4);
  for (let sent = 0; sent < 10; sent += 1) latency.recordPong(sent, sent + 50);
  assert.equal(latency.roundTripMs, 50);
});

test("attempts come ever later, never much later, and never all at once", () => {
  assert.deepEqual([0, 1, 2, 3].map((n) => delayMs(n, 1)), [500, 1000, 2000, 4000]);
  assert.equal(delayMs(50, 1), 10_000);
  assert.equal(delayMs(2, 0), 1000);
});
