"""The worker of the queue `shadow`: has each shadow answered by a process of its own.

So it needs no torch, and nothing at all while no shadow runs; and what kills the
challenger, or fills the memory, ends the trial and nothing else.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Any

from celery import current_app
from celery.signals import worker_process_init, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from apps.inference.models import Trial
from apps.inference.trials import services

logger = logging.getLogger(__name__)

QUEUE = "shadow"
FOLLOW_INTERVAL_S = 1.0
PATIENCE_S = 10.0
KILLED = "It kills whoever runs it; perhaps memory is short."
BROKEN = "The process that answered with it stopped; its log says why."


def command(trial_id: int) -> list[str]:
    return [sys.executable, "manage.py", "trials", "answer", str(trial_id)]


class Shadows:
    """Follows which shadows run, from `start` to `stop`."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_following, name="shadows", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def follow(self) -> None:
        """Have answered what runs; end what doesn't run any more."""
        wanted = set(
            Trial.objects.filter(
                kind=Trial.Kind.SHADOW, state=Trial.State.RUNNING
            ).values_list("pk", flat=True)
        )
        for trial_id, process in list(self._processes.items()):
            if process.poll() is not None:
                del self._processes[trial_id]
                _note_end(trial_id, process.returncode)
            elif trial_id not in wanted:
                # It ends by itself, and at once if it isn't loading just now.
                process.terminate()
        for trial_id in wanted - self._processes.keys():
            self._processes[trial_id] = subprocess.Popen(
                command(trial_id), cwd=settings.BASE_DIR, start_new_session=True
            )

    def _keep_following(self) -> None:
        while not self._stopping.wait(FOLLOW_INTERVAL_S):
            close_old_connections()
            try:
                self.follow()
            except DatabaseError as error:
                logger.warning("The trials could not be read: %s", error)
            except Exception:
                # Without its follower, this worker would shadow nothing ever again.
                logger.exception("The trials could not be followed")
        connection.close()
        self._end_all()

    def _end_all(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _note_end(trial_id: int, status: int) -> None:
    """A challenger that can't be run isn't tried again and again."""
    if status and services.stop_if_running(trial_id, KILLED if status < 0 else BROKEN):
        logger.error("The shadow of trial %d ended with status %d", trial_id, status)


_shadows: Shadows | None = None


@worker_process_init.connect
def start(**_: Any) -> None:
    global _shadows
    if QUEUE in current_app.amqp.queues.consume_from:
        _shadows = Shadows()
        _shadows.start()


@worker_shutdown.connect
def stop(**_: Any) -> None:
    if _shadows is not None:
        _shadows.stop()
