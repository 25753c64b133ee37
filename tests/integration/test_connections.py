"""What a crowd that asks Redis in the same moment gets, and what it leaves."""

from __future__ import annotations

import asyncio

from redis import Redis

from apps.inference.connections import MOST_CONNECTIONS, async_redis

CROWD = 300


async def test_a_crowd_waits_for_its_turn_and_shares_a_few_connections(redis: Redis):
    others = len(redis.client_list())
    async with async_redis() as client:
        heard = await asyncio.gather(*(client.ping() for _ in range(CROWD)))

        assert heard == [True] * CROWD
        assert len(redis.client_list()) - others <= MOST_CONNECTIONS
