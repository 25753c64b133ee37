import assert from "node:assert/strict";
import { test } from "node:test";

import { refresh } from "../../static/js/admin/refresh.js";

/** As much of an overview as is looked at. */
function page(words, isInUse = () => false) {
  const overview = {
    childNodes: [words],
    matches: () => isInUse(),
    replaceChildren(...nodes) {
      this.childNodes = nodes;
    },
  };
  return { overview, querySelector: (selector) => (selector === "#overview" ? overview : null) };
}

test("the overview is as the newer page says", async () => {
  const shown = page("before");
  assert.equal(await refresh(shown, async () => page("after")), true);
  assert.deepEqual(shown.overview.childNodes, ["after"]);
});

test("who is at it keeps what is there, also who comes while it is asked for", async () => {
  let asked = 0;
  const fetchPage = async () => {
    asked += 1;
    return page("after");
  };
  const used = page("before", () => true);
  assert.equal(await refresh(used, fetchPage), false);
  assert.equal(asked, 0);
  const entered = page("before", () => asked > 0);
  assert.equal(await refresh(entered, fetchPage), false);
  assert.deepEqual([used, entered].map((each) => each.overview.childNodes[0]), ["before", "before"]);
});

test("without an answer, or logged out, it stays", async () => {
  const shown = page("before");
  assert.equal(await refresh(shown, async () => null), false);
  assert.equal(await refresh(shown, async () => ({ querySelector: () => null })), false);
  assert.deepEqual(shown.overview.childNodes, ["before"]);
});
