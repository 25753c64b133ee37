import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { keepRotation, rotationOf, turnFurther } from "../../static/js/session/rotation.js";

beforeEach(() => {
  const kept = new Map();
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    value: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
    },
  });
});

test("four quarter turns are none", () => {
  const turns = [0, 90, 180, 270].map(turnFurther);
  assert.deepEqual(turns, [90, 180, 270, 0]);
});

test("each camera's rotation is remembered for itself", () => {
  keepRotation("front", 90);
  keepRotation("back", 270);
  keepRotation("back", 180);
  assert.equal(rotationOf("front"), 90);
  assert.equal(rotationOf("back"), 180);
  assert.equal(rotationOf("another"), 0);
});

test("what somebody else wrote there is no rotation", () => {
  for (const nonsense of ["45", "", "null", "NaN", "-90", "360"]) {
    localStorage.setItem("rotation:front", nonsense);
    assert.equal(rotationOf("front"), 0);
  }
});

test("a browser that keeps nothing doesn't break the page", () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => { throw new Error("SecurityError"); },
  });
  keepRotation("front", 90);
  assert.equal(rotationOf("front"), 0);
});
