"""The process that answers once more, for a shadow: it has the challenger loaded.

Whatever it takes, it takes from what live frames leave over: it runs when nobody else
wants the processor, in one thread, for a part of the time, and asks for a frame just
when one has been answered. Ends with its trial.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DatabaseError, close_old_connections
from redis import Redis
from redis.exceptions import RedisError

from apps.inference import results
from apps.inference.connections import sync_redis
from apps.inference.exceptions import InferenceError
from apps.inference.mailbox import Letter
from apps.inference.models import ModelVersion, Trial
from apps.inference.serving.loading import LoadedVersion, load_version
from apps.inference.serving.rehearsal import stand_behind_live_frames
from apps.inference.serving.tuning import Tuning
from apps.inference.tally import Sums, added
from apps.inference.trials import agreement, relay, services
from apps.inference.trials.figures import CHALLENGER, CHAMPION, of_message
from apps.inference.trials.relay import Passed
from apps.inference.types import Prediction

logger = logging.getLogger(__name__)

# The most of its time in which it works; the rest it sleeps.
DUTY = 0.25
# To pass a frame on costs those who answer live, too, however quick the challenger is.
LEAST_REST_S = 0.1
REPORT_INTERVAL_S = 2.0
# Redis is back soon, or its supervisor hasn't noticed yet.
PATIENCE_S = 1.0
# Of one session a person is to look at one disagreement in so many seconds.
DISAGREEMENT_INTERVAL_S = 5.0


def answer(trial_id: int) -> None:
    """Answer what is passed on, until the trial is over or this process is to end."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    # Before anything that takes its time: it may be gone afterwards.
    parent = os.getppid()
    stand_behind_live_frames()
    trial = Trial.objects.select_related("version__model").get(pk=trial_id)
    loaded = _load(trial)
    if loaded is None:
        return
    stand_behind_everybody()
    logger.info("%s shadows %s", trial.version, trial.deployment)
    tuning = Tuning()
    tuning.start()
    Answerer(trial_id, loaded, tuning, sync_redis(), stopping).run(parent)
    tuning.stop()


def _load(trial: Trial) -> LoadedVersion | None:
    """None where it can't be, which its trial says."""
    try:
        return _load_in_one_thread(trial.version)
    except InferenceError as error:
        reason = str(error)
    except Exception:
        logger.exception("%s could not be loaded", trial.version)
        reason = "Loading it failed; the log of the shadow's worker says why."
    services.stop_if_running(trial.pk, reason)
    return None


def stand_behind_everybody() -> None:
    """Run only when nobody else wants the processor: all threads that there are.

    Not while it is loaded, which would take ages on a busy machine.
    """
    stand_behind_live_frames(19)
    threads = Path("/proc/self/task")
    if threads.exists():
        for thread in threads.iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))


def _load_in_one_thread(version: ModelVersion) -> LoadedVersion:
    """Engines have as many threads as they find processors."""
    with _one_processor():
        import torch

        torch.set_num_threads(1)
        return load_version(version)


def rest_s(worked_s: float) -> float:
    """For how long it sleeps after so much work."""
    return max(worked_s * (1 / DUTY - 1), LEAST_REST_S)


@contextmanager
def _one_processor() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Answerer:
    """Compares the challenger's answers with those that were given.

    Args:
        trial_id: whose figures they are.
        loaded: the challenger.
        tuning: which scores the deployment asks for.
        redis: where frames are passed on.
        stopping: set when it is to end.
    """

    def __init__(
        self,
        trial_id: int,
        loaded: LoadedVersion,
        tuning: Tuning,
        redis: Redis,
        stopping: threading.Event,
    ) -> None:
        self._trial_id = trial_id
        self._loaded = loaded
        self._tuning = tuning
        self._redis = redis
        self._stopping = stopping
        self._sums: Sums = {}
        self._told_at: dict[str, float] = {}

    @property
    def is_over(self) -> bool:
        return self._stopping.is_set()

    def run(self, parent: int) -> None:
        """Goes on for as long as there is the parent, which alone could end it."""
        reported_at = time.monotonic()
        while not self.is_over:
            self._answer_if_possible()
            if time.monotonic() - reported_at >= REPORT_INTERVAL_S:
                reported_at = time.monotonic()
                close_old_connections()
                self.report()
                if os.getppid() != parent:
                    self._stopping.set()
        self.report()

    def _answer_if_possible(self) -> None:
        try:
            passed = relay.ask_for(self._redis, self._trial_id, self._loaded.batch_size)
            if not passed:
                return
            began = time.monotonic()
            self.compare(passed)
            self._stopping.wait(rest_s(time.monotonic() - began))
        except RedisError as error:
            logger.warning("No frames are passed on just now: %s", error)
            self._stopping.wait(PATIENCE_S)

    def compare(self, passed: Sequence[Passed]) -> None:
        """Answer frames, and count how the answers compare with those given.

        Raises:
            redis.RedisError: nobody was told what differs.
        """
        for each in passed:
            self._count({CHAMPION: of_message(each.message)})
        try:
            predictions = self._loaded.predictor.predict(
                [each.frame for each in passed]
            )
        except Exception:
            logger.exception("%s failed on a batch", self._loaded.name)
            self._count({CHALLENGER: {"failed": len(passed)}})
            return
        for each, prediction in zip(passed, predictions, strict=True):
            self._compare(each, self._message(each, prediction))

    def _message(self, passed: Passed, prediction: Prediction) -> dict[str, Any]:
        """What its session would have been told."""
        return results.result_message(
            Letter(passed.frame, passed.deployment, passed.reply_channel, 0.0, ""),
            prediction,
            self._loaded.describe(),
            0.0,
            self._tuning.thresholds(passed.deployment),
        )

    def _compare(self, passed: Passed, message: dict[str, Any]) -> None:
        counted = of_message(message)
        # It isn't live: how old its answers are says nothing of how old they'd be.
        del counted["age"]
        compared = agreement.compare(passed.message, message)
        self._count({CHALLENGER: counted, "agreement": compared})
        if agreement.is_worth_a_look(compared):
            self._tell(passed, message)

    def _tell(self, passed: Passed, message: dict[str, Any]) -> None:
        session_id, now = passed.frame.session_id, time.monotonic()
        told_at = self._told_at.get(session_id, -DISAGREEMENT_INTERVAL_S)
        if now - told_at < DISAGREEMENT_INTERVAL_S:
            return
        self._told_at = {
            session: at
            for session, at in self._told_at.items()
            if now - at < DISAGREEMENT_INTERVAL_S
        } | {session_id: now}
        disagreement = results.disagreement_message(self._trial_id, message)
        results.add_publish(self._redis, passed.reply_channel, disagreement)

    def _count(self, more: Sums) -> None:
        self._sums = added(self._sums, more)

    def report(self) -> None:
        """What can't be written now is written with what comes."""
        sums, self._sums = self._sums, {}
        try:
            if not services.report(self._trial_id, sums):
                self._stopping.set()
        except DatabaseError as error:
            logger.warning("A trial's figures could not be written: %s", error)
            self._sums = added(sums, self._sums)
