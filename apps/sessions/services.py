"""Opening, moving and closing sessions and runs.

Every change is a guarded update: a session that is over stays as it ended, whoever else
still has something to say about it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from apps.inference.models import Deployment
from apps.sessions.models import CameraSession, Run

Status = CameraSession.Status
# An open session's process touches it more often than this; a silent one has lost it.
TOUCH_INTERVAL_S = 20.0
ABANDONED_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What the media plane knows of a run; the columns of `Run` by the same names."""

    received: int = 0
    inferred: int = 0
    superseded: int = 0
    expired: int = 0
    throttled: int = 0
    failed: int = 0
    lost: int = 0
    pending: int = 0
    hot_dog_seconds: float = 0.0
    labels: dict[str, int] = field(default_factory=dict)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    engine: str = ""
    worker: str = ""
    measured_at: datetime = field(default_factory=timezone.now)

    def as_columns(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


# What writes a run's figures to its row.
RunWriter = Callable[[int, RunFigures], None]


def open_session(
    *, deployment: str, user: AbstractBaseUser | None, client: str
) -> CameraSession:
    """Begin a browser visit.

    Raises:
        Deployment.DoesNotExist: nobody has deployed anything by that name.
    """
    return CameraSession.objects.create(
        deployment=Deployment.objects.select_related("active_version__model").get(
            name=deployment
        ),
        user_id=user.pk if user else None,
        client=client[:300],
    )


def change_status(session_id: uuid.UUID, status: str, sentence: str) -> bool:
    """Move a session on; tells whether it was still open."""
    now = timezone.now()
    open_sessions = CameraSession.objects.filter(pk=session_id, ended_at=None)
    if status == Status.LIVE:
        open_sessions.filter(live_at=None).update(live_at=now)
    return bool(
        open_sessions.update(status=status, sentence=sentence[:300], last_seen_at=now)
    )


@transaction.atomic
def close_session(
    session_id: uuid.UUID, *, sentence: str, ended_at: datetime | None = None
) -> bool:
    """End a session and every run of it, now unless told when; tells whether it was
    still open.

    A session that had failed stays so, with its own sentence.
    """
    ended_at = ended_at or timezone.now()
    still_open = CameraSession.objects.filter(pk=session_id, ended_at=None)
    still_open.exclude(status=Status.FAILED).update(
        status=Status.ENDED, sentence=sentence[:300]
    )
    closed = still_open.update(ended_at=ended_at)
    Run.objects.filter(session_id=session_id, ended_at=None).update(ended_at=ended_at)
    return bool(closed)


def start_run(session_id: uuid.UUID, version_id: int, started_at: datetime) -> int:
    """Begin a run; returns its id."""
    return Run.objects.create(
        session_id=session_id, model_version_id=version_id, started_at=started_at
    ).pk


def record_run(run_id: int, figures: RunFigures) -> None:
    """Write a running run's figures."""
    Run.objects.filter(pk=run_id, ended_at=None).update(**figures.as_columns())


def touch_session(session_id: uuid.UUID) -> bool:
    """Say that the session's process is alive; tells whether the session still is."""
    return bool(
        CameraSession.objects.filter(pk=session_id, ended_at=None).update(
            last_seen_at=timezone.now()
        )
    )


def finish_run(
    run_id: int, figures: RunFigures, *, ended_at: datetime | None = None
) -> None:
    """Write a run's last figures, once; later calls change nothing.

    It ends now unless told when.
    """
    Run.objects.filter(pk=run_id, ended_at=None).update(
        **figures.as_columns(), ended_at=ended_at or timezone.now()
    )


def close_abandoned_sessions() -> int:
    """End the sessions whose web process is gone; returns how many there were."""
    abandoned = CameraSession.objects.filter(
        ended_at=None, last_seen_at__lt=timezone.now() - ABANDONED_AFTER
    ).values_list("pk", "last_seen_at")
    return sum(
        close_session(
            pk,
            sentence="The server that held this session went away.",
            ended_at=last_seen_at,
        )
        for pk, last_seen_at in list(abandoned)
    )
