"""A camera in a real Chromium, for what only a browser does as a browser does it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.async_api import Browser, Page, async_playwright

from bench.browser import QUIET, chromium_path
from bench.processes import CHECKOUT

FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """A browser with a made-up camera, which it gives to every page.

    Raises:
        BrowserError: there is none.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=[*QUIET, *FAKE_CAMERA, *flags]
        )
        yield browser
        await browser.close()


class Camera:
    """The page of `bench/pages/camera.html`, which offers one connection at a time."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def offer(self, frames_per_second: int) -> str:
        sdp: str = await self._page.evaluate(f"offer({frames_per_second})")
        return sdp

    async def accept(self, sdp: str) -> None:
        await self._page.evaluate("sdp => accept(sdp)", sdp)

    async def encoded(self) -> list[tuple[int, float]]:
        """RTP timestamp and time of each picture that has left the encoder.

        The time is in seconds of `time.time`.
        """
        ahead_s = await self._clock_s()
        return [
            (rtp_timestamp, at_ms / 1000 - ahead_s)
            for rtp_timestamp, at_ms in await self._page.evaluate("encoded")
        ]

    async def _clock_s(self) -> float:
        """How far the page's clock is ahead of ours: by the quickest question."""
        differences: list[tuple[float, float]] = []
        for _ in range(20):
            asked_at = time.time()
            page_ms: float = await self._page.evaluate(
                "performance.timeOrigin + performance.now()"
            )
            answered_at = time.time()
            middle = (asked_at + answered_at) / 2
            differences.append((answered_at - asked_at, page_ms / 1000 - middle))
        _, ahead_s = min(differences)
        return ahead_s


@asynccontextmanager
async def camera() -> AsyncIterator[Camera]:
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Files, directory=CHECKOUT)
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        async with chromium() as browser:
            page = await browser.new_page()
            await page.goto(
                f"http://localhost:{server.server_port}/bench/pages/camera.html"
            )
            yield Camera(page)
        server.shutdown()


class _Files(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, directory: Path) -> None:
        super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

    def log_message(self, format: str, *_: object) -> None:
        """The bench has more to say than which files it serves."""
