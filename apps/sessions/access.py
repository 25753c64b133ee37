"""The record of who has seen, reviewed, exported or removed kept pictures.

Also where they lie in datasets: `apps.inference` tells who looks at those.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.dispatch import receiver

from apps.inference.datasets import looking
from apps.inference.datasets.looking import Who
from apps.inference.models import Example
from apps.sessions.models import Capture, CaptureAccess

Act = CaptureAccess.Act


def log(captures: Iterable[Capture], act: Act, user: Who) -> None:
    """Without a user it was a command, the housekeeping, or who was photographed."""
    CaptureAccess.objects.bulk_create(
        CaptureAccess(
            capture_id=capture.pk,
            session_id=capture.session_id,
            user_id=user.pk if user else None,
            act=act,
        )
        for capture in captures
    )


@receiver(looking.seen)
def _log_seen(examples: QuerySet[Example], user: Who, **_: Any) -> None:
    log(_given(examples), Act.SEEN, user)


@receiver(looking.exported)
def _log_exported(examples: QuerySet[Example], user: Who, **_: Any) -> None:
    log(_given(examples), Act.EXPORTED, user)


def _given(examples: QuerySet[Example]) -> QuerySet[Capture]:
    """The captures of those that are any; a dataset may have them from another's."""
    return Capture.objects.filter(sha256__in=examples.values("sha256"))
