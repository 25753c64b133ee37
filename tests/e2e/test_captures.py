"""From a wrong verdict to an example in a dataset, and nothing without consent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.inference.models import Deployment
from bench.product import Product
from bench.records import deploy
from tests.e2e.captures import (
    add_reviewer,
    captures_in,
    dispute,
    examples,
    log_in,
    open_review,
    press,
    say_what_it_is,
    sizes_of_examples,
)
from tests.e2e.conftest import Launch, expecting_no_errors, keep_screenshot
from tests.e2e.test_page_states import SCHEMES, keep_state

SAID = "#said"


@pytest.fixture
def emporium(product: Product, scripted_model: Callable[..., Path]) -> Product:
    """Web and worker; the model takes everything for a hot dog in the middle."""
    product.inside(
        deploy, scripted_model(labels=["hot dog", "cup"]), "scripted", "scripted"
    )
    product.inside(add_reviewer)
    product.start_all("web", "worker")
    return product


@pytest.fixture
def page(emporium: Product, launch: Launch, tour: Path) -> Page:
    browser = launch(clip=tour)
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(emporium.url)
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    return page


def test_a_wrong_verdict_becomes_an_example(emporium: Product, page: Page) -> None:
    with expecting_no_errors(page):
        dispute(page)
        expect(page.locator("#consent-words")).to_contain_text("for 30 days")
        keep_state(page, "wrong")
        say_what_it_is(page, "Not a hot dog", "cup", "Allow")
        expect(page.locator(SAID)).to_contain_text("The picture is kept")
        keep_state(page, "wrong-kept")
        page.keyboard.press("Escape")
        expect(page.locator("#withdraw")).to_be_visible()
        keep_state(page, "wrong-allowed")
        page.set_viewport_size({"width": 1280, "height": 800})
        # Who has allowed it once isn't asked again, and needs no mouse.
        page.locator("#wrong").press("Enter")
        expect(page.locator("#disputed")).to_be_visible()
        expect(page.locator("#consent-words")).to_be_hidden()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        expect(page.locator(SAID)).to_contain_text("The picture is kept")
    assert len(captures_in(emporium)) == 2

    review = page.context.new_page()
    with expecting_no_errors(review):
        log_in(review, emporium)
        review.goto(f"{emporium.url}/admin/emporium_sessions/capture/")
        keep_state(review, "captures")
        open_review(review, emporium)
        expect(review.locator(".review-said")).to_contain_text("Not a hot dog: cup")
        keep_state(review, "review")
        review.set_viewport_size({"width": 1280, "height": 800})
        review.keyboard.press("w")
        expect(review.get_by_label("Label 1")).to_have_value("cup")
        keep_state(review, "review-corrected")
        press(review, "Enter")
        expect(review.locator(".review-count")).to_have_text("1 to review")
        press(review, "r")
        expect(review.locator(".review-empty")).to_contain_text("Nothing is to be")
        keep_state(review, "review-empty")
    (first, corrected), (_, confirmed) = emporium.inside(examples)
    assert (first, corrected[0]["label"]) == ("captures", "cup")
    assert confirmed[0]["label"] == "hot dog"
    width, height = emporium.inside(sizes_of_examples)[1]
    box = [width / 4, height / 4, 3 * width / 4, 3 * height / 4]
    assert confirmed[0]["box"] == box

    with review.expect_navigation():
        review.get_by_role("button", name="Undo the last decision").click()
    expect(review.locator(".review-count")).to_have_text("1 to review")
    assert len(emporium.inside(examples)) == 1


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_what_is_allowed_can_be_read_on_a_phone(
    page: Page, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    dispute(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        keep_screenshot(page, f"wrong-{width}x{height}-{scheme}")
    words = page.locator("#sheet div.of-consent")
    allow = page.get_by_role("button", name="Allow", exact=True)
    assert edges(words)[1] <= edges(allow)[0]
    assert edges(page.locator("#sheet"))[1] <= edges(page.locator("#wrong"))[0]
    if height > 800:
        assert edges(allow)[1] <= edges(page.locator("#sheet"))[1]


def edges(locator: Locator) -> tuple[float, float]:
    """Where it begins and ends on the page, in pixels from the top."""
    box = locator.bounding_box()
    assert box is not None
    return box["y"], box["y"] + box["height"]


def test_without_consent_no_file_appears(emporium: Product, page: Page) -> None:
    dispute(page)
    page.get_by_role("radio", name="Not a hot dog").check()
    page.locator("#sheet input[name=label]").press("Enter")
    expect(page.locator("#sheet")).to_have_attribute("data-mode", "complaint")
    say_what_it_is(page, "Not a hot dog", "", "Not now")
    expect(page.locator(SAID)).to_have_text("Thank you. No picture was kept.")
    expect(page.locator("#withdraw")).to_be_hidden()
    assert captures_in(emporium) == []


def test_one_click_takes_it_back(emporium: Product, page: Page) -> None:
    dispute(page)
    say_what_it_is(page, "Not a hot dog", "", "Allow")
    expect(page.locator(SAID)).to_contain_text("The picture is kept")
    assert len(captures_in(emporium)) == 1
    page.locator("#withdraw").click()
    expect(page.locator(SAID)).to_contain_text("Removed: 1 picture.")
    expect(page.locator("#withdraw")).to_be_hidden()
    assert captures_in(emporium) == []


def test_it_is_taken_back_with_the_camera_off_too(
    emporium: Product, page: Page
) -> None:
    dispute(page)
    say_what_it_is(page, "Not a hot dog", "", "Allow")
    expect(page.locator(SAID)).to_contain_text("The picture is kept")
    page.locator("#stop").click()
    expect(page.locator("#sentence")).to_contain_text("camera is off")
    expect(page.locator("#rate")).to_be_hidden()
    keep_state(page, "stopped-kept")
    page.locator("#withdraw").press("Enter")
    expect(page.locator(SAID)).to_contain_text("Removed: 1 picture.")
    keep_state(page, "stopped-taken-back")
    expect(page.locator("#withdraw")).to_be_hidden()
    expect(page.locator("#action")).to_be_focused()
    assert captures_in(emporium) == []


def test_a_page_that_samples_asks_and_takes_no_for_an_answer(
    emporium: Product, launch: Launch, tour: Path
) -> None:
    emporium.inside(sample_everything)
    browser = launch(clip=tour)
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(emporium.url)
    expect(page.locator("#consent-words")).to_contain_text("would like to keep some")
    keep_state(page, "sampling-asked")
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#sheet")).to_be_hidden()
    page.reload()
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    expect(page.locator("#sheet")).to_be_hidden()
    assert captures_in(emporium) == []


def sample_everything() -> None:
    """For `Product.inside`."""
    Deployment.objects.update(sample_share=1)


def test_a_box_is_drawn_moved_and_undone(emporium: Product, page: Page) -> None:
    dispute(page)
    say_what_it_is(page, "Not a hot dog", "", "Allow")
    expect(page.locator(SAID)).to_contain_text("The picture is kept")
    review = page.context.new_page()
    log_in(review, emporium)
    open_review(review, emporium)
    review.keyboard.press("w")
    expect(review.locator("#nothing")).to_be_visible()
    board = review.locator("#board").bounding_box()
    assert board is not None
    unit = board["width"] / 640

    def at(x: float, y: float) -> tuple[float, float]:
        return board["x"] + x * unit, board["y"] + y * unit

    review.mouse.move(*at(100, 100))
    review.mouse.down()
    review.mouse.move(*at(300, 200), steps=4)
    review.mouse.up()
    review.keyboard.type("plate")
    review.keyboard.press("Enter")
    review.mouse.move(*at(300, 200))
    review.mouse.down()
    review.mouse.move(*at(320, 240), steps=4)
    review.mouse.up()
    review.keyboard.press("Shift+ArrowRight")
    review.keyboard.press("ArrowUp")
    review.keyboard.press("b")
    review.keyboard.press("u")
    keep_state(review, "review-drawn")
    press(review, "Enter")
    ((_, (annotation,)),) = emporium.inside(examples)
    assert annotation["label"] == "plate"
    assert annotation["box"] == pytest.approx([110, 99, 330, 239], abs=2)
