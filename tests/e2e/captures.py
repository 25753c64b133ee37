"""What people do about wrong answers: before the camera, and in review."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from bench.product import Product

NAME, PASSWORD = "reviewer", "likes hot dogs"


def add_reviewer() -> None:
    """For `Product.inside`."""
    from django.contrib.auth.models import User

    User.objects.create_superuser(NAME, password=PASSWORD)


def examples() -> list[tuple[str, list[dict[str, Any]]]]:
    """For `Product.inside`: of every example its dataset and what is to be seen."""
    from apps.inference.models import Example

    rows = Example.objects.order_by("pk")
    return list(rows.values_list("dataset__name", "annotations"))


def sizes_of_examples() -> list[tuple[int, int]]:
    """For `Product.inside`: a browser that begins slowly sends smaller pictures."""
    from apps.inference.models import Example

    return list(Example.objects.order_by("pk").values_list("width", "height"))


def captures_in(product: Product) -> list[str]:
    """The files that were kept."""
    directory = product.directory / "captures"
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def dispute(page: Page) -> None:
    """Say that what is shown is wrong, and wait for the very picture."""
    # The controls fade while nobody needs them.
    page.mouse.move(300, 300)
    page.locator("#wrong").click()
    expect(page.locator("#disputed")).to_be_visible()


def say_what_it_is(page: Page, what: str, label: str, press: str) -> None:
    """Fill the sheet in, by the words on it, and press a button of it."""
    page.get_by_role("radio", name=what, exact=True).check()
    page.locator("#sheet input[name=label]").fill(label)
    page.get_by_role("button", name=press, exact=True).click()


def log_in(page: Page, product: Product) -> None:
    page.goto(f"{product.url}/admin/")
    page.locator("#id_username").fill(NAME)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    expect(page.locator("#content-main")).to_be_visible()


def open_review(page: Page, product: Product) -> None:
    page.goto(f"{product.url}/admin/emporium_sessions/capture/")
    page.get_by_role("link", name="Review", exact=True).click()
    page.wait_for_selector("html[data-ready]")


def press(page: Page, key: str) -> None:
    """Decide by key, and wait for the next picture, or for the end."""
    with page.expect_navigation():
        page.keyboard.press(key)
    page.wait_for_selector("html[data-ready], .review-empty")
