"""A visit whose network lets no WebRTC through, and one that is let through later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import cv2
import numpy as np
import pytest
from pytest_django import Settings
from redis import Redis

from apps.nexus import media
from apps.nexus.jpeg import HEADER
from apps.nexus.negotiation import LIVE, LIVE_AS_JPEG, Negotiation
from apps.sessions.models import CameraSession, Run
from bench.processes import PATIENCE_S
from tests.integration.camera import Camera
from tests.integration.page import Page

pytestmark = pytest.mark.usefixtures("nexus", "no_decoder_left", "answering")

JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with Page() as page:
        yield page


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    camera = Camera()
    yield camera
    await camera.close()


async def send_picture(page: Page, timestamp: int, content: bytes = JPEG) -> None:
    await page.send_bytes(HEADER.pack(timestamp) + content)
    await page.message("taken", rtp_timestamp=timestamp)


async def test_pictures_over_the_socket_are_answered(page: Page, redis: Redis):
    await page.send("begin_jpeg")
    await page.send_bytes(HEADER.pack(0xFFFF_0001) + JPEG)

    (result,) = await page.results(1)
    assert result["rtp_timestamp"] == 0xFFFF_0001
    assert (result["frame"]["width"], result["frame"]["height"]) == (64, 48)
    await page.message("taken", rtp_timestamp=0xFFFF_0001)
    await page.message("status", status="live", sentence=LIVE_AS_JPEG)

    await page.leave()
    run = await Run.objects.aget()
    assert (run.received, run.inferred) == (1, 1)
    assert redis.keys("mailbox:*") in ([], [b"mailbox:bell:gpu"])


async def test_a_picture_that_was_not_announced_is_refused(page: Page):
    await page.send_bytes(HEADER.pack(1) + JPEG)

    await page.message("error", code="out_of_order")


async def test_a_bad_picture_is_refused_and_the_next_one_answered(page: Page):
    await page.send("begin_jpeg")
    await send_picture(page, 1, b"no jpeg")
    await page.message("error", code="invalid")

    await page.send_bytes(HEADER.pack(2) + JPEG)

    assert (await page.results(1))[0]["rtp_timestamp"] == 2


async def test_webrtc_takes_over_where_it_finds_a_way(page: Page, camera: Camera):
    await page.send("begin_jpeg")
    await page.send_bytes(HEADER.pack(7) + JPEG)
    await page.results(1)

    await page.stream(camera)

    await page.message("status", status="live", sentence=LIVE)
    await page.results(2)
    assert page.statuses() == ["live", "live"], "nothing else was said in between"
    await page.send_bytes(HEADER.pack(8) + JPEG)
    await page.message("error", code="out_of_order")
    await page.leave()
    assert await CameraSession.objects.acount() == 1


async def test_an_offer_that_leads_nowhere_leaves_the_pictures_alone(
    page: Page, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    await page.send("begin_jpeg")
    await page.send_bytes(HEADER.pack(1) + JPEG)
    await page.results(1)
    settings.CONNECT_TIMEOUT_S = 0.05
    told = asyncio.Event()
    original = Negotiation.on_lost

    def on_lost(*arguments: Any) -> None:
        original(*arguments)
        told.set()

    monkeypatch.setattr(Negotiation, "on_lost", on_lost)
    nowhere = Camera()
    await page.send("offer", sdp=await nowhere.offer())
    async with asyncio.timeout(PATIENCE_S):
        await told.wait()
    await nowhere.close()

    await page.send_bytes(HEADER.pack(2) + JPEG)

    await page.results(1)
    assert "failed" not in page.statuses()


async def test_pictures_take_the_place_of_a_connection_that_was_live(
    page: Page, camera: Camera
):
    await page.stream(camera)
    await page.results(1)

    await page.send("begin_jpeg")
    await page.send_bytes(HEADER.pack(0xABCD_0000) + JPEG)

    await page.message("status", status="live", sentence=LIVE_AS_JPEG)
    await page.until(
        lambda: page.all_of("result", rtp_timestamp=0xABCD_0000), "its result"
    )


async def test_stop_ends_the_pictures_too(page: Page):
    await page.send("begin_jpeg")
    await send_picture(page, 1)
    await page.send("stop")
    await page.message("status", status="pending")

    await page.send_bytes(HEADER.pack(2) + JPEG)

    await page.message("error", code="out_of_order")


async def test_announced_pictures_that_never_come_are_not_waited_for(
    page: Page, settings: Settings
):
    settings.CONNECT_TIMEOUT_S = 0.05
    await page.send("begin_jpeg")

    await page.message("status", status="failed", sentence=media.NOT_CONNECTED)
