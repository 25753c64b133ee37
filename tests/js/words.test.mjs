/** Words, colours and messages: what has to be complete. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { HOT_DOG_PAINT, paintOf, PAINTS } from "../../static/js/session/palette.js";
import {
  CAMERA_FAILURES, parseServerMessage, STATUSES,
} from "../../static/js/session/protocol.js";
import { placeWords, SITUATIONS } from "../../static/js/session/status.js";

test("every way a camera can fail has words and a way out", () => {
  for (const reason of CAMERA_FAILURES) {
    assert.equal(SITUATIONS[reason].status, "failed");
    assert.ok(SITUATIONS[reason].button, reason);
  }
});

test("every status is some situation's, and no situation invents one", () => {
  const used = new Set(Object.values(SITUATIONS).map(({ status }) => status));
  assert.deepEqual([...used].sort(), [...STATUSES].sort());
});

test("no two troubles share a sentence", () => {
  const sentences = Object.values(SITUATIONS).map(({ sentence }) => sentence);
  assert.equal(new Set(sentences).size, sentences.length);
});

test("a place in line is told in words", () => {
  assert.equal(placeWords(1, 30), "You are next. About 30 seconds.");
  assert.equal(placeWords(2, 60), "You are 2nd in line. About a minute.");
  assert.equal(placeWords(3, 120), "You are 3rd in line. About 2 minutes.");
  assert.equal(placeWords(11, 7200), "You are 11th in line. About 2 hours.");
  assert.equal(placeWords(23, 300), "You are 23rd in line. About 5 minutes.");
  assert.equal(placeWords(101, null), "You are 101st in line. Nobody knows yet for how long.");
  assert.equal(placeWords(null, null), "");
});

/** Relative luminance and contrast as WCAG 2 defines them. */
function luminance(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test("every label can be read on its colour", () => {
  for (const { fill, ink } of [HOT_DOG_PAINT, ...PAINTS]) {
    const [dark, light] = [luminance(fill), luminance(ink)].sort((a, b) => a - b);
    assert.ok((light + 0.05) / (dark + 0.05) >= 4.5, `${ink} on ${fill}`);
  }
});

test("a label keeps its colour, and only hot dogs are mustard", () => {
  assert.equal(paintOf("hot dog"), HOT_DOG_PAINT);
  assert.equal(paintOf("pizza"), paintOf("pizza"));
  const labels = ["pizza", "banana", "cup", "donut", "carrot", "person", "bowl"];
  assert.ok(labels.every((label) => paintOf(label) !== HOT_DOG_PAINT));
  assert.ok(new Set(labels.map(paintOf)).size >= 3);
});

test("a message is taken whole or not at all", () => {
  const pong = { type: "pong", sent_at_ms: 5 };
  assert.deepEqual(parseServerMessage(JSON.stringify(pong)), pong);
  for (const text of ["", "nonsense", "null", "[]", "3", '{"type":"pong"}',
    '{"type":"tomorrow"}', '{"type":"toString"}', '{"sent_at_ms":5}']) {
    assert.equal(parseServerMessage(text), null, text);
  }
});
