/** What becomes of boxes that are drawn, dragged and labelled, and of each key. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Annotations } from "../../static/js/review/annotations.js";
import {
  between, boxAt, dragged, gripAt, gripPoint, GRIPS, isLargeEnough, middle, MIN_SIDE, WHOLE,
} from "../../static/js/review/boxes.js";
import { deedOf } from "../../static/js/review/keys.js";

const SIZE = { width: 640, height: 480 };
const BOX = [100, 100, 300, 200];

test("a box is drawn from any corner to the opposite one", () => {
  const [a, b] = [{ x: 10, y: 20 }, { x: 50, y: 90 }];
  for (const [from, to] of [
    [a, b], [b, a], [{ x: 50, y: 20 }, { x: 10, y: 90 }], [{ x: 10, y: 90 }, { x: 50, y: 20 }],
  ]) {
    assert.deepEqual(between(from, to, SIZE), [10, 20, 50, 90]);
  }
});

test("a box ends where the picture ends", () => {
  const box = between({ x: -30, y: 400 }, { x: 700, y: 900 }, SIZE);
  assert.deepEqual(box, [0, 400, 640, 480]);
});

test("a slip of the hand is no box", () => {
  assert.equal(isLargeEnough([10, 10, 10 + MIN_SIDE, 10 + MIN_SIDE]), true);
  assert.equal(isLargeEnough([10, 10, 10 + MIN_SIDE - 1, 200]), false);
  assert.equal(isLargeEnough([10, 10, 200, 10 + MIN_SIDE - 1]), false);
});

test("the whole box keeps its size, and stays inside the picture", () => {
  assert.deepEqual(dragged(BOX, WHOLE, { x: 5, y: -7 }, SIZE), [105, 93, 305, 193]);
  assert.deepEqual(dragged(BOX, WHOLE, { x: -500, y: 999 }, SIZE), [0, 380, 200, 480]);
});

test("each grip moves its own edges and no other", () => {
  for (const grip of GRIPS) {
    const [left, top, right, bottom] = dragged(BOX, grip, { x: 8, y: 9 }, SIZE);
    assert.equal(left, grip.x < 0 ? 108 : 100);
    assert.equal(top, grip.y < 0 ? 109 : 100);
    assert.equal(right, grip.x > 0 ? 308 : 300);
    assert.equal(bottom, grip.y > 0 ? 209 : 200);
  }
});

test("an edge passes neither the picture's nor the one opposite", () => {
  const far = { x: 9999, y: 9999 };
  assert.deepEqual(dragged(BOX, { x: -1, y: -1 }, far, SIZE), [300 - MIN_SIDE, 200 - MIN_SIDE, 300, 200]);
  assert.deepEqual(dragged(BOX, { x: 1, y: 1 }, far, SIZE), [100, 100, 640, 480]);
});

test("a grip is held from as far as it reaches", () => {
  for (const grip of GRIPS) {
    const { x, y } = gripPoint(BOX, grip);
    assert.equal(gripAt(BOX, { x: x + 6, y: y + 8 }, 10), grip);
  }
  assert.equal(gripAt(BOX, { x: 250, y: 150 }, 10), WHOLE);
  assert.equal(gripAt(BOX, { x: 320, y: 220 }, 10), null);
});

test("of boxes in each other the smallest is held, unless another is chosen", () => {
  const boxes = [null, [0, 0, 600, 400], [100, 100, 200, 200]];
  const point = { x: 150, y: 150 };
  assert.deepEqual(boxAt(boxes, point, 5, -1), { index: 2, grip: WHOLE });
  assert.deepEqual(boxAt(boxes, point, 5, 1), { index: 1, grip: WHOLE });
  assert.equal(boxAt(boxes, { x: 630, y: 470 }, 5, 1), null);
});

test("grips beside a box are those of the chosen one alone", () => {
  const beside = { x: 204, y: 203 };
  assert.equal(boxAt([[100, 100, 200, 200]], beside, 6, -1), null);
  assert.deepEqual(boxAt([[100, 100, 200, 200]], beside, 6, 0), {
    index: 0, grip: { x: 1, y: 1 },
  });
});

test("a box without a pointer is large enough to be seen, and inside", () => {
  assert.deepEqual(middle(SIZE), [160, 120, 480, 360]);
});

test("every change of what is seen can be undone, and nothing behind the beginning", () => {
  let changes = 0;
  const seen = new Annotations(() => { changes += 1; });
  seen.replace([{ label: "cup", box: BOX }, { label: "table" }]);
  seen.settle();
  assert.equal(seen.canUndo, false);
  seen.change(0, { label: "hot dog" });
  seen.remove(0);
  assert.deepEqual(seen.plain(), [{ label: "table" }]);
  seen.undo();
  seen.undo();
  assert.deepEqual(seen.plain(), [{ label: "cup", box: BOX }, { label: "table" }]);
  seen.undo();
  assert.equal(seen.all.length, 2);
  assert.equal(changes, 7);
});

test("a box that is drawn belongs to the label that has none", () => {
  const seen = new Annotations(() => {});
  seen.replace([{ label: "cup", box: BOX }, { label: "hot dog" }]);
  assert.equal(seen.add([1.26, 2, 30, 40], "pizza"), 1);
  assert.deepEqual(seen.plain()[1], { label: "hot dog", box: [1.3, 2, 30, 40] });
  assert.equal(seen.add([5, 5, 50, 50], "pizza"), 2);
  assert.deepEqual(seen.plain()[2], { label: "pizza", box: [5, 5, 50, 50] });
});

const press = (key, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

test("keys decide, letters in a text are letters", () => {
  assert.equal(deedOf(press("r"), false), "right");
  assert.equal(deedOf(press("W"), false), "wrong");
  assert.equal(deedOf(press("Enter"), false), "accept");
  assert.equal(deedOf(press("z", { ctrlKey: true }), false), "undo");
  assert.equal(deedOf(press("r", { ctrlKey: true }), false), null);
  assert.equal(deedOf(press("q"), false), null);
  assert.equal(deedOf(press("r"), true), null);
  assert.equal(deedOf(press("Delete"), true), null);
  assert.equal(deedOf(press("Enter"), true), "leave");
});
