"""Is there a worker of a queue? Each one says so every second, in keys that expire.

The beat comes from a thread of its own, since a solo worker's main thread is in the
middle of a model most of the time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

BEAT_INTERVAL_S = 1.0
PRESENCE_LIFETIME_MS = 3000


def _key(queue: str) -> str:
    return f"worker:alive:{queue}"


class Heartbeat:
    """Keeps the presence keys of a worker's queues alive until `stop`."""

    def __init__(self, redis: Redis, queues: Sequence[str]) -> None:
        self._redis = redis
        self._queues = tuple(queues)
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._beat, name="worker-heartbeat", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _beat(self) -> None:
        is_taken = True
        while True:
            was_taken = is_taken
            try:
                for queue in self._queues:
                    self._redis.set(_key(queue), 1, px=PRESENCE_LIFETIME_MS)
                is_taken = True
                if not was_taken:
                    logger.warning("Redis takes the worker's heartbeat again.")
            except RedisError as error:
                is_taken = False
                if was_taken:
                    logger.warning(
                        "Redis doesn't take the worker's heartbeat: %s", error
                    )
            if self._stopping.wait(BEAT_INTERVAL_S):
                return


def alive_queues(redis: Redis, queues: Sequence[str]) -> set[str]:
    """Those of the queues that have a worker."""
    keys = [_key(queue) for queue in queues]
    found = cast("list[bytes | None]", redis.mget(keys) if keys else [])
    return {queue for queue, beat in zip(queues, found, strict=True) if beat}


async def worker_alive(redis: AsyncRedis, queue: str) -> bool:
    return bool(await redis.exists(_key(queue)))
