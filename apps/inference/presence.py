"""Is there a worker? Each one says so every second, in a key that expires.

The beat comes from a thread of its own, since a solo worker's main thread is in the
middle of a model most of the time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

BEAT_INTERVAL_S = 1.0
PRESENCE_LIFETIME_MS = 3000


def _key(queue: str) -> str:
    return f"worker:alive:{queue}"


class Heartbeat:
    """Keeps the queue's presence key alive until `stop`."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self._redis = redis
        self._queue = queue
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
                self._redis.set(_key(self._queue), 1, px=PRESENCE_LIFETIME_MS)
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


async def worker_alive(redis: AsyncRedis, queue: str) -> bool:
    return bool(await redis.exists(_key(queue)))


def queues_alive(redis: Redis, queues: Sequence[str]) -> set[str]:
    """Those of the queues that have a worker."""
    found = redis.mget([_key(queue) for queue in queues]) if queues else []
    return {queue for queue, alive in zip(queues, found, strict=True) if alive}
