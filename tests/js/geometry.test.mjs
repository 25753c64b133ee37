import assert from "node:assert/strict";
import { test } from "node:test";

import {
  between, contentRect, fromUnit, iou, matchBoxes, toUnit,
} from "../../static/js/session/geometry.js";

const PICTURE = { width: 640, height: 480 };

test("a picture lies in the middle of a wider stage, as high as the stage", () => {
  assert.deepEqual(contentRect({ width: 1000, height: 480 }, PICTURE, 1), {
    x: 180, y: 0, width: 640, height: 480,
  });
});

test("a picture lies in the middle of a higher stage, as wide as the stage", () => {
  assert.deepEqual(contentRect({ width: 320, height: 640 }, PICTURE, 2), {
    x: 0, y: 200, width: 320, height: 240,
  });
});

test("the picture's edges fall on whole device pixels", () => {
  for (const ratio of [1, 1.25, 1.5, 2, 3]) {
    const rect = contentRect({ width: 391.2, height: 843.7 }, PICTURE, ratio);
    for (const side of Object.values(rect)) {
      const pixels = side * ratio;
      assert.ok(Math.abs(pixels - Math.round(pixels)) < 1e-9, `${side} at ${ratio}`);
    }
  }
});

test("before the camera tells its size there is no picture", () => {
  const rect = contentRect(PICTURE, { width: 0, height: 0 }, 1);
  assert.deepEqual(rect, { x: 0, y: 0, width: 0, height: 0 });
});

test("a box in frame pixels lands on the same spot of the shown picture", () => {
  const unit = toUnit([160, 120, 320, 240], PICTURE, false);
  const rect = { x: 100, y: 50, width: 1280, height: 960 };
  assert.deepEqual(fromUnit(unit, rect), [420, 290, 740, 530]);
});

test("in a mirror left is right, and a box still goes from left to right", () => {
  const unit = toUnit([0, 120, 160, 240], PICTURE, true);
  assert.deepEqual(unit, [0.75, 0.25, 1, 0.5]);
});

test("a box glides in a straight line", () => {
  assert.deepEqual(between([0, 0, 2, 2], [4, 8, 6, 10], 0.25), [1, 2, 3, 4]);
});

test("overlap is 1 for the same box, 0 for boxes that touch or lie apart", () => {
  assert.equal(iou([0, 0, 2, 2], [0, 0, 2, 2]), 1);
  assert.equal(iou([0, 0, 2, 2], [2, 0, 4, 2]), 0);
  assert.equal(iou([0, 0, 2, 2], [3, 3, 5, 5]), 0);
  assert.equal(iou([0, 0, 2, 2], [1, 0, 3, 2]), 1 / 3);
});

test("a box continues the one of its label that it overlaps most", () => {
  const earlier = [
    { label: "hot dog", box: [0, 0, 10, 10] },
    { label: "hot dog", box: [5, 0, 15, 10] },
    { label: "cup", box: [6, 0, 16, 10] },
  ];
  const later = [
    { label: "hot dog", box: [6, 0, 16, 10] },
    { label: "hot dog", box: [1, 0, 11, 10] },
  ];
  assert.deepEqual(matchBoxes(earlier, later), [1, 0]);
});

test("no earlier box is continued twice, and a far one not at all", () => {
  const earlier = [{ label: "cup", box: [0, 0, 10, 10] }];
  const later = [
    { label: "cup", box: [1, 0, 11, 10] },
    { label: "cup", box: [0, 0, 10, 10] },
  ];
  assert.deepEqual(matchBoxes(earlier, later), [null, 0]);
  const far = [{ label: "cup", box: [50, 50, 60, 60] }];
  assert.deepEqual(matchBoxes(earlier, far), [null]);
});
