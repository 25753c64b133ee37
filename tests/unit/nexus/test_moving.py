"""The end of a process: everybody is told, not all go at once, none is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from apps.nexus.moving import Moving
from tests.waiting import ticks


class Guest:
    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[int] = []
        self._error = error

    async def move(self, within_ms: int) -> None:
        self.told.append(within_ms)
        if self._error is not None:
            raise self._error


async def test_who_has_no_guests_waits_for_nobody():
    moving = Moving()
    assert await moving.begin(60) == 0
    assert moving.has_begun


async def test_guests_are_told_once_and_waited_for():
    moving, guests = Moving(), [Guest(), Guest()]
    for guest in guests:
        moving.enter(guest)
    moving.leave(Guest())
    beginning = asyncio.create_task(moving.begin(60))
    await ticks()
    moving.leave(guests[0])
    await ticks()
    assert not beginning.done()
    moving.leave(guests[1])
    assert await beginning == 0
    assert [len(guest.told) for guest in guests] == [1, 1]


@pytest.mark.parametrize(
    ("count", "patience_s", "within_ms"), [(1, 60, 50), (100, 60, 5000), (100, 4, 2000)]
)
async def test_the_more_they_are_the_longer_they_take(
    count: int, patience_s: float, within_ms: int
):
    moving, guests = Moving(), [Guest() for _ in range(count)]
    for guest in guests:
        moving.enter(guest)
    beginning = asyncio.create_task(moving.begin(patience_s))
    await ticks()
    for guest in guests:
        moving.leave(guest)
    await beginning
    assert {told for guest in guests for told in guest.told} == {within_ms}


async def test_who_does_not_leave_is_counted_when_patience_ends():
    moving = Moving()
    moving.enter(Guest())
    moving.enter(Guest(OSError("Its socket is gone.")))
    assert await moving.begin(0.02) == 2
