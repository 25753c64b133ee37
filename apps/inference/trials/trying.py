"""`Trials`: what is tried on the deployments that a worker answers for.

Follows the rows in threads of its own, so that whoever answers frames asks nobody: it
loads canaries beside what answers, and writes what was counted of them. A canary
answers while all workers of its queue can: a session is answered by one version,
whichever worker it meets.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence

from django.db import DatabaseError
from django.db.models import QuerySet
from redis import Redis
from redis.exceptions import RedisError

from apps.inference.answering import Answers
from apps.inference.models import Trial
from apps.inference.serving import first_minute
from apps.inference.serving.beside import Loader, Rehearse
from apps.inference.serving.company import Company, Phase, Progress, Roll
from apps.inference.serving.host import ModelHost
from apps.inference.serving.repeating import Repeated
from apps.inference.tally import Sums, added
from apps.inference.trials import services
from apps.inference.trials.canary import Canary
from apps.inference.trials.figures import CHALLENGER, CHAMPION, of_message
from apps.inference.trials.passing import Passing, Shadow

logger = logging.getLogger(__name__)

FOLLOW_INTERVAL_S = 1.0
# While a canary runs: all workers are to begin with it, and to end, together.
BUSY_INTERVAL_S = 0.2
REPORT_INTERVAL_S = 1.0
READY, SERVING = Progress(Phase.READY), Progress(Phase.SERVING)


class Trials:
    """One a worker, from `start` to `stop`.

    Args:
        redis: where frames are passed on.
        rehearse: as in `beside.py`.
        host: what answers; it is given the canaries.
        company: the other workers.
        queues: whose deployments it answers for.
    """

    def __init__(
        self,
        redis: Redis,
        rehearse: Rehearse,
        host: ModelHost,
        company: Company,
        queues: Sequence[str],
    ) -> None:
        self._passing = Passing(redis)
        self._loader = Loader(rehearse)
        self._host = host
        self._company = company
        self._queues = tuple(queues)
        # By the affair: the canaries that are loaded, whether or not they answer.
        self._loaded: dict[str, Canary] = {}
        self._is_busy = False
        self._reported_at = 0.0
        self._attending = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            Repeated(name, act, interval_s, self._stopping)
            for name, act, interval_s in (
                ("canary-loader", self.follow, lambda: FOLLOW_INTERVAL_S),
                ("trials", self._attend, self._attend_interval_s),
            )
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._passing.close()

    def take_note(self, answers: Answers) -> None:
        """Of what has been published; waits for nobody."""
        self._passing.take(answers)
        for name, canary in self._host.canaries.items():
            sums: Sums = {}
            for letter, message in answers:
                # By whoever has answered it, which another would now; nobody may have.
                by = message["served_by"]
                if by is not None and letter.deployment == name:
                    is_its = by["version_id"] == canary.loaded.version_id
                    side = CHALLENGER if is_its else CHAMPION
                    sums = added(sums, {side: of_message(message)})
            canary.tally.count(sums)

    def follow(self) -> None:
        """Begin, go on with and end what is tried, and write what was counted."""
        missing = self._attend()
        for trial in missing:
            self._load(trial)
        if missing:
            self._attend()

    def _attend(self) -> list[Trial]:
        """Do all that takes no time; returns the canaries that may be loaded."""
        with self._attending:
            self._stop_stuck()
            self._report_now_and_then()
            running = list(self._running())
            self._passing.shadows = tuple(
                Shadow(trial.pk, trial.deployment.name, trial.share)
                for trial in running
                if trial.kind == Trial.Kind.SHADOW
            )
            rolls: dict[Trial, Roll] = {}
            for trial in running:
                if trial.kind == Trial.Kind.CANARY:
                    roll = self._look(trial)
                    if roll.lost:
                        services.stop_if_running(trial.pk, roll.why_lost)
                    else:
                        rolls[trial] = roll
            self._is_busy = bool(rolls)
            self._forget_all_but(rolls)
            for trial, roll in rolls.items():
                self._share_out(trial, roll)
            # What may just have killed another worker has to wait for certainty.
            return [
                trial
                for trial, roll in rolls.items()
                if trial.affair not in self._loaded and not roll.doubtful
            ]

    def _running(self) -> QuerySet[Trial]:
        """On the deployments that this worker answers for."""
        return Trial.objects.filter(
            state=Trial.State.RUNNING, deployment__queue__in=self._queues
        ).select_related("deployment", "version__model")

    def _look(self, trial: Trial) -> Roll:
        """How far all are, who hear from this worker as well."""
        canary = self._loaded.get(trial.affair)
        if canary is not None:
            answers = self._host.canaries.get(trial.deployment.name) is canary
            self._company.tell(trial.affair, SERVING if answers else READY)
        return self._company.look(trial.affair, trial.deployment.queue)

    def _share_out(self, trial: Trial, roll: Roll) -> None:
        """Have it answer while all workers can, and nobody else than the champion."""
        canary, name = self._loaded.get(trial.affair), trial.deployment.name
        if canary is None:
            return
        answers = name in self._host.canaries
        if roll.are_all_ready and not answers:
            # Said before: its first frame may be the worker's last.
            self._company.tell(trial.affair, SERVING)
            self._host.answer_share(name, canary)
            logger.info("%s answers sessions of %s", trial.version, name)
        elif answers and not roll.are_all_ready:
            self._host.answer_all(name)
            logger.info("%s waits for a worker that has yet to load it", trial.version)

    def _forget_all_but(self, trials: Collection[Trial]) -> None:
        ids = {trial.pk for trial in trials}
        for name, canary in self._host.canaries.items():
            if canary.trial_id not in ids:
                self._host.answer_all(name)
                logger.info("%s answers no sessions of %s", canary.loaded.name, name)
        for affair in self._loaded.keys() - {trial.affair for trial in trials}:
            del self._loaded[affair]
            self._company.withdraw(affair)
        self._loader.forget_all_but({trial.version.stamp for trial in trials})

    def _stop_stuck(self) -> None:
        """Canaries that never get out of a pass, which no figure would tell."""
        for canary in self._host.canaries.values():
            under_way_s = self._host.passes.longest_s(canary.loaded.stamp)
            if reason := first_minute.why_stuck(under_way_s):
                services.stop_if_running(canary.trial_id, reason)

    def _report_now_and_then(self) -> None:
        """What can't be written now is written with what comes."""
        if time.monotonic() - self._reported_at < REPORT_INTERVAL_S:
            return
        self._reported_at = time.monotonic()
        for canary in self._loaded.values():
            if sums := canary.tally.take():
                try:
                    services.report(canary.trial_id, sums)
                except DatabaseError as error:
                    logger.warning("A trial's figures can't be written: %s", error)
                    canary.tally.count(sums)

    def _load(self, trial: Trial) -> None:
        loaded = self._loader.load_checked(
            trial.version,
            is_alone=False,
            is_over=lambda: self._is_over(trial),
            tell=lambda phase, step: self._tell(trial, Progress(phase, step)),
        )
        if reason := self._loader.why_refused(trial.version):
            services.stop_if_running(trial.pk, reason)
        if loaded is None or self._is_over(trial):
            self._company.withdraw(trial.affair)
            return
        with self._attending:
            self._loaded[trial.affair] = Canary(trial.pk, trial.share, loaded)

    def _tell(self, trial: Trial, progress: Progress) -> None:
        """Also where nobody can hear it just now: it goes on all the same."""
        try:
            self._company.tell(trial.affair, progress)
        except RedisError as error:
            logger.warning("How far %s is can't be said: %s", trial, error)

    def _is_over(self, trial: Trial) -> bool:
        if self._stopping.is_set():
            return True
        try:
            return not self._running().filter(pk=trial.pk).exists()
        except DatabaseError as error:
            logger.warning("What is tried can't be read: %s", error)
            return False

    def _attend_interval_s(self) -> float:
        return BUSY_INTERVAL_S if self._is_busy else FOLLOW_INTERVAL_S
