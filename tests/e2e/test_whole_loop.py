"""The whole loop, in a browser: what a model gets wrong, it has learned in the end."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from bench.product import Product
from bench.records import deploy_starters
from tests.e2e.captures import (
    add_reviewer,
    dispute,
    examples,
    log_in,
    open_review,
    press,
    say_what_it_is,
)
from tests.e2e.conftest import Launch, keep_screenshot, wait_for_status

COMPLAINTS = 3
STEPS = 60
LEARNING_RATE = "0.0005"
JOB_MS = 240_000
ACTIVATION_MS = 60_000


@pytest.fixture
def strange_hot_dog(tmp_path: Path) -> Path:
    """A clip of a hot dog as our own scenes never draw one."""
    image = np.full((480, 640, 3), (150, 140, 120), np.uint8)
    cv2.ellipse(image, (320, 240), (220, 70), 0, 0, 360, (90, 160, 210), -1)
    cv2.ellipse(image, (320, 240), (230, 35), 0, 0, 360, (40, 60, 170), -1)
    path = tmp_path / "strange.mjpeg"
    path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes() * 30)
    return path


@pytest.fixture
def emporium(product: Product) -> Product:
    product.inside(deploy_starters)
    product.inside(add_reviewer)
    product.start_all("web", "worker", "jobs")
    product.manage("deployments", "activate", "default", "starter-classifier", "--wait")
    return product


def test_what_was_wrong_is_right_in_the_end(
    emporium: Product, launch: Launch, strange_hot_dog: Path
) -> None:
    page = launch(clip=strange_hot_dog).new_context().new_page()
    page.goto(emporium.url)
    wait_for_status(page, "live")
    page.wait_for_selector('body[data-verdict="not-hot-dog"]')
    for _ in range(COMPLAINTS):
        _complain(page)

    admin = page.context.new_page()
    log_in(admin, emporium)
    _review(admin, emporium)
    assert {
        label["label"] for _, seen in emporium.inside(examples) for label in seen
    } == {"hot dog"}
    _finetune(admin, emporium)
    _evaluate(admin)
    _activate(admin)
    page.wait_for_selector('body[data-verdict="hot-dog"]', timeout=ACTIVATION_MS)
    keep_screenshot(page, "learned")


def _complain(page: Page) -> None:
    dispute(page)
    if page.locator("#consent-words").is_visible():
        say_what_it_is(page, "Hot dog", "hot dog", "Allow")
    else:
        page.get_by_role("radio", name="Hot dog", exact=True).check()
        page.locator("#sheet input[name=label]").fill("hot dog")
        page.locator("#sheet input[name=label]").press("Enter")
    expect(page.locator("#said")).to_contain_text("The picture is kept")
    page.keyboard.press("Escape")


def _review(admin: Page, emporium: Product) -> None:
    open_review(admin, emporium)
    for _ in range(COMPLAINTS):
        admin.keyboard.press("w")
        press(admin, "Enter")
    expect(admin.locator(".review-empty")).to_be_visible()


def _finetune(admin: Page, emporium: Product) -> None:
    admin.goto(f"{emporium.url}/admin/inference/dataset/")
    admin.get_by_role("link", name="captures", exact=True).click()
    admin.get_by_role("link", name="Finetune a version").click()
    admin.get_by_label("Version").select_option(
        label=admin.locator("#id_parent option", has_text="classifier").inner_text()
    )
    admin.get_by_label("Steps").fill(str(STEPS))
    admin.get_by_label("Learning rate").fill(LEARNING_RATE)
    admin.get_by_role("button", name="Finetune").click()
    expect(admin.locator(".state-done")).to_be_visible(timeout=JOB_MS)
    keep_screenshot(admin, "finetuned")


def _evaluate(admin: Page) -> None:
    """On the built-in scenes: it must not have forgotten what it knew."""
    admin.locator(".field-made a[href*='/inference/modelversion/']").click()
    version_page = admin.url
    admin.get_by_role("link", name="Evaluate", exact=True).click()
    admin.get_by_role("button", name="Evaluate", exact=True).click()
    expect(admin.locator(".state-done")).to_be_visible(timeout=JOB_MS)
    keep_screenshot(admin, "evaluated")
    admin.goto(version_page)


def _activate(admin: Page) -> None:
    admin.get_by_role("button", name="Activate for default").click()
    expect(admin.locator(".state-switched").first).to_be_visible(timeout=ACTIVATION_MS)
    keep_screenshot(admin, "activated")
