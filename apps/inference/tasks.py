"""Celery's entry points. `drain` is the doorbell: it carries no frame.

A slice takes up to about a second, so that the worker keeps answering Celery.
"""

from __future__ import annotations

import time

from celery import shared_task

from apps.inference import client, worker
from apps.inference.answering import answer

SLICE_S = 1.0


@shared_task(name=client.DRAIN_TASK)
def drain() -> None:
    """Answer waiting frames until none waits or the slice is over; then ring again."""
    runtime = worker.runtime()
    mailbox, host = runtime.mailbox, runtime.host
    deadline = time.monotonic() + SLICE_S
    mailbox.answer_bell()
    while time.monotonic() < deadline and (letters := mailbox.take(host.batch_size)):
        answer(runtime.redis, mailbox, host, letters)
    if mailbox.must_ring():
        client.ring()
