import assert from "node:assert/strict";
import { test } from "node:test";

import {
  between, contentRect, fromUnit, iou, matchBoxes, sameShape, toUnit, turnSize,
  turnUnit,
} from "../../static/js/session/geometry.js";

const PICTURE = { width: 640, height: 480 };
const FRAME = { ...PICTURE, rotation: 0 };
const AS_IT_IS = { mirrored: false, rotation: 0 };

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
  const unit = toUnit([160, 120, 320, 240], FRAME, AS_IT_IS);
  const rect = { x: 100, y: 50, width: 1280, height: 960 };
  assert.deepEqual(fromUnit(unit, rect), [420, 290, 740, 530]);
});

test("in a mirror left is right, and a box still goes from left to right", () => {
  const unit = toUnit([0, 120, 160, 240], FRAME, { ...AS_IT_IS, mirrored: true });
  assert.deepEqual(unit, [0.75, 0.25, 1, 0.5]);
});

test("a box turns with its picture, a quarter at a time, and comes back", () => {
  // In the picture's upper left, wider than high.
  const box = [0, 0.125, 0.5, 0.25];
  assert.deepEqual(turnUnit(box, 90), [0.75, 0, 0.875, 0.5]);
  assert.deepEqual(turnUnit(box, 180), [0.5, 0.75, 1, 0.875]);
  assert.deepEqual(turnUnit(box, 270), [0.125, 0.5, 0.25, 1]);
  assert.deepEqual(turnUnit(box, -90), turnUnit(box, 270));
  for (const degrees of [0, 360, -360]) assert.deepEqual(turnUnit(box, degrees), box);
  const around = [90, 90, 90, 90].reduce(turnUnit, box);
  assert.deepEqual(around, box);
});

test("a turned picture is as high as it was wide", () => {
  for (const degrees of [90, 270, -90, -270]) {
    assert.deepEqual(turnSize(PICTURE, degrees), { width: 480, height: 640 });
  }
  for (const degrees of [0, 180, -180]) {
    assert.deepEqual(turnSize(PICTURE, degrees), PICTURE);
  }
});

test("the box of a frame that was turned otherwise is where its thing is now", () => {
  // The same thing of one camera's picture, as told before and after it was turned.
  const before = toUnit([0, 60, 320, 120], FRAME, { mirrored: false, rotation: 90 });
  const turned = { width: 480, height: 640, rotation: 90 };
  const after = toUnit([360, 0, 420, 320], turned, { mirrored: false, rotation: 90 });
  assert.deepEqual(before, after);
});

test("what is turned and mirrored is mirrored as it is seen, not as it was sent", () => {
  const shown = { mirrored: true, rotation: 90 };
  assert.deepEqual(toUnit([0, 60, 320, 120], FRAME, shown), [0.125, 0, 0.25, 0.5]);
});

test("a frame has the shape of the picture that it is a smaller copy of", () => {
  for (const [width, height] of [[320, 240], [214, 160], [64, 48], [42, 32]]) {
    assert.ok(sameShape({ width, height }, PICTURE), `${width} x ${height}`);
  }
  for (const [width, height] of [[480, 640], [640, 360], [480, 480], [600, 480]]) {
    assert.ok(!sameShape({ width, height }, PICTURE), `${width} x ${height}`);
  }
});

test("no picture has the shape of none", () => {
  const none = { width: 0, height: 0 };
  assert.ok(!sameShape(PICTURE, none));
  assert.ok(!sameShape(none, PICTURE));
  assert.ok(!sameShape(none, none));
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
