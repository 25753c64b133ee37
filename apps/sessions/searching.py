"""Finding sessions, and what came of them, by numbers: by what has an index."""

from __future__ import annotations

import re
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet

from apps.sessions.models import CameraSession, Capture, CaptureAccess, Run

# As many as can be meant, if what was typed is to find anything.
MOST_MEANT = 100
# What is meant as a session's number has so many digits, and a run's no more.
FEWEST_DIGITS = 8
# How runs end that somebody looks for, and what that is called.
ENDS = {"none": "goes on", "failed": "its session failed"}


def runs(queryset: QuerySet[Run], term: str) -> QuerySet[Run]:
    """By a run's number, or by how its session's begins."""
    term = term.strip()
    if not term:
        return queryset
    if (meant := sessions_beginning_with(term)) is not None:
        return queryset.filter(session__in=meant)
    is_number = term.isdecimal() and len(term) < FEWEST_DIGITS
    return queryset.filter(pk=int(term)) if is_number else queryset.none()


def ended(queryset: QuerySet[Run], how: str) -> QuerySet[Run]:
    """Those that ended as one of `ENDS` says; all, for any other word."""
    match how:
        case "none":
            return queryset.filter(ended_at=None)
        case "failed":
            failed = CameraSession.objects.filter(status="failed")
            return queryset.filter(session__in=failed.values("pk"))
    return queryset


def sessions(queryset: QuerySet[CameraSession], term: str) -> QuerySet[CameraSession]:
    """By how a session's number begins, or by what its browser calls itself."""
    term = term.strip()
    if (meant := sessions_beginning_with(term)) is not None:
        return queryset.filter(pk__in=meant)
    return queryset.filter(client__icontains=term) if term else queryset


def captures(queryset: QuerySet[Capture], term: str) -> QuerySet[Capture]:
    """By how the number of the session begins that gave them."""
    if not (term := term.strip()):
        return queryset
    meant = sessions_beginning_with(term)
    return queryset.none() if meant is None else queryset.filter(session__in=meant)


def accesses(queryset: QuerySet[CaptureAccess], term: str) -> QuerySet[CaptureAccess]:
    """By a capture's number, how its session's begins, or by who it was.

    Either may be gone by now.
    """
    if not (term := term.strip()):
        return queryset
    if (ends := _ends(term)) is not None:
        return queryset.filter(session_id__range=ends)
    if term.isdecimal() and len(term) < FEWEST_DIGITS:
        return queryset.filter(capture_id=int(term))
    who = User.objects.filter(username=term).first()
    return queryset.filter(user=who) if who else queryset.none()


def sessions_beginning_with(term: str) -> list[UUID] | None:
    """The sessions whose numbers do; None if it can't be meant so."""
    if (ends := _ends(term)) is None:
        return None
    found = CameraSession.objects.filter(pk__range=ends)
    # Not the newest: to sort them may mean to sort all.
    return list(found.order_by("pk").values_list("pk", flat=True)[:MOST_MEANT])


def _ends(term: str) -> tuple[UUID, UUID] | None:
    """Between which the numbers are that begin so; None if it can't be meant so."""
    digits = term.replace("-", "").casefold()
    if len(digits) < FEWEST_DIGITS or not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
