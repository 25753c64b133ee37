"""`ModelHost`: the model versions that a worker has loaded, and which one answers.

What the deployments and their activations ask for is loaded by `follow`, in a thread
beside the one that serves, and takes over between two batches by the change of one
reference. When it may is decided in `activating.py`. It knows the database and the
company of the other workers, not Celery or the channel layer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from redis.exceptions import RedisError

from apps.inference.exceptions import NoModelError
from apps.inference.models import Activation, Deployment
from apps.inference.queues import DEFAULT_QUEUE
from apps.inference.serving import activating, switching
from apps.inference.serving.beside import Loader, Rehearse
from apps.inference.serving.company import Company, Phase, Progress
from apps.inference.serving.golden import golden_frames
from apps.inference.serving.loading import LoadedVersion, Stamp
from apps.inference.serving.passes import Passes
from apps.inference.serving.tuning import Tuning
from apps.inference.trials.canary import Canary

logger = logging.getLogger(__name__)

FOLLOW_INTERVAL_S = 1.0
# While an activation is under way: all workers are to change over together.
BUSY_INTERVAL_S = 0.2
# Web processes hear of another queue within a second, and a frame lives for two.
PARTING_S = 4.0


class ModelHost:
    """Serves what the deployments ask for.

    Args:
        rehearse: as in `beside.py`.
        company: the other workers.
        queues: whose deployments it serves.
    """

    def __init__(
        self,
        rehearse: Rehearse,
        company: Company,
        queues: Sequence[str] = (DEFAULT_QUEUE,),
    ) -> None:
        self._loader = Loader(rehearse)
        self._company = company
        self._queues = tuple(queues)
        self.tuning = Tuning()
        self.passes = Passes()
        # By the deployment; never changed, only replaced.
        self.canaries: dict[str, Canary] = {}
        self._serving: dict[str, LoadedVersion] = {}
        # By the deployment: what answers, what is about to, and what did just before.
        self._loaded: defaultdict[str, dict[Stamp, LoadedVersion]] = defaultdict(dict)
        # Deployments that are answered here, but by their rows shouldn't be.
        self._gone_since: dict[str, float] = {}
        self._is_busy = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_following, name="model-loader", daemon=True
        )

    def start(self) -> None:
        """Load what is deployed, then keep following; no model is no error."""
        self.tuning.start()
        self._if_possible(self._find_the_lost)
        self._if_possible(self._load_active)
        self._thread.start()

    def leave(self) -> None:
        """Other workers needn't wait for this one, nor take it for lost."""
        self._company.leave()

    def stop(self) -> None:
        self._stopping.set()
        self.leave()
        self._thread.join()
        self.tuning.stop()

    @property
    def batch_size(self) -> int:
        """How many frames to take at once."""
        return max((each.batch_size for each in self._serving.values()), default=1)

    def describe(self) -> dict[str, dict[str, Any]]:
        """What answers for each deployment."""
        serving = dict(self._serving)
        return {name: loaded.describe() for name, loaded in serving.items()}

    def version_for(self, deployment: str) -> LoadedVersion:
        """The deployment's version of this moment, which answers whole batches.

        Raises:
            NoModelError: none is loaded.
        """
        loaded = self._serving.get(deployment)
        if loaded is None:
            raise NoModelError(f"No model is loaded for deployment {deployment!r}.")
        return loaded

    def is_answering(self, loaded: LoadedVersion) -> bool:
        """Whether it would be given frames just now."""
        canaries = (canary.loaded for canary in self.canaries.values())
        return any(each is loaded for each in (*self._serving.values(), *canaries))

    def answer_share(self, deployment: str, canary: Canary) -> None:
        """Have a canary answer its sessions, from the next batch on."""
        self.canaries = {**self.canaries, deployment: canary}

    def answer_all(self, deployment: str) -> None:
        """Answer the canary's sessions again, too."""
        self.canaries = {
            name: canary for name, canary in self.canaries.items() if name != deployment
        }

    def follow(self) -> None:
        """Have answer what is active, and do for activations what this worker must."""
        self._load_active()
        under_way = [each for each in self._attend() if each.is_under_way]
        self._is_busy = bool(under_way)
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
        activations = switching.open_activations(self._deployments())
        for activation in activations:
            try:
                if activation.is_watched:
                    self._count(activation)
                activating.look_after(activation, self._company)
            except RedisError as error:
                logger.warning("%s has to wait for Redis: %s", activation, error)
        deployments = self._deployments()
        self._part_from_others({deployment.name for deployment in deployments})
        self._forget_unwanted(deployments, activations)
        for deployment in deployments:
            self._change_over(deployment)
        return activations

    def _load_active(self) -> None:
        """Load what is active and isn't loaded yet: a worker starts, or it was changed
        without being asked for.
        """
        for deployment in self._deployments():
            version = deployment.active_version
            if not self._change_over(deployment):
                self._load_for(deployment)
            if reason := self._loader.why_refused(version):
                switching.write_failure(deployment.pk, version.pk, reason)

    def _load_for(self, deployment: Deployment) -> None:
        def is_wanted() -> bool:
            return _is_active(deployment)

        loaded = self._loader.load(
            deployment.active_version,
            is_alone=not self._serving,
            is_over=lambda: self._is_over(is_wanted),
        )
        if loaded is not None and is_wanted():
            self._loaded[deployment.name][loaded.stamp] = loaded
            self._change_over(deployment)

    def _prepare(self, activation: Activation) -> None:
        """Load and check what is to answer, and say that it may."""
        version = activation.to_version
        beside = self._loaded[activation.deployment.name]
        if version.stamp not in beside:
            loaded = self._loader.load_checked(
                version,
                is_alone=not self._serving,
                is_over=lambda: self._is_over(lambda: _is_wanted(activation)),
                tell=lambda phase, step: self._tell(activation, Progress(phase, step)),
            )
            if reason := self._loader.why_refused(version):
                switching.roll_back(activation.pk, reason)
            if loaded is None:
                return
            beside[version.stamp] = loaded
        ready = Progress(Phase.READY, "Loaded.", beside[version.stamp].check)
        self._tell(activation, ready)

    def _tell(self, activation: Activation, progress: Progress) -> None:
        """Also where nobody can hear it just now: it goes on all the same."""
        try:
            self._company.tell(activation.pk, progress)
            if progress.phase != Phase.READY:
                activating.look_after(activation, self._company)
        except (DatabaseError, RedisError) as error:
            logger.warning("How far %s is can't be said: %s", activation, error)

    def _is_over(self, is_wanted: Callable[[], bool]) -> bool:
        """Whether what is being loaded needn't be; attends to all else meanwhile."""
        if self._stopping.is_set():
            return True
        try:
            self._attend()
            return not is_wanted()
        except DatabaseError as error:
            logger.warning("What is wanted can't be read: %s", error)
            return False

    def _count(self, activation: Activation) -> None:
        """Tell how its version does here, in its first minute."""
        serving = self._serving.get(activation.deployment.name)
        if serving is not None and serving.stamp == activation.to_version.stamp:
            under_way_s = self.passes.longest_s(serving.stamp)
            progress = Progress(Phase.SERVING, under_way_s=under_way_s)
            self._company.tell(activation.pk, progress)
            self._company.count(activation.pk, serving.tally.take())

    def _change_over(self, deployment: Deployment) -> bool:
        """Have the active version answer, if it is loaded."""
        name, stamp = deployment.name, deployment.active_version.stamp
        serving = self._serving.get(name)
        if serving is not None and serving.stamp == stamp:
            return True
        loaded = self._loaded[name].get(stamp)
        if loaded is None:
            return False
        loaded.tally.take()
        self._serving[name] = loaded
        logger.info("%s answers for %s", deployment.active_version, name)
        return True

    def _part_from_others(self, ours: set[str]) -> None:
        """Forget what has gone to another queue, once no frame of it can come here."""
        now = time.monotonic()
        gone = self._serving.keys() - ours
        self._gone_since = {name: self._gone_since.get(name, now) for name in gone}
        for name, since in self._gone_since.items():
            if now - since > PARTING_S:
                del self._serving[name]
                logger.info("%s isn't answered here any more", name)

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
        wanted |= {(name, serving.stamp) for name, serving in self._serving.items()}
        for name, loaded in self._loaded.items():
            for stamp in [each for each in loaded if (name, each) not in wanted]:
                del loaded[stamp]

    def _find_the_lost(self) -> None:
        """Before anything is loaded: it may be what has just killed a worker."""
        for activation in switching.open_activations(self._deployments()):
            queue = activation.deployment.queue
            while self._company.look(activation.pk, queue).doubtful:
                if self._stopping.wait(BUSY_INTERVAL_S):
                    return
            activating.look_after(activation, self._company)

    def _keep_following(self) -> None:
        golden_frames()  # takes a second, which no activation shall wait for
        while not self._stopping.wait(
            BUSY_INTERVAL_S if self._is_busy else FOLLOW_INTERVAL_S
        ):
            close_old_connections()
            self._if_possible(self.follow)
        connection.close()

    def _if_possible(self, act: Callable[[], None]) -> None:
        try:
            act()
        except DatabaseError as error:
            logger.warning("The deployments could not be read: %s", error)
        except RedisError as error:
            logger.warning("The other workers could not be asked after: %s", error)
        except Exception:
            # A worker whose follower has died would answer with this version for ever.
            logger.exception("The deployments could not be followed")


def _is_active(deployment: Deployment) -> bool:
    """Whether what was active when it was read is so still."""
    return Deployment.objects.filter(
        pk=deployment.pk, active_version=deployment.active_version_id
    ).exists()


def _is_wanted(activation: Activation) -> bool:
    return switching.is_under_way(activation.pk)
