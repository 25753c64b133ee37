"""The door to inference, for those who are in a hurry to leave."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from redis.asyncio import Redis as AsyncRedis

from apps.inference.client import InferenceClient
from apps.inference.directory import Directory
from tests.waiting import ticks


class StubbornRedis:
    """Answers although it was cancelled, as redis-py may up to Python 3.11."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()

    async def exists(self, key: str) -> int:
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            return 1
        return 1


@pytest.fixture
async def directory() -> Directory:
    """One that has been read."""

    async def read() -> dict[str, str]:
        return {"default": "gpu"}

    directory = Directory(read)
    await directory.queue_of("default")
    return directory


async def test_who_asks_for_a_worker_can_be_cancelled(directory: Directory):
    redis = StubbornRedis()
    client = InferenceClient(cast(AsyncRedis, redis), directory)
    asking = asyncio.create_task(client.worker_alive("default"))
    await ticks()

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    redis.answer.set()
    await ticks()


async def test_a_worker_is_there_when_its_key_is(directory: Directory):
    redis = StubbornRedis()
    redis.answer.set()
    client = InferenceClient(cast(AsyncRedis, redis), directory)
    assert await client.worker_alive("default") is True
