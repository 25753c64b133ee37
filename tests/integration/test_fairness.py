"""One worker and many sessions: each gets its share, whatever the others send."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import EncodedClip, encode
from bench.product import Product
from bench.records import deploy
from bench.sender import Sender

SESSIONS = 8
RESULTS = 25


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(render_clip([Segment(HOT_DOG, 1.0)], size=(160, 120)))


@pytest.fixture(scope="module")
def heavy_clip() -> EncodedClip:
    """1080p at 60 frames a second, in which the hot dog leaps from each to the next."""
    frames = render_clip([Segment(HOT_DOG, 3.0)], size=(1920, 1080), every=10)
    return replace(encode(frames), frames_per_second=60)


@pytest.fixture
def url(product: Product, scripted_model: Callable[..., Path]) -> str:
    product.inside(deploy, scripted_model(sleep_ms=40), "scripted")
    product.start_all("web", "worker")
    return product.url


async def test_equal_sessions_get_equally_many_results(url: str, clip: EncodedClip):
    counts = await _results_of_each(url, [clip] * SESSIONS)
    assert max(counts) <= 1.2 * min(counts)


async def test_a_heavy_session_takes_nothing_from_the_others(
    url: str, clip: EncodedClip, heavy_clip: EncodedClip
):
    *light, heavy = await _results_of_each(url, [clip] * (SESSIONS - 1) + [heavy_clip])
    # Its decoding may take the cores from all of them alike, but gets it no more turns.
    assert max(light) <= 1.2 * min(light)
    assert heavy <= 1.2 * max(light)


async def _results_of_each(url: str, clips: list[EncodedClip]) -> list[int]:
    """How many results each session gets until one of them has had its `RESULTS`."""
    async with AsyncExitStack() as stack:
        senders = [await stack.enter_async_context(Sender(url, each)) for each in clips]
        for sender in senders:
            await sender.results(1)
        begun = [len(sender.received) for sender in senders]
        await senders[0].results(RESULTS)
        return [
            len(sender.received) - before
            for sender, before in zip(senders, begun, strict=True)
        ]
