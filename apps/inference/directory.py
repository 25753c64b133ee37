"""`Directory`: which queue answers for each deployment, as it was a second ago.

A web process asks for every frame, so nobody waits for the database: it is read beside
the frames, once a second while any come, and what was read last holds until then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from apps.inference.models import Deployment
from apps.inference.queues import DEFAULT_QUEUE

logger = logging.getLogger(__name__)

READ_INTERVAL_S = 1.0


async def _deployed() -> dict[str, str]:
    queues: dict[str, str] = await database_sync_to_async(_rows)()
    return queues


def _rows() -> dict[str, str]:
    return dict(Deployment.objects.values_list("name", "queue"))


class Directory:
    """One an event loop.

    Args:
        read: the queues by the names of their deployments.
    """

    def __init__(
        self, read: Callable[[], Awaitable[dict[str, str]]] = _deployed
    ) -> None:
        self._read = read
        self._queues: dict[str, str] = {}
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def queue_of(self, deployment: str) -> str:
        """The queue whose workers answer; where nobody knows, the usual one."""
        if self._reading is None and self._is_old():
            self._reading = asyncio.create_task(self._read_anew())
        if self._reading is not None and deployment not in self._queues:
            await asyncio.wait([self._reading])
        return self._queues.get(deployment, DEFAULT_QUEUE)

    async def close(self) -> None:
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _is_old(self) -> bool:
        return self._read_at is None or self._now() - self._read_at >= READ_INTERVAL_S

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _read_anew(self) -> None:
        try:
            self._queues = await self._read()
        except DatabaseError as error:
            logger.warning("The deployments' queues could not be read: %s", error)
        finally:
            self._read_at = self._now()
            self._reading = None
