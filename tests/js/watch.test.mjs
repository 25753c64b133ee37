import assert from "node:assert/strict";
import { test } from "node:test";

import { isSoonOver, isUnderWay, takeOver, watch } from "../../static/js/admin/watch.js";

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
    querySelectorAll: () => cells,
    querySelector: (selector) =>
      cells.find((cell) => selector.split(",").includes(`.state-${cell.childNodes[0]}`)) ??
      null,
  };
}

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

test("a page with other rows is left, to be loaded anew", async () => {
  const page = pageOf("adding");
  const newer = pageOf("adding", "adding");
  assert.equal(takeOver(page, newer), false);
  assert.deepEqual(said(page), ["adding"]);
  assert.equal(await watch(page, async () => newer), true);
  assert.ok(isUnderWay(page));
});

test("a trial is under way for days, so that nobody waits for its end", () => {
  assert.ok(isUnderWay(pageOf("running")));
  assert.equal(isSoonOver(pageOf("running", "switched")), false);
  assert.ok(isSoonOver(pageOf("running", "warming")));
});
