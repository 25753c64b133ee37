import assert from "node:assert/strict";
import { test } from "node:test";

import { isSoonOver, isUnderWay, takeOver, touch, watch } from "../../static/js/admin/watch.js";

/** A page with a cell for each state, as far as `watch.js` looks at pages. */
function pageOf(...states) {
  const cells = states.map((state) => ({
    childNodes: [state],
    replaceChildren(...nodes) {
      this.childNodes = nodes;
    },
  }));
  return {
    cells,
    querySelectorAll: (selector) => (selector === "[data-follows]" ? [] : cells),
    querySelector: (selector) =>
      cells.find((cell) => selector.split(",").includes(`.state-${cell.childNodes[0]}`)) ??
      null,
  };
}

/** A page that offers something, as far as `watch.js` looks at it. */
function offering(offers) {
  const parts = Object.entries(offers).map(([name, words]) => {
    const attributes = { "data-follows": name };
    return {
      childNodes: [words],
      isInUse: false,
      closest() {
        return this;
      },
      getAttribute: (attribute) => attributes[attribute],
      setAttribute: (attribute, value) => Object.assign(attributes, { [attribute]: value }),
      matches(selector) {
        return selector.split(", ").some(
          (each) => (each === ":focus-within" && this.isInUse) || each.slice(1, -1) in attributes,
        );
      },
      replaceChildren(...nodes) {
        this.childNodes = nodes;
      },
    };
  });
  return {
    parts,
    querySelectorAll: (selector) => (selector === "[data-follows]" ? parts : []),
    querySelector: (selector) =>
      parts.find((part) => selector === `[data-follows="${part.getAttribute("data-follows")}"]`),
  };
}

const offered = (page) => page.parts.map((part) => part.childNodes[0]);

const said = (page) => page.cells.map((cell) => cell.childNodes[0]);

test("a page on which nothing is under way asks for nothing", async () => {
  const page = pageOf("verified", "failed", "switched", "superseded");
  assert.equal(await watch(page, () => assert.fail("asked")), false);
});

test("what is under way is followed until it is over", async () => {
  const page = pageOf("requested", "switched");
  const newer = ["loading", null, "warming", "checking", "watched", "switched"].map(
    (state) => state && pageOf(state, "switched"),
  );
  const seen = [];
  const isOutOfDate = await watch(page, async () => {
    seen.push(said(page)[0]);
    return newer.shift();
  });
  assert.equal(isOutOfDate, true);
  const expected = ["requested", "loading", "loading", "warming", "checking", "watched"];
  assert.deepEqual(seen, expected);
  assert.deepEqual(said(page), ["switched", "switched"]);
});

test("where something is offered, what others begin is seen", async () => {
  const page = pageOf("switched");
  const underWay = page.querySelector;
  page.querySelector = (selector) => selector === "[data-follows]" || underWay(selector);
  const newer = ["switched", "loading", "watched", "switched"].map((each) => pageOf(each));
  const seen = [];
  const isOutOfDate = await watch(page, async () => {
    seen.push(said(page)[0]);
    return newer.shift();
  });
  assert.equal(isOutOfDate, true);
  assert.deepEqual(seen, ["switched", "switched", "loading", "watched"]);
});

test("a page with other rows is left, to be loaded anew", async () => {
  const page = pageOf("adding");
  const newer = pageOf("adding", "adding");
  assert.equal(takeOver(page, newer), false);
  assert.deepEqual(said(page), ["adding"]);
  assert.equal(await watch(page, async () => newer), true);
  assert.ok(isUnderWay(page));
});

test("what is offered follows, whatever else there is by now", () => {
  const page = offering({ activate: "2", "go-back": "1", trial: "2" });
  takeOver(page, offering({ "go-back": "2", activate: "1", trial: "1" }));
  assert.deepEqual(offered(page), ["1", "2", "1"]);
});

test("who is at a form, or has changed it, keeps it, and the others follow", () => {
  const page = offering({ activate: "2", "go-back": "1", trial: "2" });
  const [activate, , trial] = page.parts;
  touch(activate);
  trial.isInUse = true;
  const newer = () => offering({ activate: "1", "go-back": "2", trial: "1" });
  takeOver(page, newer());
  assert.deepEqual(offered(page), ["2", "2", "2"]);
  trial.isInUse = false;
  takeOver(page, newer());
  assert.deepEqual(offered(page), ["2", "2", "1"]);
});

test("a trial is under way for days, so that nobody waits for its end", () => {
  assert.ok(isUnderWay(pageOf("running")));
  assert.equal(isSoonOver(pageOf("running", "switched")), false);
  assert.ok(isSoonOver(pageOf("running", "warming")));
});
