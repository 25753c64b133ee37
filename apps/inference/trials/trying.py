"""`Trials`: what is tried on the deployments that a worker answers for.

Follows the rows in a thread of its own, so that whoever answers frames asks nobody.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, close_old_connections, connection
from redis import Redis
from redis.exceptions import RedisError

from apps.inference.answering import Answers
from apps.inference.models import Trial
from apps.inference.trials import relay
from apps.inference.trials.assignment import is_within
from apps.inference.trials.relay import Answered

logger = logging.getLogger(__name__)

FOLLOW_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Shadow:
    trial_id: int
    share: float

    def sees(self, session_id: str, seq: int) -> bool:
        return is_within(self.share, self.trial_id, f"{session_id}:{seq}")


class Trials:
    """One a worker, from `start` to `stop`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # By the names of their deployments.
        self._shadows: dict[str, Shadow] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_following, name="trials", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def take_note(self, answers: Answers) -> None:
        """Of what has been published. Never raises, and never waits for a shadow."""
        for name, shadow in self._shadows.items():
            try:
                relay.pass_on(
                    self._redis, shadow.trial_id, _seen(name, shadow, answers)
                )
            except RedisError as error:
                logger.warning("Frames can't be passed on to a shadow: %s", error)

    def follow(self) -> None:
        running = Trial.objects.filter(state=Trial.State.RUNNING)
        self._shadows = {
            trial.deployment.name: Shadow(trial.pk, trial.share)
            for trial in running.select_related("deployment")
            if trial.kind == Trial.Kind.SHADOW
        }

    def _keep_following(self) -> None:
        while True:
            try:
                self.follow()
            except DatabaseError as error:
                logger.warning("The trials could not be read: %s", error)
            if self._stopping.wait(FOLLOW_INTERVAL_S):
                break
            close_old_connections()
        connection.close()


def _seen(deployment: str, shadow: Shadow, answers: Answers) -> Iterator[Answered]:
    for letter, message in answers:
        if (
            letter.deployment == deployment
            and message["type"] == "inference.result"
            and shadow.sees(letter.frame.session_id, letter.frame.seq)
        ):
            yield letter, message
