"""The Celery application, made so that a worker needs no option but its queue.

`celery -A emporium worker -Q gpu` is complete: pool, concurrency and prefetch come from
`CELERY_*` in the settings, and what has no setting is set by `EmporiumWorker`.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from billiard.process import current_process
from celery import Celery
from celery.apps.worker import Worker
from celery.exceptions import SecurityWarning
from celery.signals import beat_embedded_init

from emporium.orphans import end_with

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emporium.settings")


class EmporiumWorker(Worker):  # type: ignore[misc]
    """A worker that doesn't look for its neighbours: Redis alone joins the nodes.

    Mingling alone would delay every start by a second.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options.update(without_gossip=True, without_mingle=True, without_heartbeat=True)
        super().__init__(*args, **options)

    def on_before_init(self, **options: Any) -> None:
        """Ten lines at every start about root are for messages that could run code."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            super().on_before_init(**options)


class EmporiumCelery(Celery):  # type: ignore[misc]
    @property
    def Worker(self) -> type[EmporiumWorker]:
        worker: type[EmporiumWorker] = self.subclass_with_self(EmporiumWorker)
        return worker


@beat_embedded_init.connect  # type: ignore[untyped-decorator]
def end_with_worker(**_: Any) -> None:
    """A worker that is told to end while it starts would leave its beat behind."""
    end_with(current_process()._parent_pid)


app = EmporiumCelery("emporium")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
