"""`Repeated`: what a worker does again and again beside the frames."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class Repeated:
    """A thread of its own, from `start` until `stopping` is set and `join` returns.

    Args:
        name: the thread's.
        act: what is done, however it went the last time.
        interval_s: for how long to wait before it is done once more.
        stopping: set when it is to end.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], object],
        interval_s: Callable[[], float],
        stopping: threading.Event,
    ) -> None:
        self._act = act
        self._interval_s = interval_s
        self._stopping = stopping
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _repeat(self) -> None:
        is_stopping = self._stopping.is_set()
        while not is_stopping:
            close_old_connections()
            if_possible(self._act)
            is_stopping = self._stopping.wait(self._interval_s())
        connection.close()


def if_possible(act: Callable[[], object]) -> None:
    """What fails is in the log, and can be tried again."""
    try:
        act()
    except DatabaseError as error:
        logger.warning("What is asked for could not be read: %s", error)
    except RedisError as error:
        logger.warning("The other workers could not be asked after: %s", error)
    except Exception:
        # Who follows no more would answer with this version for ever.
        logger.exception("What is asked for could not be followed")
