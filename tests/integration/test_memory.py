"""Frames that nobody has time for are dropped, not kept: memory stays flat."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from redis import Redis

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import encode
from bench.processes import Process
from bench.product import Product
from bench.records import deploy
from bench.sender import sending
from tests.waiting import eventually

FRAMES = 2000
# Were they kept, they would take more than 200 MB.
MOST_GROWTH_KB = 20_000


def resident_kb(process: Process) -> int:
    ps = ["ps", "-o", "rss=", "-p", str(process.pid)]
    return int(subprocess.run(ps, capture_output=True, text=True, check=True).stdout)


async def test_memory_stays_flat_behind_a_slow_worker(
    product: Product, scripted_model: Callable[..., Path], redis: Redis
):
    clip = encode(render_clip([Segment(HOT_DOG, 1.0)], size=(320, 240)), "vp8")
    clip = replace(clip, frames_per_second=60)
    product.inside(deploy, scripted_model(sleep_ms=500), "scripted")
    names = "web", "worker"
    await asyncio.to_thread(product.start_all, *names)
    async with sending(product.url, clip, sessions=4) as senders:

        async def have_sent(frames: int) -> None:
            await eventually(
                lambda: sum(sender.frames_sent for sender in senders) >= frames,
                f"{frames} frames",
            )

        # After the first results and some seconds every buffer is there.
        for sender in senders:
            await sender.results(1)
        await have_sent(FRAMES // 4)
        before = [resident_kb(product.processes[name]) for name in names]

        await have_sent(FRAMES // 4 + FRAMES)

        after = [resident_kb(product.processes[name]) for name in names]
        # One frame a session at most lies in Redis, and one doorbell for all.
        slots = list(redis.scan_iter("mailbox:frame:*"))
        assert len(slots) <= len(senders)
        assert int(redis.info("memory")["used_memory"]) < 20_000_000
    growth = [now - then for now, then in zip(after, before, strict=True)]
    assert max(growth) < MOST_GROWTH_KB, growth
