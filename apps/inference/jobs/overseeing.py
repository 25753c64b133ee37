"""Has a job done by a process of its own, and watches over it until it ends.

What it takes of memory goes with the process, and what kills it kills nothing else. It
stands behind live frames, and ends with whoever watches: a job whose worker is gone
would otherwise be done twice at once.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from apps.inference import jobs
from apps.inference.models import Job

logger = logging.getLogger(__name__)

LOOKS_EVERY_S = 0.5
SAID_EVERY_S = 5.0
# A job that doesn't listen to its cancellation, as in a long call of a library.
CANCEL_PATIENCE_S = 10.0
# Set when this process is told to end: its job is for another one then.
stopping = threading.Event()


def oversee(job: Job, told: Callable[[Job], None] = lambda job: None) -> None:
    """Do a job that `jobs.take` has given to us; what came of it is in its row.

    Args:
        job: updated in place.
        told: called again and again with the job as it is.

    Raises:
        DatabaseError: what came of it can't be written down; it will be lost.
    """
    try:
        with subprocess.Popen(
            command(job),
            cwd=settings.BASE_DIR,
            stdin=subprocess.PIPE,  # closed when we are gone, whatever ends us
            start_new_session=True,  # for `stand_behind_live_frames`
        ) as process:
            try:
                _watch(job, process, told)
            finally:
                returncode = process.returncode  # None, if it is us who end it
                # With all that it has started.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        _write_if_unsaid(job, returncode)
    except OSError as error:
        reason = f"The machine could not start it: {error.strerror or error}."
        jobs.finish(job, Job.State.FAILED, reason=reason)
    except KeyboardInterrupt:
        reason = "It was stopped before it was done."
        jobs.finish(job, Job.State.CANCELLED, reason=reason)
        raise
    jobs.insist(job.refresh_from_db)


def command(job: Job) -> list[str]:
    return [sys.executable, "manage.py", "jobs", "do", str(job.pk)]


def _why_it_ended(returncode: int) -> str:
    """Of a process that has left no word of its own."""
    if returncode < 0:
        return "The process was killed; perhaps memory is short."
    return "The process stopped early; the log says why."


def _watch(
    job: Job, process: subprocess.Popen[bytes], told: Callable[[Job], None]
) -> None:
    """Until it ends, or isn't ours any more, or doesn't listen; or we are to end.

    Or until we can't say that we are at it: somebody else may begin with it then.
    """
    said_at, ends_by = time.monotonic(), math.inf
    while process.returncode is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOKS_EVERY_S)
        if stopping.is_set():
            return
        now = time.monotonic()
        try:
            if now - said_at >= SAID_EVERY_S:
                jobs.of_attempt(job).update(last_seen_at=timezone.now())
                said_at = now
            row = jobs.of_attempt(job).first()
        except DatabaseError as error:
            logger.warning("How %s stands can't be read: %s", job, error)
            jobs.mend_connection()
            if now - said_at > jobs.LOST_AFTER.total_seconds():
                return
            continue
        if row is not None:
            told(row)
        # It is over, or has been begun anew by another worker, or is to end.
        if row is None or row.is_cancelling:
            ends_by = min(ends_by, now + CANCEL_PATIENCE_S)
            if now > ends_by:
                return


def _write_if_unsaid(job: Job, returncode: int | None) -> None:
    row = jobs.insist(jobs.of_attempt(job).first)
    if row is None:
        return
    if row.is_cancelling:
        jobs.finish(job, Job.State.CANCELLED, reason="It was cancelled.")
    elif returncode is None or stopping.is_set():
        jobs.give_back(job)
    else:
        jobs.finish(job, Job.State.FAILED, reason=_why_it_ended(returncode))
