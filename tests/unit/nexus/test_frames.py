from __future__ import annotations

import asyncio

from apps.nexus.frames import LatestFrame
from tests.waiting import ticks


async def test_the_newest_replaces_what_nobody_took():
    slot: LatestFrame[str] = LatestFrame()

    assert slot.put("first") is None
    assert slot.put("second") == "first"
    assert slot.put("third") == "second"

    assert await slot.take() == "third"
    # What was taken is replaced by nobody.
    assert slot.put("fourth") is None


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
    assert slot.put("second") == "first"

    assert await taker == "second"


async def test_a_taker_that_gave_up_takes_nothing_with_it():
    slot: LatestFrame[str] = LatestFrame()
    taker = asyncio.create_task(slot.take())
    await ticks()
    taker.cancel()
    await asyncio.wait([taker])

    slot.put("first")
    assert await slot.take() == "first"
