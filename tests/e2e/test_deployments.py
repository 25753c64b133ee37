"""Two deployments before two people at once, in one browser's two tabs; and the page on
which an operator has another version answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bench.product import Product
from bench.records import deploy, deploy_starters
from tests.e2e.captures import add_reviewer, log_in
from tests.e2e.conftest import (
    Launch,
    expecting_no_errors,
    keep_screenshot,
    wait_for_status,
)


@pytest.fixture
def url(product: Product) -> str:
    product.inside(deploy_starters)
    product.manage(
        *("deployments", "add", "classes", "starter-classifier"),
        *("--title", "What is it?", "--queue", "gpu-large"),
    )
    product.start("web")
    product.start("worker", "-Q", "gpu,gpu-large")
    return product.url


def test_two_pages_show_two_models_at_the_same_time(
    url: str, launch: Launch, tour: Path
) -> None:
    context = launch(clip=tour).new_context()
    boxes, classes = context.new_page(), context.new_page()
    with expecting_no_errors(boxes), expecting_no_errors(classes):
        boxes.goto(url)
        classes.goto(f"{url}/s/classes")
        expect(boxes).to_have_title("Hot Dog Emporium")
        expect(classes).to_have_title("What is it? · Hot Dog Emporium")
        for page, model in (
            (boxes, "starter-detector"),
            (classes, "starter-classifier"),
        ):
            wait_for_status(page, "live")
            expect(page.locator("#model-name")).to_have_text(model)
        for page in (boxes, classes):
            _sees_more(page)
        expect(classes.locator("#classes li").first).to_be_visible()
        expect(boxes.locator("#classes")).to_be_hidden()
        keep_screenshot(classes, "deployment-of-its-own")


def test_a_tab_goes_from_one_deployment_to_another_and_back_to_its_session(
    url: str, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    sessions: list[str] = []

    def note(message: str | bytes) -> None:
        said = json.loads(message)
        if said["type"] == "welcome":
            sessions.append(said["session_id"])

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    for address in (url, f"{url}/s/classes", url):
        page.goto(address)
        wait_for_status(page, "live")
    boxes, classes, again = sessions
    assert boxes == again != classes


def test_a_page_that_is_none_leads_to_those_that_are(url: str, launch: Launch) -> None:
    page = launch().new_page()
    page.goto(f"{url}/s/pizza")
    expect(page.locator("h1")).to_have_text("Nothing on this plate")
    keep_screenshot(page, "deployment-unknown")
    page.get_by_role("link", name="What is it?").click()
    expect(page).to_have_title("What is it? · Hot Dog Emporium")


def test_what_was_seen_goes_with_the_worker_and_comes_back(
    url: str, product: Product, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    page.goto(f"{url}/s/classes")
    expect(page.locator("#classes")).to_be_visible()
    product.processes["worker"].kill()
    expect(page.locator("#worker")).to_contain_text("worker", timeout=60_000)
    expect(page.locator("#classes")).to_be_hidden()
    expect(page.locator("#overlay")).to_have_attribute("data-boxes", "[]")
    expect(page.locator("body")).to_have_attribute("data-verdict", "none")
    expect(page.locator("#wrong")).to_be_disabled()
    product.start("worker", "-Q", "gpu,gpu-large")
    expect(page.locator("#classes")).to_be_visible(timeout=60_000)
    expect(page.locator("#worker")).to_be_empty()
    expect(page.locator("#wrong")).to_be_enabled()


def register(directory: Path) -> None:
    """For `Product.inside`."""
    from apps.inference.registering import registry

    registry.register_version(name="scripted", family="scripted", directory=directory)


def test_what_is_offered_follows_an_activation(
    product: Product, launch: Launch, scripted_model: Callable[..., Path]
) -> None:
    product.inside(deploy, scripted_model(), "scripted", "scripted")
    product.inside(register, scripted_model(label="cup"))
    product.inside(add_reviewer)
    product.start_all("web", "worker")
    page = launch().new_page()
    with expecting_no_errors(page):
        log_in(page, product)
        page.goto(f"{product.url}/admin/inference/deployment/")
        page.get_by_role("link", name="default", exact=True).click()
        answers = page.locator(".field-active_version .readonly")
        before = answers.inner_text()
        others = page.locator("#activate-version")
        version = others.inner_text()
        page.get_by_role("button", name="Activate", exact=True).click()
        page.evaluate("window.isTheSame = true")
        percent = page.locator("#trial-percent")
        percent.fill("25")
        page.locator("h1").first.click()

        back = page.get_by_role("button", name=f"Go back to {before}")
        expect(back).to_be_visible(timeout=30_000)
        expect(answers).to_have_text(version)
        expect(others).to_have_text(before)
        # Somebody is about to try something, and decides when that is over.
        expect(percent).to_have_value("25")
        assert page.evaluate("window.isTheSame")
        back.click()
        expect(page.locator(".messagelist")).to_contain_text(before)


def _sees_more(page: Page) -> None:
    """Results go on coming on this page, whichever tab is in front."""
    overlay = page.locator("#overlay")
    before = overlay.get_attribute("data-results") or ""
    expect(overlay).not_to_have_attribute("data-results", before)
