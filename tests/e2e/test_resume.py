"""A real Chromium that loses its server, its network, its tab: the session goes on.

Nobody clicks anything.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import Launch, keep_screenshot, wait_for_status

HOT_DOG = 'body[data-verdict="hot-dog"]'
# Within which a dead other end must be noticed.
NOTICED_MS = 5000


@pytest.fixture
def everything(product: Product, scripted_model: Callable[..., Path]) -> Product:
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker")
    return product


@pytest.fixture
def page(everything: Product, launch: Launch, tour: Path) -> Page:
    page = launch(clip=tour).new_page()
    page.goto(everything.url)
    page.wait_for_selector(HOT_DOG)
    return page


def rows(product: Product, table: str) -> list[dict[str, Any]]:
    with sqlite3.connect(product.directory / "emporium.sqlite3") as connection:
        connection.row_factory = sqlite3.Row
        name = f"emporium_sessions_{table}"
        found = connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()
    connection.close()
    return [dict(row) for row in found]


def has_gone_on(product: Product, page: Page) -> None:
    """Wait until there are results again, and check whose they are."""
    page.wait_for_selector(HOT_DOG, timeout=60_000)
    before = rows(product, "run")
    wait_until(
        lambda: rows(product, "run")[0]["inferred"] > before[0]["inferred"],
        "the run to go on",
    )
    (session,) = rows(product, "camerasession")
    (run,) = rows(product, "run")
    assert session["status"] == "live"
    assert session["ended_at"] is run["ended_at"] is None


def test_a_reload(everything: Product, page: Page) -> None:
    page.reload()
    has_gone_on(everything, page)


def test_a_server_that_is_killed_and_started_again(
    everything: Product, page: Page
) -> None:
    everything.processes["web"].kill()
    wait_for_status(page, "reconnecting", NOTICED_MS)
    everything.start("web")
    has_gone_on(everything, page)


def test_a_server_that_stands_still(everything: Product, page: Page) -> None:
    """Nothing tells the page that it has gone: neither its sockets nor ICE."""
    web = everything.processes["web"]
    os.killpg(web.pid, signal.SIGSTOP)
    try:
        wait_for_status(page, "reconnecting", NOTICED_MS)
        time.sleep(5)
    finally:
        os.killpg(web.pid, signal.SIGCONT)
    has_gone_on(everything, page)


def test_a_machine_that_sleeps(everything: Product, page: Page, tour: Path) -> None:
    """As with the lid of a laptop: the browser stands still, and knows of nothing."""
    browser = group_of(tour)
    os.killpg(browser, signal.SIGSTOP)
    try:
        wait_until(
            lambda: rows(everything, "camerasession")[0]["status"] != "live",
            "the server to notice",
            patience_s=NOTICED_MS / 1000,
        )
        time.sleep(5)
    finally:
        os.killpg(browser, signal.SIGCONT)
    has_gone_on(everything, page)


def group_of(clip: Path) -> int:
    """The process group of the browser that has this clip for its camera."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if b"--use-file-for-fake-video-capture=" + bytes(clip) in command:
            return os.getpgid(int(process.name))
    raise AssertionError(f"No browser films {clip}.")


def test_from_one_network_to_another(everything: Product, page: Page) -> None:
    page.context.set_offline(True)
    wait_for_status(page, "reconnecting", 10_000)
    keep_screenshot(page, "network-away")
    page.context.set_offline(False)
    has_gone_on(everything, page)


def test_a_duplicated_tab(everything: Product, page: Page) -> None:
    """The newer has the session; the older says so, and leaves it to it."""
    with page.expect_popup() as opened:
        page.evaluate("window.open(location.href)")
    newer = opened.value
    page.wait_for_selector('body[data-situation="taken_over"]')
    keep_screenshot(page, "taken-over")
    newer.wait_for_selector(HOT_DOG)
    (session,) = rows(everything, "camerasession")
    assert session["status"] == "live"

    page.locator("#action").click()
    page.wait_for_selector(HOT_DOG)
    newer.wait_for_selector(HOT_DOG)
    assert len(rows(everything, "camerasession")) == 2
