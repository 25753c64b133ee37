"""How old the picture is, and boxes on the very picture that they were made of."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from apps.inference.starter.marker import read_marker
from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import (
    Launch,
    expecting_no_errors,
    keep_screenshot,
    wait_for_status,
)
from tests.e2e.test_live_boxes import STARTER
from tests.e2e.test_page_states import SCHEMES, SIZES
from tests.marked_predictor import MARKER

# What is drawn of each result, made smaller, and the frame's number that came with it.
RECORD = """
window.recorded = [];
const canvas = document.getElementById("overlay");
const copy = Object.assign(document.createElement("canvas"), {width: 320, height: 240});
const context = copy.getContext("2d", {willReadFrequently: true});
new MutationObserver(() => {
  context.clearRect(0, 0, 320, 240);
  context.drawImage(canvas, 0, 0, 320, 240);
  window.recorded.push({
    labels: JSON.parse(canvas.dataset.boxes).map(({label}) => label),
    // Where nothing is drawn, the live picture shows.
    hasPicture: context.getImageData(160, 230, 1, 1).data[3] === 255,
    picture: copy.toDataURL("image/png"),
  });
}).observe(canvas, {attributeFilter: ["data-results"]});
"""
RECORDED = "recorded.filter(({hasPicture}) => hasPicture === %s).length"
ROWS = """[...document.querySelectorAll("#delays [data-stage]")].map(
  (row) => [row.dataset.stage, row.querySelector("td").textContent])"""
OVERLAP = """() => {
  const [a, b] = ["delays", "overlay"].map(
    (id) => document.getElementById(id).getBoundingClientRect());
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}"""


@pytest.fixture
def answering(product: Product) -> Product:
    """Web and worker, with a model that tells which frame of the clip it was shown."""
    product.inside(deploy, STARTER, "marked", "marked-detector")
    product.start_all("web", "worker")
    return product


@pytest.fixture
def page(answering: Product, launch: Launch, tour: object) -> Iterator[Page]:
    page = launch(clip=tour).new_page(viewport={"width": 1280, "height": 800})
    with expecting_no_errors(page):
        page.goto(answering.url)
        wait_for_status(page, "live")
        yield page


def open_delays(page: Page) -> None:
    page.locator("#delays-button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#delays")).to_be_visible()


def test_every_stage_is_told_beside_the_picture_and_recorded(
    answering: Product, page: Page
) -> None:
    expect(page.locator("#delays")).to_be_hidden()
    open_delays(page)
    expect(page.locator('[data-stage="picture"] td').first).not_to_have_text("–")
    expect(page.locator("#delays-note")).to_contain_text("Measured")
    p50: dict[str, float] = {}

    def told() -> bool:
        rows = page.evaluate(ROWS)
        p50.update({stage: float(half) for stage, half in rows})
        # From the camera on: a server alone can't know that.
        return p50["capture"] > 0

    wait_until(told, "the way from the camera to the server")
    assert all(ms >= 0 for ms in p50.values())
    assert p50["picture"] > p50["forward"] > 0
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        wait_until(lambda: not page.evaluate(OVERLAP), f"the picture is clear: {size}")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            keep_screenshot(page, f"delays-{size}-{scheme}")
    page.locator("#exact-boxes").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#delays")).to_be_hidden()
    expect(page.locator("#delays-button")).to_be_focused()

    page.locator("#stop").focus()
    page.keyboard.press("Enter")
    latency = answering.inside(recorded_latency)
    assert set(p50) <= set(latency)
    assert latency["picture"]["p50"] > latency["age"]["p50"]


def test_a_browser_that_tells_less_has_an_estimate_that_says_so(page: Page) -> None:
    page.add_init_script("delete window.RTCRtpScriptTransform;")
    page.reload()
    wait_for_status(page, "live")
    open_delays(page)
    expect(page.locator("#delays-note")).to_contain_text("Estimated", timeout=30_000)
    expect(page.locator("#age")).not_to_have_text("–")
    expect(page.locator("#exact-boxes")).to_be_disabled()


def test_exact_boxes_lie_on_the_picture_that_they_were_made_of(page: Page) -> None:
    page.evaluate(RECORD)
    wait_until(lambda: page.evaluate(RECORDED % "false") >= 5, "live pictures")
    assert page.evaluate(RECORDED % "true") == 0

    open_delays(page)
    page.locator("#exact-boxes").focus()
    page.keyboard.press("Space")
    wait_until(lambda: page.evaluate(RECORDED % "true") >= 20, "exact pictures")
    keep_screenshot(page, "exact-boxes")
    exact = pictures(page)
    assert [shown for _, shown in exact] == [answered for answered, _ in exact]
    assert len({shown for _, shown in exact}) >= 10

    page.reload()
    expect(page.locator("#exact-boxes")).to_be_checked()
    expect(page.locator("#delays")).to_be_hidden()


def pictures(page: Page) -> list[tuple[int, int | None]]:
    """Of each result with a picture: which frame was answered, and which is shown."""
    return [
        (int(label.removeprefix(MARKER)), _marker_of(each["picture"]))
        for each in page.evaluate("recorded.filter(({hasPicture}) => hasPicture)")
        for label in each["labels"]
        if label.startswith(MARKER)
    ]


def _marker_of(data_url: str) -> int | None:
    data = base64.b64decode(data_url.partition(",")[2])
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return read_marker(pixels)


def recorded_latency() -> dict[str, dict[str, float]]:
    """Of the one run, as far as it is written down; for `Product.inside`."""
    from apps.sessions.models import Run

    measured = Run.objects.filter(latency__has_key="picture")
    wait_until(measured.exists, "what the page has measured")
    return dict(measured.get().latency)
