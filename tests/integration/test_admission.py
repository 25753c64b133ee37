"""Visits that find every place taken: what they are told, and how they get in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from apps.inference.connections import async_redis
from apps.nexus import protocol
from apps.nexus.admission import place as place_module
from apps.nexus.admission import slots as slots_module
from apps.nexus.admission import stay
from apps.nexus.admission.place import Place
from apps.nexus.admission.slots import Slots
from apps.nexus.admission.standing import SENTENCES, Waiting
from apps.nexus.admission.visitor import Visitor
from apps.nexus.consumers import SessionConsumer
from apps.sessions.models import CameraSession
from bench.processes import free_port
from tests.integration.camera import Camera
from tests.integration.page import Page
from tests.waiting import eventually, ticks

pytestmark = pytest.mark.usefixtures("nexus", "no_decoder_left", "one_place")


@pytest.fixture
def one_place(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SESSIONS_PER_PROCESS = 1
    monkeypatch.setattr(place_module, "ASK_S", 0.02)
    monkeypatch.setattr(place_module, "ASK_FAR_S", 0.02)
    # A place is kept for a page that was lost, but not for long.
    monkeypatch.setattr(place_module, "RENEW_S", 0.2)
    monkeypatch.setattr(slots_module, "LEASE_MS", 1000)


async def statuses() -> list[str]:
    """In the database, in the order in which they came."""
    sessions = CameraSession.objects.order_by("opened_at")
    return [status async for status in sessions.values_list("status", flat=True)]


async def have_statuses(*expected: str) -> None:
    for _ in range(2000):
        if await statuses() == list(expected):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"They never became {expected}: {await statuses()}")


async def test_the_next_visit_waits_in_line_and_gets_in_by_itself():
    second, third = Page(), Page()
    async with Page():
        await second.speak_up()
        await second.message("place", position=1, estimate_s=None)
        await third.speak_up()
        await third.message("place", position=2)
        await have_statuses("pending", "waiting", "waiting")
        told = second.all_of("status", status="waiting")
        assert [each["sentence"] for each in told] == [SENTENCES["full"]]
        # Told when there is news, not whenever it asks.
        assert len(second.all_of("place")) == 1

    await second.message("welcome")
    # Now there is a length to make an estimate of.
    await third.message("place", position=1, estimate_s=10)
    await have_statuses("reconnecting", "pending", "waiting")
    await second.leave()
    await third.message("welcome")
    await third.leave()


async def test_who_waits_is_answered_pings_and_nothing_else(camera: Camera):
    waiting = Page()
    async with Page():
        await waiting.speak_up()
        await waiting.message("place")
        await waiting.send("ping", sent_at_ms=1)
        await waiting.message("pong")
        await waiting.send("offer", sdp=await camera.offer())
        await waiting.message("error", code="out_of_order")
    await waiting.message("welcome")
    assert waiting.all_of("answer") == []
    await waiting.leave()


async def test_who_leaves_the_line_leaves_nothing_behind(redis: Redis):
    async with Page():
        waiting = Page()
        await waiting.speak_up()
        await waiting.message("place")
        assert redis.zcard("admission:line") == 1
        await waiting.leave()
        assert redis.zcard("admission:line") == 0
        assert await statuses() == ["pending", "ended"]


async def test_who_is_lost_while_waiting_comes_back_to_the_same_place():
    first, second = Page(), Page()
    async with Page():
        await first.speak_up()
        told = await first.message("place", position=1)
        await second.speak_up()
        await second.message("place", position=2)

        await first.leave(code=1006)
        again = Page(resume_token=told["resume_token"])
        await again.speak_up()

        await again.message("place", position=1)
        assert second.all_of("place", position=1) == []
        await have_statuses("pending", "waiting", "waiting")
        for page in (second, again):
            await page.leave()


async def test_a_server_that_stops_keeps_no_place_for_longer_than_a_lease():
    inside, waiting = Page(), Page()
    await inside.speak_up()
    await inside.message("welcome")
    await waiting.speak_up()
    await waiting.message("place")
    for page in (waiting, inside):
        page.cancel()
        await page.is_over()
    async with Page():
        await have_statuses("reconnecting", "reconnecting", "pending")


async def test_an_address_that_has_its_share_waits_outside_the_line(
    settings: Settings,
):
    settings.SESSIONS_PER_PROCESS = 5
    settings.SESSIONS_PER_ADDRESS = 1
    settings.TRUST_PROXY_HEADERS = True
    greedy = Page(forwarded_for="192.0.2.7")
    async with Page(forwarded_for="192.0.2.7"):
        await greedy.speak_up()
        await greedy.message("place", position=None)
        told = await greedy.message("status", status="waiting")
        assert told["sentence"] == SENTENCES["address"]
        async with Page(forwarded_for="192.0.2.8"):
            pass
    await greedy.message("welcome")
    await greedy.leave()


async def test_where_too_many_wait_the_next_is_turned_away_and_not_written_down(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(place_module, "MOST_WAITING", 1)
    second, third, fourth = Page(), Page(), Page()
    async with Page():
        await second.speak_up()
        await second.message("place", position=1)
        await third.speak_up()
        await third.message("error", code="unavailable")
        await third.until(lambda: third.close_code is not None, "the end")
        assert third.close_code == protocol.TRY_AGAIN_LATER
        await have_statuses("pending", "waiting")
        await second.leave()
        await have_statuses("pending", "ended")
        await fourth.speak_up()
        await fourth.message("place", position=1)
    await fourth.leave()


async def test_who_sends_no_picture_makes_room_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(stay, "LOOK_S", 0.01)
    silent, waiting = Page(), Page()
    await silent.speak_up()
    await silent.message("welcome")
    await waiting.speak_up()
    await waiting.message("place")
    monkeypatch.setattr(stay, "IDLE_S", 0.1)

    await silent.message("status", status="ended", sentence=stay.NO_PICTURE)
    await silent.until(lambda: silent.close_code, "the server to close")
    assert silent.close_code == protocol.SESSION_OVER
    await silent.leave()
    monkeypatch.setattr(stay, "IDLE_S", 60)
    await waiting.message("welcome")
    first = await CameraSession.objects.aearliest("opened_at")
    assert (first.status, first.sentence) == ("ended", stay.NO_PICTURE)
    await waiting.leave()


@pytest.mark.usefixtures("answering")
async def test_the_longest_session_is_told_and_ends(
    visits: list[SessionConsumer],
    camera: Camera,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
):
    settings.SESSION_MAX_MINUTES = 60
    monkeypatch.setattr(stay, "LOOK_S", 0.01)
    monkeypatch.setattr(stay, "NOTICE_S", 3600)
    async with Page() as page:
        await page.stream(camera)
        await page.message("status", status="live", sentence=stay.ENDS_SOON)
        attendance: Any = visits[0]._attendance
        the_stay = attendance._stay
        assert the_stay is not None
        the_stay._ends_at = 0.0
        await page.message("status", status="ended", sentence=stay.TOO_LONG)
    session = await CameraSession.objects.aget()
    assert (session.status, session.sentence) == ("ended", stay.TOO_LONG)


async def test_who_leaves_while_asking_leaves_nothing_behind(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    """The question is on its way already, and would take a slot for nobody."""
    may_ask = asyncio.Event()
    ask = Slots.ask

    async def late(slots: Slots, *args: Any, **options: Any) -> Any:
        await may_ask.wait()
        return await ask(slots, *args, **options)

    monkeypatch.setattr(Slots, "ask", late)
    place = Place(Visitor("hasty"))
    entering = asyncio.create_task(place.enter(nobody_waits))
    await ticks()
    entering.cancel()
    leaving = asyncio.create_task(place.leave(for_good=True))
    await ticks()
    may_ask.set()
    await leaving
    assert redis.keys("admission:*") == [b"admission:held"]


async def nobody_waits(waiting: Waiting) -> None:
    raise AssertionError(waiting)


# --- without Redis --------------------------------------------------------------------


async def test_without_redis_a_process_goes_by_what_it_holds_and_tells_it_later(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(place_module, "RENEW_S", 0.02)
    there = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    entrance = place_module.of_this_loop()
    settings.REDIS_URL = there
    heard: list[Waiting] = []

    async def hear(waiting: Waiting) -> None:
        heard.append(waiting)

    first, second = Place(Visitor("first")), Place(Visitor("second"))
    await first.enter(hear)
    entering = asyncio.create_task(second.enter(hear))
    await eventually(lambda: heard, "the second to be told")
    assert heard == [Waiting("full")]

    keeping = asyncio.create_task(first.keep())
    entrance.slots = Slots(async_redis(), node="here", process="here:1")
    await eventually(
        lambda: redis.zscore("admission:in:all", "first"), "the first to be counted"
    )
    await eventually(lambda: len(heard) == 2, "the second to be in line")
    assert heard[1] == Waiting("full", 1)

    keeping.cancel()
    await first.leave(for_good=True)
    await entering
    await second.leave(for_good=True)


async def test_who_waits_in_another_tab_from_now_on_is_not_ended_by_the_first(
    redis: Redis,
):
    page = Page()
    await page.open()
    await page.leave()
    redis.delete(*redis.keys("admission:*"))
    first, second = (Page(resume_token=page.resume_token) for _ in range(2))
    async with Page():
        await first.speak_up()
        await first.message("place")
        await second.speak_up()
        await first.until(lambda: first.close_code, "the first tab to be told")
        await first.leave()
        await second.message("place")
        session = await CameraSession.objects.aearliest("opened_at")
        assert session.ended_at is None
    welcome = await second.message("welcome")
    assert welcome["session_id"] == str(session.pk)
    await second.leave()
