/** What a visitor says of an answer, and what is sent of it, with consent and without. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Keeping } from "../../static/js/session/keeping.js";
import { consentWords } from "../../static/js/session/status.js";

const TERMS = {
  type: "keeping", is_allowed: false, samples: false, retention_days: 30, sentence: "",
};
const SAID = { isHotDog: false, label: "cup" };

let sent;
let shown;

const sheet = Object.fromEntries(
  ["complaint", "disputed", "ask", "say", "close", "terms"].map((name) => [
    name, (what) => shown.push([name, what]),
  ]),
);

/** A page that shows the answer to frame 7. */
function page({ mayAsk = true, ...terms } = {}) {
  const keeping = new Keeping((message) => sent.push(message), sheet, mayAsk);
  keeping.receive({ ...TERMS, ...terms });
  keeping.judge(7);
  shown = [];
  return keeping;
}

const names = () => shown.map(([name]) => name);

beforeEach(() => {
  sent = [];
  shown = [];
});

test("without an answer there is nothing to dispute", () => {
  const keeping = page();
  keeping.judge(null);
  assert.equal(keeping.canDispute, false);
  keeping.dispute();
  assert.deepEqual([sent, shown], [[], []]);
});

test("what is disputed is what was shown when it was pressed", () => {
  const keeping = page();
  keeping.dispute();
  keeping.judge(8);
  keeping.complain(SAID, false);
  assert.deepEqual(sent, [
    { type: "dispute", seq: 7 },
    { type: "complain", seq: 7, is_hot_dog: false, label: "cup" },
  ]);
  assert.deepEqual(names(), ["complaint"]);
});

test("who allows it says so first, and only once", () => {
  const keeping = page();
  keeping.dispute();
  keeping.complain(SAID, true);
  assert.deepEqual(sent.map(({ type }) => type), ["dispute", "consent", "complain"]);
  keeping.receive({ ...TERMS, is_allowed: true });
  keeping.receive({ type: "thanks", seq: 7, is_kept: true, sentence: "Thank you." });
  keeping.dispute();
  keeping.complain(SAID, true);
  assert.equal(sent.filter(({ type }) => type === "consent").length, 1);
});

test("thanks end a complaint", () => {
  const keeping = page();
  keeping.dispute();
  keeping.receive({ type: "thanks", seq: 7, is_kept: false, sentence: "Thank you." });
  assert.deepEqual(shown.at(-1), ["say", "Thank you."]);
  keeping.leave();
  assert.equal(sent.length, 1);
});

test("a sheet that is closed lets go of its picture", () => {
  const keeping = page();
  keeping.dispute();
  keeping.leave();
  assert.deepEqual(sent.at(-1), { type: "dispute", seq: null });
});

test("the picture of another complaint is not shown", () => {
  const keeping = page();
  keeping.dispute();
  keeping.receive({ type: "disputed", seq: 6, picture: null, is_hot_dog: null, labels: [] });
  assert.deepEqual(names(), ["complaint"]);
});

test("a server that has taken over doesn't know the complaint", () => {
  const keeping = page();
  keeping.dispute();
  keeping.welcome();
  assert.equal(names().at(-1), "say");
  keeping.complain(SAID, true);
  assert.equal(sent.length, 1);
});

test("nobody is asked where only what is disputed is kept", () => {
  page().live(true);
  assert.deepEqual(shown, []);
});

test("where more is wanted it is asked for once, when the picture is there", () => {
  const keeping = page({ samples: true });
  assert.deepEqual(shown, []);
  keeping.live(true);
  keeping.live(false);
  keeping.live(true);
  assert.deepEqual(names(), ["ask"]);
  keeping.notNow();
  assert.deepEqual(sent, []);
});

test("who has allowed it, or said not now, isn't asked", () => {
  page({ samples: true, is_allowed: true }).live(true);
  page({ samples: true, mayAsk: false }).live(true);
  assert.deepEqual(shown, []);
});

test("what was taken back while the connection was lost is said again", () => {
  const keeping = page({ is_allowed: true });
  keeping.receive({ type: "welcome", resume_token: "here" });
  keeping.takeBack();
  const takenBack = { type: "take_back", resume_token: "here" };
  // It was away for so long that it is another session by now.
  keeping.receive({ type: "welcome", resume_token: "there" });
  keeping.receive(TERMS);
  assert.deepEqual(sent, [takenBack, takenBack]);
  keeping.receive({ ...TERMS, sentence: "No more pictures are kept." });
  keeping.receive(TERMS);
  assert.equal(sent.length, 2);
});

test("what could not be taken back is said by the visitor again, not by the page", () => {
  const keeping = page({ is_allowed: true });
  keeping.takeBack();
  keeping.receive({ ...TERMS, is_allowed: true, sentence: "Try again in a moment." });
  assert.equal(sent.length, 1);
});

test("the question says for how long, and of which pictures", () => {
  assert.match(consentWords(false, 30), /^May this picture and others of.* for 30 days/);
  assert.match(consentWords(true, 1), /^This page would like to keep some.* for a day/);
});
