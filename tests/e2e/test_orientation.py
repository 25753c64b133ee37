"""Pictures that change their shape, their camera or their way up while they are live.

The cameras are drawn: one bright patch each, elsewhere in each shape. The model boxes
what is bright in the pixels that it is given, and a screenshot tells where the patch
really is on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page

from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import (
    Launch,
    expecting_no_errors,
    keep_screenshot,
    wait_for_status,
)

CAMERAS = Path(__file__).with_name("cameras.js")
# A drawn camera needs no permission, without which Chromium hides its addresses.
NO_MDNS = "--disable-features=WebRtcHideLocalIpsWithMdns"
BRIGHT = 190
Unit = tuple[float, float, float, float]


@pytest.fixture
def page(
    product: Product, scripted_model: Callable[..., Path], launch: Launch
) -> Iterator[Page]:
    product.inside(deploy, scripted_model(sleep_ms=30), "bright", "bright")
    product.start_all("web", "worker")
    page = launch(NO_MDNS).new_page(viewport={"width": 1000, "height": 640})
    page.add_init_script(path=CAMERAS)
    with expecting_no_errors(page):
        page.goto(product.url)
        wait_for_status(page, "live")
        yield page
        for change, boxes in groupby(page.evaluate("window.drawn"), key=_shown):
            # None of a frame from before, nor of one that was turned otherwise.
            for box in boxes:
                assert box["box"] == pytest.approx(_expected(box), abs=0.03), change


def test_boxes_stay_on_what_they_are_of(page: Page) -> None:
    has_box_on_patch(page, "orientation-landscape")
    phone_is_turned(page, 480, 640)
    has_box_on_patch(page, "orientation-portrait")
    phone_is_turned(page, 1280, 720)
    has_box_on_patch(page, "orientation-wide")


def test_a_sideways_picture_is_rotated_for_people_and_model(page: Page) -> None:
    for degrees in (90, 180, 270, 0):
        page.focus("#rotate")
        page.keyboard.press("Enter")
        page.wait_for_selector(f'#video[data-rotation="{degrees}"]')
        has_box_on_patch(page, f"orientation-rotated-{degrees}")


def test_each_camera_keeps_its_rotation(page: Page) -> None:
    page.click("#rotate")
    has_box_on_patch(page, "orientation-back-rotated")

    page.select_option("#camera-choice", "front")
    page.wait_for_selector('#video.mirrored[data-rotation="0"]')
    has_box_on_patch(page, "orientation-front")
    page.click("#rotate")
    page.wait_for_selector('#video.mirrored[data-rotation="90"]')
    has_box_on_patch(page, "orientation-front-rotated")
    page.click("#rotate")

    page.select_option("#camera-choice", "back")
    page.wait_for_selector('#video:not(.mirrored)[data-rotation="90"]')
    has_box_on_patch(page, "orientation-back-again")

    page.reload()
    wait_for_status(page, "live")
    page.wait_for_selector('#video:not(.mirrored)[data-rotation="90"]')
    has_box_on_patch(page, "orientation-reloaded")


def phone_is_turned(page: Page, width: int, height: int) -> None:
    page.evaluate(
        f"Object.assign(cameras.back.canvas, {{width: {width}, height: {height}}})"
    )
    wait_until(
        lambda: page.evaluate("video.videoWidth") == width, "the picture's new shape"
    )


def has_box_on_patch(page: Page, screenshot: str) -> None:
    """Wait for a box that lies on the bright patch, as a screenshot shows it."""
    keep_screenshot(page, screenshot)
    wait_until(
        lambda: (
            (box := drawn_box(page)) is not None
            and (patch := bright_patch(page)) is not None
            and box == pytest.approx(patch, abs=8)
        ),
        "a box on the patch",
    )
    keep_screenshot(page, screenshot)


def drawn_box(page: Page) -> list[float] | None:
    boxes = page.evaluate("JSON.parse(overlay.dataset.boxes)")
    return boxes[0]["box"] if boxes else None


def bright_patch(page: Page) -> list[int] | None:
    page.evaluate("document.body.classList.add('bare')")
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    page.evaluate("document.body.classList.remove('bare')")
    assert picture is not None
    rows, columns = np.nonzero(picture.min(axis=2) > BRIGHT)
    if not rows.size:
        return None
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def _shown(box: dict[str, Any]) -> str:
    return f"{box['shown']} rotated {box['rotation']} mirrored {box['mirrored']}"


def _expected(box: dict[str, Any]) -> Unit:
    """Where the patch is in the picture as it was shown when the box was drawn."""
    x, y, width, height = box["patch"]
    corners = [(x, y), (x + width, y + height)]
    for _ in range(box["rotation"] // 90):
        corners = [(1 - down, across) for across, down in corners]
    if box["mirrored"]:
        corners = [(1 - across, down) for across, down in corners]
    across, down = zip(*corners, strict=True)
    return min(across), min(down), max(across), max(down)
