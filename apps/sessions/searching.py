"""Finding sessions and runs by a part of their number, by what has an index."""

from __future__ import annotations

import re
from uuid import UUID

from django.db.models import QuerySet

from apps.sessions.models import CameraSession, Run

# As many as can be meant, if what was typed is to find anything.
MOST_MEANT = 100
# Longer ones are how a session's number may begin.
LONGEST_RUN_NUMBER = 7


def runs(queryset: QuerySet[Run], term: str) -> QuerySet[Run]:
    """By a run's number, or by how its session's begins."""
    term = term.strip()
    if term.isdecimal() and len(term) <= LONGEST_RUN_NUMBER:
        return queryset.filter(pk=int(term))
    return queryset.filter(session__in=_beginning_with(term)) if term else queryset


def sessions(queryset: QuerySet[CameraSession], term: str) -> QuerySet[CameraSession]:
    """By how a session's number begins, or by what its browser calls itself."""
    term = term.strip()
    if meant := _beginning_with(term):
        return queryset.filter(pk__in=meant)
    return queryset.filter(client__icontains=term) if term else queryset


def _beginning_with(term: str) -> list[UUID]:
    digits = term.replace("-", "").casefold()
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return []
    ends = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    found = CameraSession.objects.filter(pk__range=ends)
    # Not the newest: to sort them may mean to sort all.
    return list(found.order_by("pk").values_list("pk", flat=True)[:MOST_MEANT])
