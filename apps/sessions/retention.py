"""Removing kept pictures: those whose time is over, all of a session, and leftovers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.inference import leftovers
from apps.inference.datasets.looking import Who
from apps.inference.models import Deployment
from apps.sessions import capture_files
from apps.sessions.access import Act, log
from apps.sessions.captures import end_consent, remove, unused
from apps.sessions.models import Capture

# As many rows as are held in memory at once.
AT_ONCE = 500


def expire() -> int:
    """Remove the captures that nobody has used in time; returns how many there were."""
    return sum(map(_expire_of, Deployment.objects.all()))


def _expire_of(deployment: Deployment) -> int:
    now = timezone.now()
    before = now - timedelta(days=deployment.retention_days)
    is_overdue = Q(expires_at__lt=now) | Q(taken_at__lt=before)
    overdue = unused(Capture.objects.filter(is_overdue, deployment=deployment))
    count = 0
    while removed := _expire_some(overdue[:AT_ONCE]):
        count += removed
    return count


@transaction.atomic
def _expire_some(captures: QuerySet[Capture]) -> int:
    removed = remove(captures)
    log(removed, Act.EXPIRED, None)
    return len(removed)


@transaction.atomic
def purge(session_id: uuid.UUID, user: Who) -> int:
    """Remove all that a session gave, used or not, and keep nothing more of it.

    Returns:
        How many pictures there were.
    """
    end_consent(session_id)
    removed = remove(Capture.objects.filter(session_id=session_id))
    log(removed, Act.PURGED, user)
    return len(removed)


def remove_leftovers() -> int:
    """Remove the files that no capture names; returns how many there were."""
    return leftovers.remove(capture_files.found(), _named)


def _named() -> Iterator[Path]:
    files = Capture.objects.values_list("file", flat=True)
    return map(capture_files.path_of, files.iterator())
