"""A real Chromium on the product's page, with a clock for its camera."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, TimeoutError, ViewportSize, sync_playwright

CLOCK_CAMERA = Path(__file__).with_name("clock_camera.js")
# Everything is on this machine; nothing may be asked of another.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)
# Who was never asked for a camera hides its addresses, which then have to be guessed.
NAME_ADDRESSES = "--disable-features=WebRtcHideLocalIpsWithMdns"
PATIENCE_MS = 30_000
# Without a GPU the browser draws the page itself: as little of it as the picture needs.
VIEWPORT: ViewportSize = {"width": 640, "height": 480}


class BrowserError(Exception):
    """There is no Chromium, or it can't show the page; the text says more."""


def chromium_path() -> str:
    """The browser that CHROMIUM names, or the one on PATH.

    Raises:
        BrowserError: there is neither.
    """
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        raise BrowserError("There is no Chromium: CHROMIUM may name one.")
    return path


@contextmanager
def watching(url: str, sessions: int) -> Iterator[None]:
    """So many pages at once, each live with a clock for its camera."""
    with sync_playwright() as playwright:
        browsers = []
        for _ in range(sessions):
            # One each: a browser without a screen draws the page in front only.
            browser = playwright.chromium.launch(
                executable_path=chromium_path(), args=[*QUIET, NAME_ADDRESSES]
            )
            browsers.append(browser)
            page = browser.new_page(viewport=VIEWPORT)
            page.add_init_script(path=CLOCK_CAMERA)
            page.goto(url)
            _wait_for_live(page)
        yield
        for browser in browsers:
            browser.close()


def _wait_for_live(page: Page) -> None:
    try:
        page.wait_for_selector('body[data-status="live"]', timeout=PATIENCE_MS)
    except TimeoutError:
        said = page.inner_text("body")
        raise BrowserError(
            f"The page is not live after half a minute: {said}"
        ) from None
