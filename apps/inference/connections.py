"""How this project talks to Redis: short patience and no hidden retries.

On the way of a frame an error is cheaper than a wait: the next frame is there already.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from redis import Redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_S = 1.0
# One event loop has no more commands under way that are worth waiting for.
MOST_CONNECTIONS = 8

_OPTIONS: dict[str, Any] = {
    "socket_timeout": PATIENCE_S,
    "socket_connect_timeout": PATIENCE_S,
    "socket_keepalive": True,
    "health_check_interval": 0,
}


def sync_redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **_OPTIONS)


def async_redis() -> AsyncRedis:
    """A client for a whole process; who finds all its connections in use waits.

    A pool that doesn't wait would take a hundred visitors who ask in the same moment
    for a Redis that is gone, and keep a connection for each.
    """
    pool = BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=MOST_CONNECTIONS,
        timeout=PATIENCE_S,
        retry=AsyncRetry(NoBackoff(), 0),
        **_OPTIONS,
    )
    return AsyncRedis.from_pool(pool)
