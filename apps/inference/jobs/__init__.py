"""Slow work that somebody asks for: written down, taken by one worker, cancelled.

Only rows and the bell: what a kind does, nobody needs to import who asks for it. The
message that a worker gets carries no job, as the doorbell carries no frame: it takes
the job that has waited longest, so a lost or a second message does no harm.
"""

from __future__ import annotations

import logging
import pkgutil
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from celery import current_app
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.inference.exceptions import InferenceError
from apps.inference.models import Job

logger = logging.getLogger(__name__)

# The function that does a kind of job: `function(parameters, progress) -> result`.
KINDS: dict[str, str] = settings.JOB_KINDS
# Of some kinds, what else a job is the record of: `function(job)`, when it is over
# without being done.
ENDINGS: dict[str, str] = settings.JOB_ENDINGS
TASK = "apps.inference.tasks.do_next_job"
MOST_ATTEMPTS = 3
# Whoever is at a job says so every few seconds, from a process that does nothing else.
LOST_AFTER = timedelta(seconds=30)
# For longer than that nobody is at it any more: see `overseeing`.
INSISTS_FOR_S, INSISTS_EVERY_S = 40.0, 1.0
State = Job.State
T = TypeVar("T")


class CancelledError(BaseException):
    """The job isn't wanted any more: no failure that anybody on the way may catch."""


class Progress(Protocol):
    """What a kind tells while it is at work, and how it learns that it is to stop."""

    def tell(self, share: float, words: str) -> None:
        """How far it is (0..1), and what is being done; call it once a second or so.

        Raises:
            CancelledError: stop, and leave nothing half done.
        """


def request(
    kind: str,
    parameters: dict[str, Any],
    requested_by: AbstractBaseUser | AnonymousUser | None = None,
) -> Job:
    """Write down that a job is wanted; it begins once a worker of `jobs` is free.

    Raises:
        InferenceError: nobody knows such a kind.
    """
    if kind not in KINDS:
        raise unknown(kind)
    job = Job.objects.create(
        kind=kind,
        parameters=parameters,
        requested_by_id=requested_by.pk if requested_by else None,
    )
    transaction.on_commit(ring)
    return job


def unknown(kind: str) -> InferenceError:
    return InferenceError(f"There is no kind of job called {kind!r}.")


def cancel(job: Job) -> None:
    """One that waits is over at once; one that runs notices within seconds.

    Raises:
        InferenceError: it is over already.
    """
    same = Job.objects.filter(pk=job.pk)
    is_over = _end(
        same.filter(state=State.WAITING),
        State.CANCELLED,
        reason="It was cancelled before it began.",
    )
    if not is_over and not same.filter(state=State.RUNNING).update(is_cancelling=True):
        raise InferenceError(f"{job} is over already.")


def ring() -> None:
    """Tell the workers that a job waits; if they can't be, housekeeping tries again."""
    try:
        current_app.send_task(TASK, retry=False)
    except OperationalError as error:
        logger.warning("The jobs could not be told that one waits: %s", error)


def take_next() -> Job | None:
    """The job that has waited longest, for whoever calls and nobody else."""
    waiting = Job.objects.filter(state=State.WAITING).order_by("requested_at", "pk")
    return next((job for job in waiting if take(job)), None)


def take(job: Job) -> bool:
    """Begin with a job, unless somebody else has; `job` is as it is written then."""
    now = timezone.now()
    is_taken = Job.objects.filter(pk=job.pk, state=State.WAITING).update(
        state=State.RUNNING,
        attempts=F("attempts") + 1,
        progress=0,
        step="",
        started_at=now,
        last_seen_at=now,
    )
    job.refresh_from_db()
    return bool(is_taken)


def of_attempt(job: Job) -> QuerySet[Job]:
    """The row, as long as this attempt at the job is under way: nothing afterwards."""
    return Job.objects.filter(pk=job.pk, state=State.RUNNING, attempts=job.attempts)


def mend_connection() -> None:
    """Have one that has broken made anew, as Django does between two requests."""
    if not connection.in_atomic_block:
        close_old_connections()


def insist(act: Callable[[], T]) -> T:
    """Do what needs the database, and do it again where that is away for a moment.

    Raises:
        DatabaseError: it is away for longer, or a transaction has failed.
    """
    until = time.monotonic() + INSISTS_FOR_S
    while True:
        mend_connection()
        try:
            return act()
        except DatabaseError as error:
            if connection.in_atomic_block or time.monotonic() >= until:
                raise
            logger.warning("The database is asked once more: %s", error)
        time.sleep(INSISTS_EVERY_S)


def finish(job: Job, state: Job.State, **columns: Any) -> None:
    """Write down what has come of this attempt, unless that is written already.

    Raises:
        DatabaseError: nothing can be written, and couldn't be for a while.
    """
    insist(lambda: _end(of_attempt(job), state, **columns))


def give_back(job: Job) -> None:
    """Have another worker begin with it, since ours can't go on.

    Raises:
        DatabaseError: as `finish`.
    """
    insist(
        lambda: of_attempt(job).update(
            state=State.WAITING, attempts=F("attempts") - 1, progress=0, step=""
        )
    )
    ring()


def revive_lost() -> int:
    """Have jobs begin anew whose worker is gone; returns how many were lost.

    Also rings for those that wait while nobody is at any: their message was lost.
    """
    lost = Job.objects.filter(
        state=State.RUNNING, last_seen_at__lt=timezone.now() - LOST_AFTER
    )
    count = 0
    for job in lost.filter(is_cancelling=True):
        reason = "It was cancelled; its worker is gone."
        count += _end(lost.filter(pk=job.pk), State.CANCELLED, reason=reason)
    for job in lost.filter(attempts__gte=MOST_ATTEMPTS):
        reason = (
            f"Its worker went down {MOST_ATTEMPTS} times, each time without a word:"
            " perhaps memory is short."
        )
        count += _end(lost.filter(pk=job.pk), State.FAILED, reason=reason)
    count += lost.update(state=State.WAITING, progress=0, step="")
    is_working = Job.objects.filter(state=State.RUNNING).exists()
    if not is_working and Job.objects.filter(state=State.WAITING).exists():
        ring()
    return count


def _end(same: QuerySet[Job], state: Job.State, **columns: Any) -> bool:
    """Write down that a job is over, if the query still finds it.

    What else it is the record of is written with it: neither is ever without the other.
    """
    with transaction.atomic():
        job = same.select_for_update().first()
        if job is None:
            return False
        for name, value in columns.items():
            setattr(job, name, value)
        job.state, job.step, job.finished_at = state, "", timezone.now()
        job.save(update_fields=["state", "step", "finished_at", *columns])
        if state != State.DONE and job.kind in ENDINGS:
            ended: Callable[[Job], None] = pkgutil.resolve_name(ENDINGS[job.kind])
            ended(job)
        return True
