"""`Follower`: has a worker's `ModelHost` answer with what the rows ask for.

What the deployments and their activations ask for is loaded by `follow`, in a thread
beside the one that serves. Another attends to what takes no time, so that a version is
taken back whatever is being loaded. When one may answer is decided in `activating.py`.
It knows the database and the company of the other workers, not Celery or the channel
layer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from apps.inference.models import Activation, Deployment
from apps.inference.queues import DEFAULT_QUEUE
from apps.inference.serving import activating, switching
from apps.inference.serving.beside import Loader, Rehearse
from apps.inference.serving.company import Company, Phase, Progress
from apps.inference.serving.golden import golden_frames
from apps.inference.serving.host import ModelHost
from apps.inference.serving.repeating import Repeated, if_possible

logger = logging.getLogger(__name__)

FOLLOW_INTERVAL_S = 1.0
# While an activation is under way: all workers are to change over together.
BUSY_INTERVAL_S = 0.2


class Follower:
    """One a worker, from `start` to `stop`.

    Args:
        host: what answers.
        rehearse: as in `beside.py`.
        company: the other workers.
        queues: whose deployments it answers for.
    """

    def __init__(
        self,
        host: ModelHost,
        rehearse: Rehearse,
        company: Company,
        queues: Sequence[str] = (DEFAULT_QUEUE,),
    ) -> None:
        self.host = host
        self._loader = Loader(rehearse)
        self._company = company
        self._queues = tuple(queues)
        self._is_busy = False
        self._attending = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            Repeated(name, act, interval_s, self._stopping)
            for name, act, interval_s in (
                ("model-loader", self.follow, lambda: FOLLOW_INTERVAL_S),
                ("activations", self._attend, self._attend_interval_s),
            )
        ]

    def start(self) -> None:
        """Load what is deployed, then keep following; no model is no error."""
        self.host.tuning.start()
        if_possible(self._find_the_lost)
        if_possible(self._load_active)
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Other workers needn't wait for this one, nor take it for lost."""
        self._company.leave()

    def stop(self) -> None:
        self._stopping.set()
        self.leave()
        for thread in self._threads:
            thread.join()
        self.host.tuning.stop()

    def follow(self) -> None:
        """Have answer what is active, and do for activations what this worker must."""
        golden_frames()  # takes a second at first, which no activation shall wait for
        self._load_active()
        under_way = [each for each in self._attend() if each.is_under_way]
        for activation in under_way:
            self._prepare(activation)
        if under_way:
            self._attend()

    def _deployments(self) -> list[Deployment]:
        """Those that this worker serves."""
        mine = Deployment.objects.filter(queue__in=self._queues)
        return list(mine.select_related("active_version__model"))

    def _attend(self) -> list[Activation]:
        """Do all that takes no time; returns the activations that were open."""
        with self._attending:
            activations = switching.open_activations(self._deployments())
            self._is_busy = any(each.is_under_way for each in activations)
            for activation in activations:
                self._look_after(activation)
            deployments = self._deployments()
            self.host.part_from_others({each.name for each in deployments})
            self._forget_unwanted(deployments, activations)
            for deployment in deployments:
                self._change_over(deployment, activations)
            return activations

    def _look_after(self, activation: Activation) -> None:
        try:
            if activation.is_watched:
                self._count(activation)
            activating.look_after(activation, self._company)
        except RedisError as error:
            logger.warning("%s has to wait for Redis: %s", activation, error)

    def _change_over(
        self, deployment: Deployment, activations: Sequence[Activation]
    ) -> None:
        """Have the active version answer, if it is loaded."""
        name, stamp = deployment.name, deployment.active_version.stamp
        loaded = self.host.loaded(name, stamp)
        if loaded is None or self.host.is_answering(loaded):
            return
        for activation in activations:
            if activation.deployment == deployment and (
                activation.to_version.stamp == stamp
            ):
                # Said before: its first frame may be the worker's last.
                self._tell(activation, Progress(Phase.SERVING))
        self.host.change_over(name, loaded)

    def _load_active(self) -> None:
        """Load what is active and isn't loaded yet: a worker starts, or it was changed
        without being asked for.
        """
        for deployment in self._deployments():
            version = deployment.active_version
            if self.host.loaded(deployment.name, version.stamp) is None:
                self._load_for(deployment)
            if reason := self._loader.why_refused(version):
                switching.write_failure(deployment.pk, version.pk, reason)

    def _load_for(self, deployment: Deployment) -> None:
        def is_wanted() -> bool:
            return _is_active(deployment)

        loaded = self._loader.load(
            deployment.active_version,
            is_alone=self.host.is_idle,
            is_over=lambda: self._is_over(is_wanted),
        )
        if loaded is not None and is_wanted():
            self.host.keep(deployment.name, loaded)
            self._attend()

    def _prepare(self, activation: Activation) -> None:
        """Load and check what is to answer, and say that it may."""
        version, name = activation.to_version, activation.deployment.name
        loaded = self.host.loaded(name, version.stamp)
        if loaded is None:
            loaded = self._loader.load_checked(
                version,
                is_alone=self.host.is_idle,
                is_over=lambda: self._is_over(lambda: _is_wanted(activation)),
                tell=lambda phase, step: self._tell(activation, Progress(phase, step)),
            )
            if reason := self._loader.why_refused(version):
                switching.roll_back(activation.pk, reason)
            if loaded is None:
                return
            self.host.keep(name, loaded)
        self._tell(activation, Progress(Phase.READY, "Loaded.", loaded.check))

    def _tell(self, activation: Activation, progress: Progress) -> None:
        """Also where nobody can hear it just now: it goes on all the same."""
        try:
            self._company.tell(activation.affair, progress)
            if progress.phase not in (Phase.READY, Phase.SERVING):
                activating.look_after(activation, self._company)
        except (DatabaseError, RedisError) as error:
            logger.warning("How far %s is can't be said: %s", activation, error)

    def _is_over(self, is_wanted: Callable[[], bool]) -> bool:
        """Whether what is being loaded needn't be."""
        try:
            return self._stopping.is_set() or not is_wanted()
        except DatabaseError as error:
            logger.warning("What is wanted can't be read: %s", error)
            return False

    def _count(self, activation: Activation) -> None:
        """Tell how its version does here, in its first minute."""
        stamp = activation.to_version.stamp
        loaded = self.host.loaded(activation.deployment.name, stamp)
        if loaded is not None and self.host.is_answering(loaded):
            under_way_s = self.host.passes.longest_s(stamp)
            progress = Progress(Phase.SERVING, under_way_s=under_way_s)
            self._company.tell(activation.affair, progress)
            self._company.count(activation.affair, loaded.tally.take())

    def _forget_unwanted(
        self, deployments: Sequence[Deployment], activations: Sequence[Activation]
    ) -> None:
        """Keep what answers, what is to, and what may have to answer again.

        What is refused is tried again once it was verified anew, or not wanted and
        asked for again.
        """
        wanted = {(each.name, each.active_version.stamp) for each in deployments}
        for each in activations:
            for version in (each.to_version, each.from_version):
                if version is not None:
                    wanted.add((each.deployment.name, version.stamp))
        self._loader.forget_all_but({stamp for _, stamp in wanted})
        self.host.let_go_of_all_but(wanted)

    def _find_the_lost(self) -> None:
        """Before anything is loaded: it may be what has just killed a worker."""
        for activation in switching.open_activations(self._deployments()):
            queue = activation.deployment.queue
            while self._company.look(activation.affair, queue).doubtful:
                if self._stopping.wait(BUSY_INTERVAL_S):
                    return
            activating.look_after(activation, self._company)

    def _attend_interval_s(self) -> float:
        return BUSY_INTERVAL_S if self._is_busy else FOLLOW_INTERVAL_S


def _is_active(deployment: Deployment) -> bool:
    """Whether what was active when it was read is so still."""
    return Deployment.objects.filter(
        pk=deployment.pk, active_version=deployment.active_version_id
    ).exists()


def _is_wanted(activation: Activation) -> bool:
    return switching.is_under_way(activation.pk)
