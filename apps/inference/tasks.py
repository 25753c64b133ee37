"""Celery's entry points. `drain` is the doorbell: it carries no frame.

A slice takes up to about a second, so that the worker keeps answering Celery. The jobs
are for the queue of that name, whose worker does one after the other.
"""

from __future__ import annotations

import logging

from celery import shared_task
from celery.signals import worker_shutting_down

from apps.inference import client, jobs, worker
from apps.inference.connections import sync_redis
from apps.inference.finetuning import plan
from apps.inference.jobs import overseeing
from apps.inference.models import Deployment, Job
from apps.inference.serving import activating, switching
from apps.inference.serving.company import Company
from apps.inference.trials import shadowing  # noqa: F401 - listens for the worker's start

logger = logging.getLogger(__name__)

SLICE_S = 1.0


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


@shared_task(name=jobs.TASK)
def do_next_job() -> None:
    """Do one, and leave the next to whoever is free."""
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
