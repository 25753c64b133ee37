"""`Chores`: what is done beside a socket's messages, and ends with its visit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)


class Chores:
    """Tasks that nobody waits for until the end; an error of theirs is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    async def cancel(self) -> None:
        """End what is going on, and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await self.wait()

    async def wait(self) -> None:
        """Wait until all that has been started so far is done; cancels nothing."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A task of the session failed", exc_info=error)


async def whatever_happens(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` to its end, even if the task that does it is cancelled meanwhile."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()
