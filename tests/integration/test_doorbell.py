"""Doorbells, and a real worker that was started with `-Q gpu` and nothing else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from channels.layers import get_channel_layer
from redis import Redis

from apps.inference import client as inference_client
from apps.inference.connections import async_redis
from apps.inference.directory import Directory
from apps.inference.queues import DEFAULT_QUEUE
from apps.inference.types import Frame
from bench.product import Product
from bench.records import deploy
from tests.waiting import eventually

ScriptedModel = Callable[..., Path]
PIXELS = b"\x80" * (64 * 48 * 3 // 2)


class Crowd:
    """Sessions of a web process: they offer frames, ring, and collect answers."""

    def __init__(self, client: inference_client.InferenceClient, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._seqs = itertools.count()
        # The newest frame that each session has offered.
        self.newest: dict[str, int] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.listening = asyncio.create_task(self._listen())

    async def offer(self, session: str) -> None:
        seq = next(self._seqs)
        await self._client.offer(
            Frame(session, seq, 64, 48, PIXELS),
            deployment="default",
            reply_channel=self._channel,
            age_ms=0.0,
        )
        self.newest[session] = seq

    def everyone_is_answered(self) -> bool:
        return self.answers.keys() >= set(self.newest.values())

    async def _listen(self) -> None:
        layer = get_channel_layer()
        while True:
            message = await layer.receive(self._channel)
            self.answers[message["seq"]] = message


async def _usual() -> dict[str, str]:
    """For this process has no database of the product's."""
    return {"default": DEFAULT_QUEUE}


@pytest.fixture
async def crowd(product: Product) -> AsyncIterator[Crowd]:
    client = inference_client.InferenceClient(async_redis(), Directory(_usual))
    layer = get_channel_layer()
    crowd = Crowd(client, await layer.new_channel())
    yield crowd
    crowd.listening.cancel()
    await asyncio.wait([crowd.listening])
    await client.close()
    await layer.flush()


async def test_one_doorbell_at_a_time_calls_the_worker_for_a_whole_crowd(
    product: Product, scripted_model: ScriptedModel, crowd: Crowd, redis: Redis
):
    product.inside(deploy, scripted_model(sleep_ms=5), "scripted")
    worker = await asyncio.to_thread(product.start, "worker")
    doorbells = []
    for _, number in itertools.product(range(10), range(12)):
        await crowd.offer(f"session-{number}")
        doorbells.append(redis.llen(DEFAULT_QUEUE))

    await eventually(crowd.everyone_is_answered, "every session's newest frame")

    assert max(doorbells) == 1
    assert all(
        answer["type"] == "inference.result" and answer["detections"]
        for answer in crowd.answers.values()
    )

    # A worker that is told to end does so, though the crowd goes on.
    ending = asyncio.create_task(asyncio.to_thread(worker.terminate))
    while not ending.done():
        await crowd.offer("session-0")
        assert redis.llen(DEFAULT_QUEUE) <= 1
        await asyncio.sleep(0.01)
    assert await ending == 0

    # What it has left is the next one's.
    await asyncio.to_thread(product.start, "worker")
    await crowd.offer("session-0")
    await eventually(crowd.everyone_is_answered, "the next worker to answer")


async def test_a_worker_killed_in_mid_batch_costs_a_token_and_no_more(
    product: Product, scripted_model: ScriptedModel, crowd: Crowd, redis: Redis
):
    product.inside(deploy, scripted_model(sleep_ms=60_000), "scripted")
    worker = await asyncio.to_thread(product.start, "worker")
    await crowd.offer("a")
    token = "mailbox:inflight:a"
    await eventually(lambda: redis.exists(token), "the worker to take the frame")
    worker.kill()
    assert 0 < redis.pttl(token) <= 2000

    await asyncio.to_thread(product.inside, deploy, scripted_model(), "scripted")
    await asyncio.to_thread(product.start, "worker")
    while not crowd.answers:
        await crowd.offer("a")
        await asyncio.sleep(0.01)

    # What died with the worker stays unanswered.
    assert 0 not in crowd.answers


async def test_a_worker_needs_no_option_but_its_queue(
    product: Product, scripted_model: ScriptedModel
):
    product.inside(deploy, scripted_model(), "scripted")
    await asyncio.to_thread(product.start, "worker")

    inspect = current_app.control.inspect(timeout=10, limit=1)
    ((stats,), (queues,)) = await asyncio.to_thread(
        lambda: (inspect.stats().values(), inspect.active_queues().values())
    )

    assert "solo" in stats["pool"]["implementation"]
    assert stats["prefetch_count"] == 1
    assert [queue["name"] for queue in queues] == ["gpu"]
