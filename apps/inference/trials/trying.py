"""`Trials`: what is tried on the deployments that a worker answers for.

Follows the rows in a thread of its own, so that whoever answers frames asks nobody: it
loads canaries beside what answers, and writes what was counted of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from django.db import DatabaseError, close_old_connections, connection
from redis import Redis

from apps.inference.answering import Answers
from apps.inference.models import Trial
from apps.inference.serving import first_minute
from apps.inference.serving.beside import Loader, Rehearse
from apps.inference.serving.host import ModelHost
from apps.inference.tally import Sums, added
from apps.inference.trials import services
from apps.inference.trials.canary import Canary
from apps.inference.trials.figures import CHALLENGER, CHAMPION, of_message
from apps.inference.trials.passing import Passing, Shadow

logger = logging.getLogger(__name__)

FOLLOW_INTERVAL_S = 1.0


class Trials:
    """One a worker, from `start` to `stop`.

    Args:
        redis: where frames are passed on.
        rehearse: as in `beside.py`.
        host: what answers; it is given the canaries.
        queues: whose deployments it answers for.
    """

    def __init__(
        self, redis: Redis, rehearse: Rehearse, host: ModelHost, queues: Sequence[str]
    ) -> None:
        self._passing = Passing(redis)
        self._loader = Loader(rehearse)
        self._host = host
        self._queues = tuple(queues)
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_following, name="trials", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._passing.close()

    def take_note(self, answers: Answers) -> None:
        """Of what has been published; waits for nobody."""
        self._passing.take(answers)
        for name, canary in self._host.canaries.items():
            sums: Sums = {}
            for letter, message in answers:
                if letter.deployment == name:
                    is_its = canary.answers(letter.frame.session_id)
                    side = CHALLENGER if is_its else CHAMPION
                    sums = added(sums, {side: of_message(message)})
            canary.tally.count(sums)

    def follow(self) -> None:
        """Begin, go on with and end what is tried, and write what was counted."""
        for trial in self._attend():
            if trial.deployment.name not in self._host.canaries:
                self._load(trial)
        for canary in self._host.canaries.values():
            if sums := canary.tally.take():
                self._report(canary, sums)

    def _attend(self) -> list[Trial]:
        """Do all that takes no time; returns the canaries that run."""
        self._stop_stuck()
        running = list(
            Trial.objects.filter(
                state=Trial.State.RUNNING, deployment__queue__in=self._queues
            ).select_related("deployment", "version__model")
        )
        self._passing.shadows = tuple(
            Shadow(trial.pk, trial.deployment.name, trial.share)
            for trial in running
            if trial.kind == Trial.Kind.SHADOW
        )
        canaries = [each for each in running if each.kind == Trial.Kind.CANARY]
        ids = {trial.pk for trial in canaries}
        for name, canary in self._host.canaries.items():
            if canary.trial_id not in ids:
                self._host.answer_all(name)
                logger.info("%s answers no sessions of %s", canary.loaded.name, name)
        self._loader.forget_all_but({trial.version.stamp for trial in canaries})
        return canaries

    def _stop_stuck(self) -> None:
        """Canaries that never get out of a pass, which no figure would tell."""
        for canary in self._host.canaries.values():
            under_way_s = self._host.passes.longest_s(canary.loaded.stamp)
            if reason := first_minute.why_stuck(under_way_s):
                services.stop_if_running(canary.trial_id, reason)

    def _load(self, trial: Trial) -> None:
        loaded = self._loader.load_checked(
            trial.version,
            is_alone=False,
            is_over=lambda: self._is_over(trial),
            tell=lambda *_: None,
        )
        if reason := self._loader.why_refused(trial.version):
            services.stop_if_running(trial.pk, reason)
        elif loaded is not None and not self._is_over(trial):
            name = trial.deployment.name
            self._host.answer_share(name, Canary(trial.pk, trial.share, loaded))
            logger.info("%s answers sessions of %s", trial.version, name)

    def _is_over(self, trial: Trial) -> bool:
        if self._stopping.is_set():
            return True
        try:
            return all(each.pk != trial.pk for each in self._attend())
        except DatabaseError as error:
            logger.warning("What is tried can't be read: %s", error)
            return False

    def _report(self, canary: Canary, sums: Sums) -> None:
        """What can't be written now is written with what comes."""
        try:
            goes_on = services.report(canary.trial_id, sums)
        except DatabaseError as error:
            logger.warning("A trial's figures could not be written: %s", error)
            canary.tally.count(sums)
            return
        if not goes_on:
            self._attend()

    def _keep_following(self) -> None:
        while True:
            try:
                self.follow()
            except DatabaseError as error:
                logger.warning("The trials could not be read: %s", error)
            except Exception:
                # Without its follower, a canary would answer for ever.
                logger.exception("The trials could not be followed")
            if self._stopping.wait(FOLLOW_INTERVAL_S):
                break
            close_old_connections()
        connection.close()
