"""Celery's entry points. `drain` is the doorbell: it carries no frame.

A slice takes up to about a second, so that the worker keeps answering Celery. The jobs
are for the queue of that name, whose worker does one after the other.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings

from apps.inference import client, jobs, worker
from apps.inference.connections import sync_redis
from apps.inference.finetuning import plan
from apps.inference.jobs import overseeing
from apps.inference.models import Deployment, Job, ModelVersion
from apps.inference.registering import asking, under_way
from apps.inference.serving import activating, switching
from apps.inference.serving.company import Company
from apps.inference.trials import shadowing  # noqa: F401 - listens for the worker's start

logger = logging.getLogger(__name__)

SLICE_S = 1.0
JOB_LIMIT_S = 3600


@shared_task(name=client.DRAIN_TASK)
def drain(queue: str) -> None:
    """Answer waiting frames until none waits or the slice is over; then ring again.

    Args:
        queue: whose bell it is. Frames are taken from all queues of this worker.
    """
    runtime = worker.runtime()
    runtime.mailbox.answer_bell(queue)
    runtime.drain.run(SLICE_S)
    for uncalled in runtime.mailbox.uncalled():
        client.ring(uncalled)


@shared_task(name=client.BRING_IN_TASK)
def bring_in(version_id: int) -> None:
    _have_done("bring-in", version_id)


@shared_task(name=client.VERIFY_TASK)
def verify(version_id: int) -> None:
    _have_done("verify-again", version_id)


@shared_task(name=jobs.TASK)
def do_next_job() -> None:
    """Do one, and leave the next to whoever is free; versions take their turn too."""
    job = jobs.take_next()
    if job is None:
        return
    overseeing.oversee(job)
    if Job.objects.filter(state=Job.State.WAITING).exists():
        jobs.ring()


@worker_shutting_down.connect
def give_job_back(**_: object) -> None:
    overseeing.stopping.set()


@shared_task
def revive_lost_jobs() -> None:
    """Housekeeping, on the queue of that name."""
    if lost := jobs.revive_lost():
        logger.warning("%d jobs had lost their worker", lost)


@shared_task
def fail_abandoned_versions() -> None:
    """Housekeeping, on the queue of that name."""
    if failed := under_way.fail_abandoned():
        logger.warning("Failed %d versions that nobody was at any more", failed)


@shared_task
def remove_abandoned_finetunes() -> None:
    """Housekeeping, on the queue of that name."""
    plan.remove_abandoned()


@shared_task
def look_after_activations() -> None:
    """Where no worker does: it may be gone, or never have come."""
    activations = switching.open_activations(Deployment.objects.all())
    if not activations:
        return
    with sync_redis() as redis:
        for activation in activations:
            activating.look_after(activation, Company(redis))


def _have_done(what: str, version_id: int) -> None:
    """In a process of its own: torch's memory goes with it, and what kills it kills
    nothing else.
    """
    try:
        done = subprocess.run(
            command(what, version_id),
            cwd=settings.BASE_DIR,
            check=False,
            timeout=JOB_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        _clear_up(version_id, "It took longer than an hour.")
        return
    if done.returncode:
        _clear_up(version_id, overseeing.why_it_ended(done.returncode))


def _clear_up(version_id: int, reason: str) -> None:
    """Do what a process that was killed could not."""
    asking.fail_unfinished(version_id, reason)
    shutil.rmtree(ModelVersion(pk=version_id).staging, ignore_errors=True)


def command(what: str, version_id: int) -> list[str]:
    return [sys.executable, "manage.py", "models", what, str(version_id)]
