"""Pages that come back: the same session goes on, whatever was lost in between.

As in test_signalling.py, with the real application in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.inference.models import Deployment, ModelVersion, Trial
from apps.inference.trials import services as trials
from apps.inference.trials.assignment import is_within
from apps.nexus import consumers, media, moving, negotiation, pipeline, protocol
from apps.sessions import services
from apps.sessions.models import CameraSession, Run
from tests.integration.camera import Camera
from tests.integration.conftest import ThreadedWorker, decoder_threads
from tests.integration.page import Page
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("nexus", "no_decoder_left", "answering")


@pytest.fixture
async def cameras() -> AsyncIterator[list[Camera]]:
    cameras = [Camera(), Camera()]
    yield cameras
    for camera in cameras:
        await camera.close()


async def the_only_run() -> Run:
    run = await Run.objects.aget()
    assert run.received == run.inferred + run.dropped + run.pending
    return run


@pytest.mark.parametrize("code", [1001, 1006])
async def test_a_page_that_was_reloaded_goes_on_with_its_session_and_its_run(
    cameras: list[Camera], code: int
):
    async with Page() as before:
        await before.stream(cameras[0])
        first = await before.results(3)
        await before.leave(code)
    had = await the_only_run()

    async with Page(resume_token=before.resume_token) as after:
        await after.stream(cameras[1])
        second = await after.results(3)
        welcome = after.messages[0]
        assert welcome["session_id"] == before.messages[0]["session_id"]
        assert second[0]["seq"] >= welcome["next_seq"] > first[-1]["seq"]
        assert await CameraSession.objects.acount() == 1
        assert (await CameraSession.objects.aget()).ended_at is None

    run = await the_only_run()
    assert run.received >= had.received + 3
    assert run.inferred >= had.inferred + 3
    counted = sum(run.latency_counts["age"].values())
    assert counted == run.inferred


async def test_a_page_that_comes_back_stays_on_its_side_of_a_canary(
    answering: ThreadedWorker,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    trial = await begin_canary(deployment, scripted_version)
    await eventually(lambda: answering.host.canaries, "the canary to be loaded")
    tokens: dict[bool, str] = {}
    while len(tokens) < 2:
        async with Page() as page:
            session_id = page.messages[0]["session_id"]
            tokens[is_within(0.5, trial.pk, session_id)] = page.resume_token
    for its, token in tokens.items():
        for _ in range(3):
            async with Page(resume_token=token) as again:
                camera = Camera()
                await again.stream(camera)
                label = "banana" if its else "hot dog"
                assert {label_of(each) for each in await again.results(5)} == {label}
                await camera.close()


@sync_to_async
def begin_canary(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> Trial:
    challenger = scripted_version(label="banana")
    return trials.start(deployment, challenger, Trial.Kind.CANARY, 0.5)


def label_of(result: dict[str, Any]) -> str:
    (detection,) = result["detections"]
    label: str = detection["label"]
    return label


async def test_a_page_whose_old_socket_nobody_has_missed_yet_goes_on(
    cameras: list[Camera],
):
    """From Wi-Fi to mobile: the server finds out when the page comes back."""
    before = Page()
    await before.open()
    await before.stream(cameras[0])
    await before.results(1)

    async with Page(resume_token=before.resume_token) as after:
        await before.until(lambda: before.close_code, "the old socket to be closed")
        assert before.close_code == protocol.TAKEN_OVER
        await before.leave(1006)
        await after.stream(cameras[1])
        await after.results(2)
        session = await CameraSession.objects.aget()
        assert session.ended_at is None
        assert session.status in {"connecting", "live"}
        assert len(decoder_threads()) == 1
    run = await the_only_run()
    assert run.inferred >= 3


async def test_the_older_of_two_pages_with_one_token_stays_away(
    monkeypatch: pytest.MonkeyPatch,
):
    """Even if the message to it was lost: it finds out as it says that it is alive."""
    monkeypatch.setattr(services, "TOUCH_INTERVAL_S", 0.05)
    older = Page()
    await older.open()
    session = await CameraSession.objects.aget()

    await sync_to_async(services.continue_session)(
        session.pk, user=None, holder="another process"
    )

    await older.until(lambda: older.close_code, "the older page to be told")
    assert older.close_code == protocol.TAKEN_OVER
    await older.leave()
    await session.arefresh_from_db()
    assert (session.holder, session.status) == ("another process", "pending")


@pytest.mark.parametrize("token", ["", "forged", "expired", "ended"])
async def test_a_token_that_is_of_no_use_begins_a_session(
    token: str, monkeypatch: pytest.MonkeyPatch
):
    async with Page() as before:
        pass
    session = await CameraSession.objects.aget()
    if token == "expired":
        monkeypatch.setattr("apps.nexus.resume.TOKEN_LIFETIME_S", -1)
    if token == "ended":
        await sync_to_async(services.close_session)(session.pk, sentence="Over.")
    given = before.resume_token if token in {"expired", "ended"} else token
    async with Page(resume_token=given) as after:
        assert after.messages[0]["session_id"] != str(session.pk)
        assert after.messages[0]["next_seq"] == 0


async def test_nothing_is_done_for_who_has_not_opened_a_session(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(consumers, "OPEN_PATIENCE_S", 0.3)
    page = Page()
    await page.connect()
    await page.send("acquiring")
    assert (await page.message("error"))["code"] == "out_of_order"
    await page.send("ping", sent_at_ms=1)
    await page.message("pong")
    await page.until(lambda: page.close_code, "the server to lose its patience")
    assert page.close_code == protocol.NOTHING_SAID
    await page.leave()
    assert not await CameraSession.objects.aexists()


async def test_a_session_is_opened_once():
    async with Page() as page:
        await page.send("open", resume_token=page.resume_token)
        assert (await page.message("error"))["code"] == "out_of_order"
        assert await CameraSession.objects.acount() == 1


async def test_a_picture_that_stops_coming_is_noticed_long_before_ice_does(
    cameras: list[Camera], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pipeline, "PICTURE_PATIENCE_S", 0.3)
    monkeypatch.setattr(negotiation, "OFFER_GRACE_S", 0.0)
    async with Page() as page:
        await page.stream(cameras[0])
        await page.results(1)
        cameras[0].stripe.stand_still()
        told = await page.message("status", status="reconnecting")
        assert told["sentence"] == media.PICTURE_STOPPED
        await eventually(lambda: decoder_threads() == [], "the decoder to end")

        await page.stream(cameras[1])
        await page.results(1)
        assert page.statuses()[-1] == "live"
    await the_only_run()


async def test_a_session_nobody_comes_back_to_is_ended(cameras: list[Camera]):
    async with Page() as page:
        await page.stream(cameras[0])
        await page.results(1)
    left = await CameraSession.objects.aget()
    past = timezone.now() - timedelta(seconds=90)
    await CameraSession.objects.aupdate(last_seen_at=past)

    assert await asyncio.to_thread(services.close_abandoned_sessions) == (1, 0)

    session = await CameraSession.objects.aget()
    assert (session.status, session.sentence) == ("ended", consumers.PAGE_CLOSED)
    assert session.ended_at == past < left.last_seen_at
    assert (await the_only_run()).ended_at == past


# --- a process that ends ------------------------------------------------------------


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> moving.Moving:
    """The end of this process, which a test may begin."""
    ending = moving.Moving()
    monkeypatch.setattr(moving, "of_this_process", ending)
    return ending


async def test_pages_are_told_to_move_and_waited_for(
    ending: moving.Moving, cameras: list[Camera]
):
    async with Page() as page:
        await page.stream(cameras[0])
        await page.results(1)
        beginning = asyncio.create_task(ending.begin(60))
        told = await page.message("move")
        assert told["within_ms"] == 50
        # Until it goes, nothing changes for it.
        await page.results(2)
        assert not beginning.done()

        await page.leave()
        assert await beginning == 0
        assert decoder_threads() == []
        session = await CameraSession.objects.aget()
        assert (session.status, session.holder) == ("reconnecting", "")


async def test_nobody_is_let_in_any_more(ending: moving.Moving):
    await ending.begin(60)
    page = Page()
    await page.connect()
    await page.send("open", resume_token="")
    refused = await page.message("error", code="unavailable")
    assert "restarted" in refused["sentence"]
    await page.until(lambda: page.close_code, "the server to close")
    assert page.close_code == protocol.TRY_AGAIN_LATER
    await page.leave()
    assert not await CameraSession.objects.aexists()
