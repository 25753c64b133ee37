"""How this project talks to Redis: short patience and no hidden retries.

On the way of a frame an error is cheaper than a wait: the next frame is there already.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

_OPTIONS: dict[str, Any] = {
    "socket_timeout": 1.0,
    "socket_connect_timeout": 1.0,
    "socket_keepalive": True,
    "health_check_interval": 0,
}


def sync_redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **_OPTIONS)


def async_redis() -> AsyncRedis:
    return AsyncRedis.from_url(
        settings.REDIS_URL, retry=AsyncRetry(NoBackoff(), 0), **_OPTIONS
    )
