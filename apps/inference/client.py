"""The only door to inference for other apps: frames in, and whether anyone is there.

It sends its task by name and never imports what runs it, so that a web process needs
neither torch nor the models.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from weakref import WeakKeyDictionary

from celery import current_app
from kombu.exceptions import OperationalError
from redis.asyncio import Redis as AsyncRedis

from apps.inference import presence
from apps.inference.connections import async_redis
from apps.inference.directory import Directory
from apps.inference.exceptions import InferenceError
from apps.inference.mailbox import Offered, WebMailbox
from apps.inference.types import Frame

logger = logging.getLogger(__name__)

DRAIN_TASK = "apps.inference.tasks.drain"
HOLDINGS_COMMAND = "holdings"


def ring(queue: str) -> None:
    """Put one doorbell in the Celery queue. Blocking: about 1 ms."""
    try:
        current_app.send_task(DRAIN_TASK, args=[queue], queue=queue, retry=False)
    except OperationalError as error:
        # The bell's flag expires within a second and the next frame rings again.
        logger.warning("The doorbell could not be rung: %s", error)


def ask_workers(patience_s: float) -> dict[str, dict[str, Any]]:
    """What each worker of any queue holds, by its name; see `worker.holdings`.

    Blocking: who is to answer isn't known, so all of the patience is waited out.

    Raises:
        InferenceError: they could not be asked.
    """
    try:
        answers = current_app.control.broadcast(
            HOLDINGS_COMMAND, reply=True, timeout=patience_s
        )
    except OperationalError as error:
        raise InferenceError(
            "The workers could not be asked: Redis doesn't answer."
        ) from error
    return {name: said for answer in answers or () for name, said in answer.items()}


class InferenceClient:
    """One a web process.

    Args:
        redis: its own connections.
        directory: knows to which queue a deployment's frames go.
    """

    def __init__(self, redis: AsyncRedis, directory: Directory) -> None:
        self._redis = redis
        self._directory = directory
        self._mailbox = WebMailbox(redis)

    async def offer(
        self, frame: Frame, *, deployment: str, reply_channel: str, age_ms: float
    ) -> Offered:
        """Offer a session's newest frame; the answer comes to `reply_channel`.

        Args:
            frame: even width and height, I420.
            deployment: the name that decides which model version answers, and whose
                workers.
            reply_channel: a channel of the channel layer; messages as in `results.py`.
            age_ms: how long ago the frame was decoded.

        Raises:
            redis.RedisError: the frame could not be offered.
        """
        queue = await self._directory.queue_of(deployment)
        offered = await self._mailbox.offer(
            frame,
            queue=queue,
            deployment=deployment,
            reply_channel=reply_channel,
            age_ms=age_ms,
        )
        if offered.ring:
            await asyncio.to_thread(ring, queue)
        return offered

    async def withdraw(self, session_id: str) -> None:
        """Forget a session, and the frame of it that may still wait."""
        await self._mailbox.withdraw(session_id)

    async def worker_alive(self, deployment: str) -> bool:
        """Is there a worker of the deployment's queue?"""
        queue = await self._directory.queue_of(deployment)
        # Shielded from the cancelling of who asks: redis-py sends in `wait_for`, which
        # up to Python 3.11 swallows a cancellation that meets its success, and a task
        # that asks again and again would never end.
        return await asyncio.shield(presence.worker_alive(self._redis, queue))

    async def close(self) -> None:
        await self._directory.close()
        await self._redis.aclose()


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, InferenceClient] = (
    WeakKeyDictionary()
)


def of_this_loop() -> InferenceClient:
    """The client of the running event loop: its sessions share their connections."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = InferenceClient(async_redis(), Directory())
    return _clients[loop]
