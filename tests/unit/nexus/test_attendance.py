"""A page that goes while it is let in, which takes as long as the database does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps.nexus import records
from apps.nexus.attendance import Attendance
from apps.nexus.chores import Chores
from apps.sessions import services
from apps.sessions.models import CameraSession
from tests.unit.nexus.conftest import records_written
from tests.waiting import ticks

pytestmark = pytest.mark.usefixtures("transactional_db", "deployment")

PAGE_CLOSED = "The page was closed."


@pytest.fixture
def may_go_on() -> Iterator[threading.Event]:
    """What the thread of the records waits for; it is never left waiting."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def attendance() -> Attendance:
    async def say_nothing(*_: Any, **__: Any) -> None:
        """There is nobody to talk to any more."""

    return Attendance(
        scope={"headers": [], "url_route": {"kwargs": {}}},
        channel="a.channel",
        send=say_nothing,
        close=say_nothing,
        chores=Chores(),
    )


async def cut_off(beginning: asyncio.Task[Any]) -> None:
    """Do what the end of a socket does with what is still going on."""
    beginning.cancel()
    await asyncio.wait([beginning])


@pytest.mark.parametrize("is_left", [True, False])
async def test_a_page_that_goes_while_its_session_is_written_lets_go_of_it(
    attendance: Attendance,
    may_go_on: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    is_left: bool,
):
    is_writing, open_session = threading.Event(), services.open_session

    def late(**fields: Any) -> CameraSession:
        is_writing.set()
        may_go_on.wait()
        return open_session(**fields)

    monkeypatch.setattr(services, "open_session", late)
    beginning = asyncio.create_task(attendance.begin(""))
    await asyncio.to_thread(is_writing.wait)
    await cut_off(beginning)

    ending = asyncio.create_task(attendance.end(PAGE_CLOSED, is_left=is_left))
    await ticks()
    may_go_on.set()
    await ending

    await records_written()
    session = await CameraSession.objects.aget()
    assert (session.holder, session.status) == ("", "reconnecting")
    assert session.sentence == PAGE_CLOSED


async def test_a_page_that_goes_before_its_turn_is_not_written_down(
    attendance: Attendance, may_go_on: threading.Event
):
    records.write(may_go_on.wait)
    beginning = asyncio.create_task(attendance.begin(""))
    await ticks()
    await cut_off(beginning)

    ending = asyncio.create_task(attendance.end(PAGE_CLOSED, is_left=True))
    await ticks()
    may_go_on.set()
    await ending

    await records_written()
    assert not await CameraSession.objects.aexists()
