"""Which versions somebody is at, so that none is added or verified for ever.

A process that is killed says nothing more. What one does to a version it says in the
version's row again and again; housekeeping fails what it says no more. Knows only rows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, connection
from django.utils import timezone

from apps.inference.models import ModelVersion

logger = logging.getLogger(__name__)

SAID_EVERY_S = 20.0
# Long, for a library that compiles may keep every other thread waiting.
LOST_AFTER = timedelta(minutes=5)
State = ModelVersion.State


@contextmanager
def said(version_id: int) -> Iterator[None]:
    """Say that somebody is at a version, from the entry of the `with` to its exit."""
    say(version_id)
    stopping = threading.Event()
    thread = threading.Thread(
        target=_keep_saying, args=(version_id, stopping), name="under-way", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def say(version_id: int) -> None:
    ModelVersion.objects.filter(pk=version_id).update(last_seen_at=timezone.now())


def _keep_saying(version_id: int, stopping: threading.Event) -> None:
    while not stopping.wait(SAID_EVERY_S):
        try:
            say(version_id)
        except DatabaseError as error:
            logger.warning("That a version is under way can't be said: %s", error)
    connection.close()


def fail_abandoned() -> int:
    """Fail what nobody is at any more; returns how many there were.

    What nobody has begun with waits its turn for as long as others have theirs: its
    message is lost, or has no reader, where nobody was at any version meanwhile.
    """
    since = timezone.now() - LOST_AFTER
    silent = ModelVersion.objects.filter(
        state__in=ModelVersion.UNDER_WAY, last_seen_at__lt=since
    )
    waiting = silent.filter(state=State.ADDING, step="")
    lost = silent.exclude(pk__in=waiting.values("pk")).update(
        state=State.FAILED,
        reason="The process that was at it has gone without a word: killed, perhaps, or"
        " the machine went down.",
    )
    begun = ModelVersion.objects.exclude(state=State.ADDING, step="")
    if begun.filter(last_seen_at__gte=since).exists():
        return lost
    return lost + waiting.update(
        state=State.FAILED,
        reason="No worker has begun with it: does one run for the queue jobs?",
    )
