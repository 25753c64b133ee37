"""Writing sessions and runs off the event loop, in the order things happened.

One thread a process does all of it: a slow disk delays the records and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="records")


def write(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have `function` run after all that was given before; its errors are logged."""

    def run() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    future = _executor.submit(run)
    future.add_done_callback(_log_error)
    return future


async def written(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same, and wait for what it returns or raises."""
    return await asyncio.wrap_future(write(function, *args, **kwargs))


def _log_error(future: Future[T]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.error("A record was not written: %s", error, exc_info=error)
