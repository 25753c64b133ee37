"""Opening, moving and closing sessions and runs.

Every change is a guarded update: a session that is over stays as it ended, and one that
goes on over another socket is moved by that one's holder alone.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, Trial
from apps.sessions import recent
from apps.sessions.figures import RunFigures
from apps.sessions.models import CameraSession, Run

Status = CameraSession.Status
# An open session's process touches it more often than this; a silent one has lost it.
TOUCH_INTERVAL_S = 10.0

AWAY = "The server that held this session went away."


@dataclass(frozen=True, slots=True)
class Continued:
    """A session that goes on over another socket, and who held it until now, if any.

    A canary that has answered it goes on doing so; None if there is none any more.
    """

    session: CameraSession
    former_holder: str = ""
    is_new: bool = False
    canary_id: int | None = None


def open_session(
    *, deployment: str, user: AbstractBaseUser | None, client: str, holder: str = ""
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
        holder=holder,
    )


@transaction.atomic
def continue_session(
    session_id: uuid.UUID,
    *,
    user: AbstractBaseUser | None,
    holder: str,
    deployment: str = DEFAULT_DEPLOYMENT,
) -> Continued | None:
    """Have a session go on over another socket; None if it is over, or another's.

    Or another deployment's: each has a page of its own.
    """
    session = (
        CameraSession.objects.select_for_update(of=("self",))
        .select_related("deployment__active_version__model")
        .filter(pk=session_id, ended_at=None, deployment__name=deployment)
        .first()
    )
    if session is None or session.user_id != (user.pk if user else None):
        return None
    former_holder, session.holder = session.holder, holder
    if session.status != Status.FAILED:
        session.status, session.sentence = Status.PENDING, ""
    session.last_seen_at = timezone.now()
    session.save(update_fields=["holder", "status", "sentence", "last_seen_at"])
    canaries = Trial.objects.filter(
        deployment=session.deployment_id,
        kind=Trial.Kind.CANARY,
        state=Trial.State.RUNNING,
        version__runs__session=session,
        version__runs__ended_at=None,
    )
    canary_id = canaries.values_list("version_id", flat=True).first()
    return Continued(session, former_holder, canary_id=canary_id)


def _held(session_id: uuid.UUID, holder: str) -> QuerySet[CameraSession]:
    return CameraSession.objects.filter(pk=session_id, ended_at=None, holder=holder)


def change_status(
    session_id: uuid.UUID, status: str, sentence: str, *, holder: str = ""
) -> bool:
    """Move a session on; tells whether it was still open and the holder's."""
    now = timezone.now()
    held = _held(session_id, holder)
    if status == Status.LIVE:
        held.filter(live_at=None).update(live_at=now)
    return bool(held.update(status=status, sentence=sentence[:300], last_seen_at=now))


def touch_session(session_id: uuid.UUID, *, holder: str = "") -> bool:
    """Say that the holder is alive; tells whether the session is still open and its."""
    return bool(_held(session_id, holder).update(last_seen_at=timezone.now()))


def is_open(session_id: uuid.UUID) -> bool:
    return CameraSession.objects.filter(pk=session_id, ended_at=None).exists()


@transaction.atomic
def leave_session(session_id: uuid.UUID, *, sentence: str, holder: str = "") -> bool:
    """Let a session wait for its page to come back; tells whether it was the holder's.

    One that had failed stays so, with its own sentence.
    """
    held = _held(session_id, holder)
    held.exclude(status=Status.FAILED).update(
        status=Status.RECONNECTING, sentence=sentence[:300]
    )
    return bool(held.update(holder="", last_seen_at=timezone.now()))


@transaction.atomic
def close_session(
    session_id: uuid.UUID,
    *,
    sentence: str,
    seen_at: datetime | None = None,
    holder: str | None = None,
) -> bool:
    """End a session and every run of it; tells whether it was still open.

    Args:
        session_id: a session that had failed stays so, with its own sentence.
        sentence: why.
        seen_at: when it was seen last, and so ended; if it was seen since, it goes on.
        holder: who ends it; if it has another one by now, it goes on. None is anybody.
    """
    still_open = CameraSession.objects.filter(pk=session_id, ended_at=None)
    if seen_at is not None:
        still_open = still_open.filter(last_seen_at=seen_at)
    if holder is not None:
        still_open = still_open.filter(holder=holder)
    ended_at = seen_at or timezone.now()
    still_open.exclude(status=Status.FAILED).update(
        status=Status.ENDED, sentence=sentence[:300]
    )
    if not still_open.update(ended_at=ended_at):
        return False
    Run.objects.filter(session_id=session_id, ended_at=None).update(ended_at=ended_at)
    return True


class Abandoned(NamedTuple):
    """How many sessions nobody came back to.

    `left` are those whose page was closed or cut off, `lost` those whose web process
    has gone without a word.
    """

    left: int
    lost: int


def close_abandoned_sessions() -> Abandoned:
    """End the sessions that nobody came back to."""
    grace = timedelta(seconds=settings.RESUME_GRACE_S)
    abandoned = CameraSession.objects.filter(
        ended_at=None, last_seen_at__lt=timezone.now() - grace
    )
    closed = Counter(
        bool(session.holder)
        for session in list(abandoned)
        if close_session(
            session.pk,
            sentence=AWAY if session.holder else session.sentence,
            seen_at=session.last_seen_at,
        )
    )
    return Abandoned(left=closed[False], lost=closed[True])


def start_run(session_id: uuid.UUID, version_id: int, started_at: datetime) -> int:
    """Begin a run; returns its id."""
    return Run.objects.create(
        session_id=session_id, model_version_id=version_id, started_at=started_at
    ).pk


@transaction.atomic
def continue_run(session_id: uuid.UUID, version_id: int, started_at: datetime) -> int:
    """Go on with the run that a lost connection left open; returns its id.

    Another version's is over, and a new one begins if there is none of this version.
    """
    left = Run.objects.select_for_update().filter(session_id=session_id, ended_at=None)
    left.exclude(model_version_id=version_id).update(
        ended_at=Coalesce(F("measured_at"), F("started_at"))
    )
    run = left.filter(model_version_id=version_id).first()
    if run is None:
        return start_run(session_id, version_id, started_at)
    away = started_at - (run.measured_at or run.started_at)
    run.away_seconds += max(0.0, away.total_seconds())
    run.save(update_fields=["away_seconds"])
    return run.pk


@transaction.atomic
def add_to_run(
    run_id: int, figures: RunFigures, ended_at: datetime | None = None
) -> None:
    """Add to a run's figures, and end it if told when; one that has ended stays so."""
    run = Run.objects.select_for_update().filter(pk=run_id, ended_at=None).first()
    if run is None:
        return
    figures.add_to(run)
    run.ended_at = ended_at
    run.save()
    recent.add(run.deployment_id, figures)
