"""Which workers does a queue have? Each one says so every second, in keys that expire.
One that holds models says how busy they keep it, too.

The beat comes from a thread of its own, since a solo worker's main thread is in the
middle of a model most of the time. How long a worker has been silent is told by Redis's
clock alone: no two machines need to agree on the time.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

BEAT_INTERVAL_S = 1.0
PRESENCE_LIFETIME_MS = 3000
# How busy a worker is, is told of so many of its last beats.
_BUSY_BEATS = 10
# Who has been silent for longer isn't remembered.
_REMEMBERED_MS = 60_000
_NOBODY_HEARD_MS = 2000
# A container that starts again keeps its name and its numbers of processes.
THIS_WORKER = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(4)}"

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
"""

# KEYS alive, beats, beats of all queues. ARGV the worker, lifetime of the first key, of
# a worker's beat, and the silence after which nobody could be heard if nobody was.
# Whoever was silent together has time to be heard again: Redis may have been away.
_BEAT = (
    _NOW
    + """
redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
local newest = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2]
if newest and now - newest > tonumber(ARGV[4]) then
  for _, worker in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    redis.call('ZADD', KEYS[3], now - ARGV[4], worker)
  end
end
for i = 2, 3 do
  redis.call('ZADD', KEYS[i], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now - ARGV[3])
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
end
"""
)

# KEYS beats. Returns names and for how many ms each has been silent, in turn.
_SILENCES = (
    _NOW
    + """
local beats = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 2, #beats, 2 do
  beats[i] = string.format('%.0f', now - beats[i])
end
return beats
"""
)


def _key(queue: str) -> str:
    return f"worker:alive:{queue}"


def _beats(queue: str) -> str:
    return f"worker:beats:{queue}"


# Of the workers of all queues.
_ALL_BEATS = "worker:beats"


def _busy(worker: str) -> str:
    return f"worker:busy:{worker}"


def shown(worker: str) -> str:
    """A worker's name as people read it: machine and process."""
    return worker.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Worker:
    """By its name as people read it, and the share of the last seconds in which a model
    of its was at work; None where it has none.
    """

    name: str
    busy: float | None


class Heartbeat:
    """Keeps the presence keys of a worker's queues alive until `stop`.

    `busy_s` gives for how many seconds in all its models have been at work.
    """

    def __init__(
        self,
        redis: Redis,
        queues: Sequence[str],
        worker: str = THIS_WORKER,
        busy_s: Callable[[], float] | None = None,
    ) -> None:
        self._redis = redis
        self._queues = tuple(queues)
        self._worker = worker
        self._busy_s = busy_s
        # The time, and how long it had been busy by then.
        self._seen: deque[tuple[float, float]] = deque(maxlen=_BUSY_BEATS + 1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_beating, name="worker-heartbeat", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """From then on nobody counts on this worker, as they would on who is silent."""
        self._stopping.set()
        self._thread.join()
        try:
            for queue in self._queues:
                self._redis.zrem(_beats(queue), self._worker)
        except RedisError as error:
            logger.warning("That this worker has gone can't be said: %s", error)

    def _keep_beating(self) -> None:
        is_taken = True
        while True:
            was_taken = is_taken
            try:
                self._beat()
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

    def _beat(self) -> None:
        for queue in self._queues:
            beat(self._redis, queue, self._worker)
        if self._busy_s is not None:
            self._seen.append((time.monotonic(), self._busy_s()))
            (first, before), (last, after) = self._seen[0], self._seen[-1]
            share = (after - before) / (last - first) if last > first else 0.0
            tell_busy(self._redis, self._worker, share)


def beat(redis: Redis, queue: str, worker: str) -> None:
    redis.eval(
        _BEAT,
        3,
        _key(queue),
        _beats(queue),
        _ALL_BEATS,
        worker,
        str(PRESENCE_LIFETIME_MS),
        str(_REMEMBERED_MS),
        str(_NOBODY_HEARD_MS),
    )


def silences(redis: Redis, queue: str | None = None) -> dict[str, int]:
    """For how many ms each worker that is remembered has said nothing.

    Those of one queue, or of all.
    """
    beats = _ALL_BEATS if queue is None else _beats(queue)
    told = cast("list[bytes]", redis.eval(_SILENCES, 1, beats))
    names, spans = told[::2], told[1::2]
    return {name.decode(): int(span) for name, span in zip(names, spans, strict=True)}


def tell_busy(redis: Redis, worker: str, share: float) -> None:
    """A model that takes longer than the beats that are told of fills them all."""
    share = min(share, 1.0)
    redis.set(_busy(worker), f"{share:.3f}", px=PRESENCE_LIFETIME_MS)


def workers(redis: Redis, queues: Sequence[str]) -> dict[str, list[Worker]]:
    """Those of each queue that are alive."""
    alive = {
        queue: sorted(
            worker
            for worker, silence in silences(redis, queue).items()
            if silence < PRESENCE_LIFETIME_MS
        )
        for queue in queues
    }
    names = sorted({worker for each in alive.values() for worker in each})
    told = cast("list[bytes | None]", redis.mget(map(_busy, names)) if names else [])
    found = {
        name: Worker(shown(name), None if share is None else float(share))
        for name, share in zip(names, told, strict=True)
    }
    return {queue: [found[worker] for worker in each] for queue, each in alive.items()}


async def worker_alive(redis: AsyncRedis, queue: str) -> bool:
    return bool(await redis.exists(_key(queue)))
