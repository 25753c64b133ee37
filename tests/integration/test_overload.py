"""What a page is asked for that sends more than is of use, and when there is room."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiortc.codecs.vpx import Vp8Decoder
from asgiref.sync import sync_to_async

from apps.inference.models import Deployment, ModelVersion
from apps.inference.services import activate
from apps.nexus import load, quality
from tests.integration.camera import Camera
from tests.integration.page import Page

pytestmark = pytest.mark.usefixtures("nexus", "no_decoder_left")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with Page() as page:
        yield page


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    camera = Camera()
    yield camera
    await camera.close()


async def is_asked_for(page: Page, **fields: int) -> None:
    """Wait until the last that the page was asked for is this."""

    def is_last() -> bool:
        asked = page.all_of("quality")
        return bool(asked) and fields.items() <= asked[-1].items()

    await page.until(is_last, f"quality {fields}")


async def test_a_live_page_is_told_what_is_worth_sending(page: Page, camera: Camera):
    await page.stream(camera)
    asked = await page.message("quality")
    assert asked == {"type": "quality", "max_side": 640, "max_framerate": 30}


@pytest.mark.usefixtures("answering")
async def test_a_model_that_answers_seldom_is_sent_less_and_a_quick_one_more(
    page: Page,
    camera: Camera,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(load, "WINDOW_S", 0.5)
    slow = await sync_to_async(scripted_version)(sleep_ms=600)
    await sync_to_async(activate)(deployment, slow)
    await page.stream(camera)
    await is_asked_for(page, max_framerate=15)

    quick = await sync_to_async(scripted_version)(label="banana")
    await sync_to_async(activate)(deployment, quick)
    await is_asked_for(page, max_framerate=30)


async def test_a_decoder_that_falls_behind_is_sent_less_until_it_has_time(
    page: Page, camera: Camera, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quality, "CALM_S", 0.5)
    decode, is_slow = Vp8Decoder.decode, threading.Event()

    def decode_in_its_time(decoder: Vp8Decoder, picture: Any) -> Any:
        if is_slow.is_set():
            time.sleep(0.15)
        return decode(decoder, picture)

    monkeypatch.setattr(Vp8Decoder, "decode", decode_in_its_time)
    await page.stream(camera)
    await is_asked_for(page, max_side=640)
    is_slow.set()
    await is_asked_for(page, max_side=427)
    await is_asked_for(page, max_side=320, max_framerate=15)
    is_slow.clear()
    await is_asked_for(page, max_side=640)


async def test_nobody_looks_at_a_session_that_is_over(page: Page, camera: Camera):
    await page.stream(camera)
    await page.message("quality")
    assert any("LoadWatch.run" in repr(task) for task in asyncio.all_tasks())
    await page.send("stop")
    await page.message("status", status="pending")
    await page.leave()
    assert not any("LoadWatch.run" in repr(task) for task in asyncio.all_tasks())
