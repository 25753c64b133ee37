"""Housekeeping of sessions and kept pictures, on the queue of that name."""

from __future__ import annotations

import logging

from celery import shared_task

from apps.inference.datasets import tidying
from apps.inference.words import counted
from apps.sessions import retention, services

logger = logging.getLogger(__name__)


@shared_task
def close_abandoned_sessions() -> None:
    left, lost = services.close_abandoned_sessions()
    if left:
        sessions = counted(left, "session")
        logger.info("Closed %s that nobody has come back to", sessions)
    if lost:
        sessions = counted(lost, "session")
        logger.warning(
            "Closed %s whose web process went away, and that nobody has come back to",
            sessions,
        )


@shared_task
def expire_captures() -> None:
    removed = retention.expire()
    if removed:
        logger.info("Removed %s whose time was over", counted(removed, "picture"))


@shared_task
def remove_leftovers() -> None:
    removed = retention.remove_leftovers() + tidying.remove_leftovers()
    if removed:
        logger.warning("Removed %s that no row named", counted(removed, "picture"))
