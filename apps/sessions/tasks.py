"""Housekeeping of sessions and kept pictures, on the queue of that name."""

from __future__ import annotations

import logging

from celery import shared_task

from apps.inference.datasets import tidying
from apps.sessions import retention, services

logger = logging.getLogger(__name__)


@shared_task
def close_abandoned_sessions() -> None:
    closed = services.close_abandoned_sessions()
    if closed:
        logger.warning("Closed %d sessions whose web process is gone", closed)


@shared_task
def expire_captures() -> None:
    removed = retention.expire()
    if removed:
        logger.info("Removed %d pictures whose time was over", removed)


@shared_task
def remove_leftovers() -> None:
    removed = retention.remove_leftovers() + tidying.remove_leftovers()
    if removed:
        logger.warning("Removed %d pictures that no row named", removed)
