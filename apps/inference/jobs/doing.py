"""What the process of one job does: the work of its kind, and a word of how it went.

Every failure ends in the job's row as one sentence for the operator.
"""

from __future__ import annotations

import logging
import os
import pkgutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError

from apps.inference import jobs
from apps.inference.exceptions import InferenceError, sentence_of
from apps.inference.jobs import CancelledError
from apps.inference.models import Job

logger = logging.getLogger(__name__)

LOOKS_EVERY_S = 0.5
LONGEST_STEP = 200
Function = Callable[[dict[str, Any], jobs.Progress], dict[str, Any]]


def do(job: Job) -> None:
    """Do a job that is taken already, and write down what has come of it."""
    try:
        if job.kind not in jobs.KINDS:
            raise jobs.unknown(job.kind)
        function: Function = pkgutil.resolve_name(jobs.KINDS[job.kind])
        result = function(job.parameters, RowProgress(job))
    except CancelledError:
        jobs.finish(job, Job.State.CANCELLED, reason="It was cancelled.")
        logger.info("%s was cancelled", job)
    except InferenceError as error:
        logger.warning("%s failed: %s", job, error)
        jobs.finish(job, Job.State.FAILED, reason=str(error))
    except Exception as error:
        logger.exception("%s failed", job)
        jobs.finish(job, Job.State.FAILED, reason=sentence_of(error))
    else:
        jobs.finish(job, Job.State.DONE, progress=1.0, result=result)
        logger.info("%s is done", job)


class RowProgress:
    """Writes into the job's row what is news, and reads there whether it goes on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._share, self._words = 0.0, ""
        self._looked_at = float("-inf")

    def tell(self, share: float, words: str) -> None:
        now = time.monotonic()
        is_news = words != self._words or share - self._share >= 0.01
        if not is_news and now - self._looked_at < LOOKS_EVERY_S:
            return
        self._looked_at = now
        if is_news:
            self._share, self._words = share, words
        try:
            is_wanted = self._write(is_news)
        except DatabaseError as error:  # which is no reason to lose an hour's work
            logger.warning("How far %s is can't be said: %s", self.job, error)
            jobs.mend_connection()
        else:
            if not is_wanted:
                raise CancelledError

    def _write(self, is_news: bool) -> bool:
        """Also tells whether it is to go on: who has begun anew needs no second one."""
        row = jobs.of_attempt(self.job)
        if is_news:
            share = min(max(self._share, 0.0), 1.0)
            row.update(progress=share, step=self._words[:LONGEST_STEP])
        return row.filter(is_cancelling=False).exists()


def end_with_the_overseer() -> None:
    """Stop at once, as by a kill, when whoever started this process is gone."""
    threading.Thread(target=_wait_for_the_end, name="overseer", daemon=True).start()


def _wait_for_the_end() -> None:
    # Unbuffered: a lock on `sys.stdin` would be in the way of an orderly end.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
