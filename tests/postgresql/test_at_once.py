"""What two do at the same moment, each on a connection of its own: row locks decide.

SQLite has none, so `tests/integration/test_postgresql.py` has these run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from apps.inference import jobs
from apps.inference.models import Job
from bench.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
State = Job.State
Act = Callable[[Job], object]


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        [(count,)] = cursor.fetchall()
    return bool(count)


def at_once(first: Act, second: Act) -> object:
    """Both on one job: the second begins before what the first has written counts."""
    job = Job.objects.create(kind="waits")

    def act() -> object:
        try:
            return second(Job.objects.get(pk=job.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first(job)
            outcome = pool.submit(act)
            wait_until(somebody_waits_for_a_lock, "the second to wait for the first")
        return outcome.result()


def test_one_that_is_cancelled_first_is_not_taken():
    assert at_once(jobs.cancel, jobs.take) is False
    job = Job.objects.get()
    assert (job.state, job.attempts) == (State.CANCELLED, 0)


def test_one_that_is_taken_first_is_told_to_stop():
    at_once(jobs.take, jobs.cancel)
    job = Job.objects.get()
    assert (job.state, job.attempts, job.is_cancelling) == (State.RUNNING, 1, True)


def test_one_is_taken_by_only_one():
    assert at_once(jobs.take, jobs.take) is False
    assert Job.objects.get().attempts == 1
