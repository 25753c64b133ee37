"""A real Chromium in front of the real product.

The browser is the system's, named by CHROMIUM (`make test` finds or installs it). Its
camera is a clip. Screenshots are kept in `tests/artefacts/`, to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from apps.inference.starter.clips import CLIPS, render_clip, save_clip
from bench.browser import QUIET, chromium_path

ARTEFACTS = Path(__file__).parent.parent / "artefacts"
ALLOW_CAMERA = "--use-fake-ui-for-media-stream"
FAKE_CAMERA = "--use-fake-device-for-media-stream"

Launch = Callable[..., Browser]


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of hot dog, nothing and other food, its boxes in a `.json` beside it."""
    path = tmp_path_factory.mktemp("clip") / "tour.mjpeg"
    save_clip(render_clip(CLIPS["tour"], seed=7), path)
    return path


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Of a module: there may be one at a time, and the bench brings its own."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def launch(playwright: Playwright) -> Iterator[Launch]:
    """Start Chromium with a clip for its camera, or with flags of the test's choice."""
    browsers: list[Browser] = []

    def start(*flags: str, clip: Path | None = None) -> Browser:
        if clip is not None:
            flags = (
                *flags,
                ALLOW_CAMERA,
                FAKE_CAMERA,
                f"--use-file-for-fake-video-capture={clip}",
            )
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=[*QUIET, *flags]
        )
        browsers.append(browser)
        return browser

    yield start
    for browser in browsers:
        browser.close()


@contextmanager
def expecting_no_errors(page: Page) -> Iterator[None]:
    """Fail if the page's scripts threw or the browser complained about them."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type in {"error", "warning"}
            else None
        ),
    )
    yield
    assert problems == []


def wait_for_status(page: Page, status: str, timeout_ms: int = 30_000) -> None:
    page.wait_for_selector(f'body[data-status="{status}"]', timeout=timeout_ms)


def keep_screenshot(page: Page, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png")
