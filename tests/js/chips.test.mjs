import assert from "node:assert/strict";
import { test } from "node:test";

import { overlaps, placeChips, shorten } from "../../static/js/session/chips.js";

const BOUNDS = { width: 640, height: 480 };
const chip = (box, more = {}) => ({ box, width: 100, height: 20, ...more });

/** A row of numbers that looks random and is the same in every run. */
function* numbers() {
  let state = 1;
  for (;;) {
    state = (state * 48271) % 2147483647;
    yield state / 2147483647;
  }
}

test("a label sits on top of its box, at its left edge", () => {
  const [placed] = placeChips([chip([50, 100, 300, 200])], BOUNDS);
  assert.deepEqual(placed, { x: 50, y: 80, width: 100, height: 20, place: 0 });
});

test("a label stays in the picture however far out its box is", () => {
  const boxes = [
    [-50, -50, 20, 20], [620, -9, 700, 30], [600, 470, 660, 500], [0, 0, 640, 480],
  ];
  for (const box of boxes) {
    const [placed] = placeChips([chip(box)], BOUNDS);
    assert.ok(placed.x >= 0 && placed.x + placed.width <= BOUNDS.width, `${box}`);
    assert.ok(placed.y >= 0 && placed.y + placed.height <= BOUNDS.height, `${box}`);
  }
});

test("no two labels overlap, and none leaves the picture, in any crowd", () => {
  const random = numbers();
  const next = () => random.next().value;
  const crowd = Array.from({ length: 60 }, () => {
    const [x, y] = [next() * 600, next() * 440];
    return chip([x, y, x + 20 + next() * 200, y + 20 + next() * 200]);
  });
  const placed = placeChips(crowd, BOUNDS).filter((rect) => rect !== null);
  assert.ok(placed.length > 20);
  for (const [index, rect] of placed.entries()) {
    assert.ok(rect.x >= 0 && rect.x + rect.width <= BOUNDS.width);
    assert.ok(rect.y >= 0 && rect.y + rect.height <= BOUNDS.height);
    for (const other of placed.slice(index + 1)) assert.ok(!overlaps(rect, other));
  }
});

test("labels of boxes that lie on each other are both shown", () => {
  const box = [50, 100, 300, 200];
  const [first, second] = placeChips([chip(box), chip(box)], BOUNDS);
  assert.equal(first.place, 0);
  assert.ok(second !== null && !overlaps(first, second));
});

test("a label keeps clear of what lies over the picture", () => {
  const verdict = { x: 0, y: 60, width: 640, height: 60 };
  const [placed] = placeChips([chip([50, 100, 300, 200])], BOUNDS, [verdict]);
  assert.ok(!overlaps(placed, verdict));
});

test("a label stays where it was while it can", () => {
  const [stayed] = placeChips([chip([50, 100, 300, 200], { place: 2 })], BOUNDS);
  assert.equal(stayed.place, 2);
  const taken = { x: 50, y: 200, width: 100, height: 20 };
  const [moved] = placeChips([chip([50, 100, 300, 200], { place: 2 })], BOUNDS, [taken]);
  assert.equal(moved.place, 0);
});

test("the best label wins the last place; one without a place isn't drawn", () => {
  const narrow = { width: 100, height: 20 };
  const placed = placeChips([chip([0, 0, 100, 20]), chip([0, 0, 100, 20])], narrow);
  assert.notEqual(placed[0], null);
  assert.equal(placed[1], null);
  assert.deepEqual(placeChips([chip([0, 0, 9, 9])], { width: 90, height: 90 }), [null]);
});

test("a long text is cut to the width, at the end, and says so", () => {
  const measure = (text) => [...text].length;
  assert.equal(shorten("hot dog", 7, measure), "hot dog");
  assert.equal(shorten("hot dog", 6, measure), "hot d…");
  assert.equal(shorten("hot dog", 5, measure), "hot…");
  assert.equal(shorten("🌭🌭🌭", 4, (text) => text.length), "🌭…");
});
