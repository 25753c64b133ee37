"""Housekeeping of sessions, on the queue of that name."""

from __future__ import annotations

import logging

from celery import shared_task

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
