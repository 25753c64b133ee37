"""`make soak` in small: what four sessions leave behind, and who gets how much."""

from __future__ import annotations

import asyncio

from bench.clip import EncodedClip
from bench.product import Product
from bench.sender import sending
from bench.soak import PARTS, soak
from bench.traces import left_over, traces

EQUALS = 8
ROUNDS = 30


async def test_four_sessions_leave_nothing(city: Product, clip: EncodedClip) -> None:
    before = await asyncio.to_thread(traces, city)

    soaking = await soak(city, clip, seconds=4)

    assert soaking.results > 0
    assert soaking.age_first_third.p50 is not None
    assert soaking.age_last_third.p50 is not None
    assert set(soaking.memory) == set(PARTS) & set(city.processes)
    assert all(each.first_mb > 1 for each in soaking.memory.values())
    assert await asyncio.to_thread(left_over, city, before) == {}


async def test_equal_sessions_get_equally_many_results(
    city: Product, clip: EncodedClip
) -> None:
    """The worker answers one frame at a time, and far fewer than there are."""
    async with sending(city.url, clip, EQUALS) as senders:
        for sender in senders:
            await sender.results(1)
        had = [len(sender.received) for sender in senders]
        await senders[0].results(ROUNDS)
        got = [
            len(sender.received) - before
            for sender, before in zip(senders, had, strict=True)
        ]
    assert max(got) <= 1.2 * min(got), got
