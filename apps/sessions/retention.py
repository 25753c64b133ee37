"""Removing kept pictures: those whose time is over, and all of a session."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.inference import datasets
from apps.inference.models import Deployment
from apps.sessions.access import Act, Who, log
from apps.sessions.captures import UNUSED
from apps.sessions.models import CameraSession, Capture

# As many rows as are held in memory at once.
AT_ONCE = 500


def expire() -> int:
    """Remove the captures that nobody has used in time; returns how many there were."""
    return sum(map(_expire_of, Deployment.objects.all()))


def _expire_of(deployment: Deployment) -> int:
    before = timezone.now() - timedelta(days=deployment.retention_days)
    overdue = Capture.objects.filter(
        session__deployment=deployment, state__in=UNUSED, taken_at__lt=before
    )
    removed = 0
    while batch := list(overdue[:AT_ONCE]):
        with transaction.atomic():
            log(batch, Act.EXPIRED, None)
            overdue.filter(pk__in=[capture.pk for capture in batch]).delete()
        removed += len(batch)
    return removed


@transaction.atomic
def purge(session_id: uuid.UUID, user: Who) -> int:
    """Remove all that a session gave, used or not, and keep nothing more of it.

    Returns:
        How many pictures there were.
    """
    CameraSession.objects.filter(pk=session_id).update(consented_at=None)
    captures = Capture.objects.filter(session_id=session_id)
    given = list(captures.select_related("example__dataset"))
    log(given, Act.PURGED, user)
    for capture in given:
        if capture.example is not None:
            datasets.remove_example(capture.example)
    captures.delete()
    return len(given)
