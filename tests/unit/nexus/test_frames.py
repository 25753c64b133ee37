from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from apps.nexus import frames
from apps.nexus.frames import CLUMP, LatestFrame, Turns
from tests.waiting import ticks


async def test_the_newest_replaces_what_nobody_took():
    slot: LatestFrame[str] = LatestFrame()

    assert slot.put("first") == []
    assert slot.put("second") == ["first"]
    assert slot.put("third") == ["second"]

    assert await slot.take() == "third"
    # What was taken is replaced by nobody.
    assert slot.put("fourth") == []


async def test_a_taker_waits_for_the_next():
    slot: LatestFrame[str] = LatestFrame()
    slot.put("first")
    await slot.take()

    taker = asyncio.create_task(slot.take())
    await ticks()
    assert not taker.done()

    slot.put("second")
    assert await taker == "second"


async def test_the_newest_counts_even_if_the_taker_was_already_woken():
    slot: LatestFrame[str] = LatestFrame()
    taker = asyncio.create_task(slot.take())
    await ticks()

    slot.put("first")
    assert slot.put("second") == ["first"]

    assert await taker == "second"


async def test_a_taker_that_gave_up_takes_nothing_with_it():
    slot: LatestFrame[str] = LatestFrame()
    taker = asyncio.create_task(slot.take())
    await ticks()
    taker.cancel()
    await asyncio.wait([taker])

    slot.put("first")
    assert await slot.take() == "first"


async def test_where_there_is_room_all_are_taken_in_their_turn():
    slot: LatestFrame[int] = LatestFrame()
    assert [slot.put(number, room=3) for number in range(4)] == [[], [], [], [0]]
    assert [await slot.take() for _ in range(2)] == [1, 2]
    slot.put(4, room=3)
    # Room that is gone is emptied from its oldest end.
    assert slot.put(5) == [3, 4]
    assert await slot.take() == 5


def limit(monkeypatch: pytest.MonkeyPatch, quick_s: float) -> Turns:
    monkeypatch.setattr(frames, "QUICK_ANSWER_S", quick_s)
    return Turns()


async def test_only_a_quick_answer_makes_room_for_more(monkeypatch: pytest.MonkeyPatch):
    pace = limit(monkeypatch, 60)
    assert pace.room == 1
    pace.offer(1)
    pace.answer(0)
    assert pace.room == 1
    pace.answer(1)
    assert pace.room == CLUMP
    monkeypatch.setattr(frames, "QUICK_ANSWER_S", 0)
    pace.offer(2)
    pace.answer(2)
    assert pace.room == 1


async def test_the_next_turn_comes_with_the_answer(monkeypatch: pytest.MonkeyPatch):
    pace = limit(monkeypatch, 60)
    # Nothing is waited for before somebody was quick.
    pace.offer(0)
    await pace.turn()
    pace.answer(0)
    pace.offer(1)
    turn = asyncio.create_task(pace.turn())
    await ticks()
    assert not turn.done()
    pace.answer(1)
    await turn
    assert pace.room == CLUMP


def test_one_slow_answer_among_quick_ones_takes_no_room_away(
    monkeypatch: pytest.MonkeyPatch,
):
    now = [0.0]
    monkeypatch.setattr(frames, "time", SimpleNamespace(monotonic=lambda: now[0]))
    pace = Turns()
    rooms = []
    for seq, took_s in enumerate([0.001, 0.001, 0.5, 0.5, 0.5]):
        pace.offer(seq)
        now[0] += took_s
        pace.answer(seq)
        rooms.append(pace.room)
    assert rooms == [CLUMP, CLUMP, CLUMP, 1, 1]


async def test_an_answer_that_does_not_come_ends_the_turn_and_counts_once_as_slow(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(frames, "TURN_PATIENCE_S", 0)
    pace = limit(monkeypatch, 60)
    pace.offer(0)
    pace.answer(0)
    pace.offer(1)
    await pace.turn()
    assert pace.room == 1
    pace.answer(1)
    assert pace.room == 1


async def test_who_was_quick_and_is_no_more_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
):
    pace = limit(monkeypatch, 60)
    pace.offer(0)
    pace.answer(0)
    pace.offer(1)
    monkeypatch.setattr(frames, "QUICK_ANSWER_S", 0)
    await pace.turn()
    assert pace.room == 1
