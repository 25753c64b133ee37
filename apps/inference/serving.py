"""`ModelHost`: the model versions that a worker has loaded, and which one answers.

A version is loaded and warmed up by `follow`, in a thread beside the one that serves,
and takes over between two batches by the change of one reference. Where another serves
already and the network has to be built, a process of its own does so first. It knows
the database and the predictors, not Redis, Celery or the channel layer.
"""

from __future__ import annotations

import importlib
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from apps.inference import services, weights
from apps.inference.engines import AUTO, KEEPING, TENSORRT, TORCH_CUDA
from apps.inference.engines.choice import available_engines, likely_engine
from apps.inference.engines.network import nothing_built
from apps.inference.exceptions import (
    EngineError,
    InferenceError,
    NoModelError,
    NotKeptError,
)
from apps.inference.models import Deployment, ModelVersion
from apps.inference.preprocessing import grey_frame
from apps.inference.queues import DEFAULT_QUEUE
from apps.inference.tuning import Tuning
from apps.inference.types import Predictor

logger = logging.getLogger(__name__)

FOLLOW_INTERVAL_S = 1.0
# Web processes hear of another queue within a second, and a frame lives for two.
PARTING_S = 4.0
# A small CPU gains nothing from a batch and only waits longer for it; a GPU does.
BATCH_SIZES = {TORCH_CUDA: 8, TENSORRT: 8}
WORKER_NAME = f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A predictor with the identity of the version it was loaded from."""

    version_id: int
    stamp: tuple[int, datetime | None]
    name: str
    version: str
    family: str
    predictor: Predictor
    batch_size: int

    def describe(self) -> dict[str, Any]:
        return {
            "version_id": self.version_id,
            "name": self.name,
            "version": self.version,
            "family": self.family,
            "engine": self.predictor.engine,
            "worker": WORKER_NAME,
        }


def load_version(version: ModelVersion) -> LoadedVersion:
    """Check a version's weights, load and warm them up.

    Raises:
        InferenceError: with a sentence for the operator.
    """
    family = version.model.family
    if family not in settings.PREDICTOR_FAMILIES:
        raise InferenceError(f"No predictor knows the model family {family!r}.")
    weights.verify(version.path, version.sha256)
    module = importlib.import_module(settings.PREDICTOR_FAMILIES[family])
    engine = _engine_for(version)
    try:
        predictor = cast(Predictor, module.load(version.path, engine=engine))
    except EngineError as error:
        if engine is None or settings.ENGINE != AUTO:
            raise
        logger.warning("Another engine is taken for %s: %s", version, error)
        predictor = cast(Predictor, module.load(version.path, engine=None))
    # Engines prepare themselves for each batch size, at most for each power of two.
    batch_size = count = batch_size_for(version, predictor.engine)
    while count:
        predictor.predict([grey_frame(640, 480)] * count)
        count //= 2
    return LoadedVersion(
        version_id=version.pk,
        stamp=version.stamp,
        name=version.model.name,
        version=version.version,
        family=family,
        predictor=predictor,
        batch_size=batch_size,
    )


def keeps(version: ModelVersion) -> bool:
    """Whether loading it once makes loading it again quick."""
    return (_engine_for(version) or likely_engine()) in KEEPING


def batch_size_for(version: ModelVersion, engine: str) -> int:
    """What the settings say, else what the verification has chosen for this engine.

    Where nobody has measured, a batch is as large as is usual for the engine.
    """
    if settings.BATCH_SIZE:
        return int(settings.BATCH_SIZE)
    if version.batch_size and engine == version.engine:
        return version.batch_size
    measured = version.measured_on(engine).get("batch_size")
    return measured or BATCH_SIZES.get(engine, 1)


def _engine_for(version: ModelVersion) -> str | None:
    """What the settings say, else what the version's verification has found fastest.

    It may have been verified on a machine with more engines than this one.

    Raises:
        EngineError: the settings ask for an engine that verification refused.
    """
    if settings.ENGINE != AUTO:
        if reason := version.measured_on(settings.ENGINE).get("reason"):
            raise EngineError(
                f"EMPORIUM_ENGINE asks for {settings.ENGINE}, which was refused when"
                f" this version was verified: {reason}"
            )
        return str(settings.ENGINE)
    if version.engine in available_engines():
        return version.engine
    if version.engine:
        logger.warning("%s can't run here; %s takes another", version.engine, version)
    return None


Rehearse = Callable[[ModelVersion, Callable[[], bool]], None]


class ModelHost:
    """Serves what the deployments ask for.

    Args:
        rehearse: loads a version elsewhere, so that loading it here takes no time;
            returns early once the function says that nobody waits for it.
        queues: whose deployments it serves.
    """

    def __init__(
        self, rehearse: Rehearse, queues: Sequence[str] = (DEFAULT_QUEUE,)
    ) -> None:
        self._rehearse = rehearse
        self._queues = tuple(queues)
        self.tuning = Tuning()
        self._serving: dict[str, LoadedVersion] = {}
        # Versions that could not be loaded, and why: not tried again every second.
        self._refused: dict[tuple[int, datetime | None], str] = {}
        # Deployments that are answered here, but by their rows shouldn't be.
        self._gone_since: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_following, name="model-loader", daemon=True
        )

    def start(self) -> None:
        """Load what is deployed, then keep following; no model is no error."""
        self.tuning.start()
        self._follow_if_possible()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
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

    def follow(self) -> None:
        """Load what the deployments have as active version and this worker has not."""
        deployments = list(
            Deployment.objects.filter(queue__in=self._queues).select_related(
                "active_version__model"
            )
        )
        self._part_from_others({deployment.name for deployment in deployments})
        # A refused version is tried again once it has been replaced and asked for anew,
        # or verified anew.
        wanted = {deployment.active_version.stamp for deployment in deployments}
        self._refused = {
            stamp: why for stamp, why in self._refused.items() if stamp in wanted
        }
        for deployment in deployments:
            version = deployment.active_version
            serving = self._serving.get(deployment.name)
            if serving is None or serving.stamp != version.stamp:
                self._switch(deployment, version)
            self._report(deployment, version)

    def _part_from_others(self, ours: set[str]) -> None:
        """Forget what has gone to another queue, once no frame of it can come here."""
        now = time.monotonic()
        gone = self._serving.keys() - ours
        self._gone_since = {name: self._gone_since.get(name, now) for name in gone}
        for name, since in self._gone_since.items():
            if now - since > PARTING_S:
                del self._serving[name]
                logger.info("%s isn't answered here any more", name)

    def _switch(self, deployment: Deployment, version: ModelVersion) -> None:
        if version.stamp in self._refused:
            return
        logger.info("Loading %s for %s", version, deployment.name)
        try:
            loaded = self._load(deployment, version)
        except InferenceError as error:
            self._refuse(version, str(error))
        except Exception:
            logger.exception("%s could not be loaded", version)
            self._refuse(version, "Loading it failed; the worker's log says why.")
        else:
            if loaded is None or self._is_over(deployment, version):
                logger.info("%s isn't wanted any more", version)
            else:
                self._serving[deployment.name] = loaded
                logger.info("%s answers for %s", version, deployment.name)

    def _load(
        self, deployment: Deployment, version: ModelVersion
    ) -> LoadedVersion | None:
        """So that live frames don't wait; none where nobody waits for it any more."""
        if self._serving and keeps(version):
            try:
                with nothing_built():
                    return load_version(version)
            except NotKeptError:
                self._tell(
                    deployment,
                    version,
                    "Loaded in a process of its own, beside the one that answers.",
                )
                self._rehearse(version, lambda: self._is_over(deployment, version))
            if self._is_over(deployment, version):
                return None
        self._tell(deployment, version, "Loaded by the worker.")
        return load_version(version)

    def _tell(self, deployment: Deployment, version: ModelVersion, step: str) -> None:
        try:
            services.tell_loading(deployment.pk, version.pk, step)
        except DatabaseError as error:
            logger.warning("That %s is being loaded can't be said: %s", version, error)

    def _is_over(self, deployment: Deployment, version: ModelVersion) -> bool:
        """Whether it is time to stop, or somebody has chosen another version."""
        if self._stopping.is_set():
            return True
        try:
            return not services.is_wanted(deployment.pk, version.pk)
        except DatabaseError as error:
            logger.warning("Whether %s is wanted can't be read: %s", version, error)
            return False

    def _refuse(self, version: ModelVersion, reason: str) -> None:
        logger.error("%s stays out: %s", version, reason)
        self._refused[version.stamp] = reason

    def _report(self, deployment: Deployment, version: ModelVersion) -> None:
        """Write what came of an activation, if that isn't written yet.

        Done in each round: the database may have been busy, or the operator may have
        gone back to what answers already.
        """
        reason = self._refused.get(version.stamp)
        if reason is None:
            services.confirm_activation(deployment.pk, version.pk)
        else:
            services.roll_back(deployment.pk, version.pk, reason)

    def _keep_following(self) -> None:
        while not self._stopping.wait(FOLLOW_INTERVAL_S):
            close_old_connections()
            self._follow_if_possible()
        connection.close()

    def _follow_if_possible(self) -> None:
        try:
            self.follow()
        except DatabaseError as error:
            logger.warning("The deployments could not be read: %s", error)
        except Exception:
            # A worker whose follower has died would answer with this version for ever.
            logger.exception("The deployments could not be followed")
